"""What a video file says of itself, by ffmpeg: codec, pixels, size, rate."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cinegan_cli.errors import InputError
from cinegan_cli.stages.video.encoders import foreign_input
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable

PROBE_SECONDS = 60  # ffmpeg reads headers in well under one


@dataclass(frozen=True)
class Stream:
    """The first picture stream: `codec` such as "h264", `pixels` such as "yuv420p", `tags` such as ("tv", "bt709").

    `fps` is frames/s, 0 where the file does not say; `start` in seconds; `audio` counts the sound tracks.
    """

    codec: str
    profile: str
    pixels: str
    tags: tuple[str, ...]
    width: int
    height: int
    fps: float
    start: float
    audio: int


def probe(path: Path) -> Stream:
    """Read the headers of a video. Raises `InputError` when ffmpeg finds no video, or none of the kinds we take."""
    text = said_of(path, [], keep="stderr")
    video = re.search(r"Stream #\S+.*?: Video: (.*)", text)
    if video is None:
        raise InputError(f"{path}: the video cannot be read ({plainly(text)}); write it again")
    fields = re.sub(r"\(([^()]*)\)", lambda match: "(" + match[1].replace(",", "|") + ")", video[1]).split(", ")
    codec, *remarks = re.findall(r"[^()\s]+", re.sub(r"\([^()]*/[^()]*\)|\(lib[^()]*\)", "", fields[0]))
    pixels, _, tags = (fields[1] if len(fields) > 1 else "").partition("(")
    size = re.search(r", (\d+)x(\d+)", video[1])
    start = re.search(r"start: (-?[\d.]+)", text)
    rate = re.search(r"([\d.]+)(k?) fps", video[1]) or re.search(r"([\d.]+)(k?) tbr", video[1])
    return Stream(
        codec=codec,
        profile=" ".join(remarks),
        pixels=pixels,
        tags=tuple(re.split(r"[|/)\s]+", tags)),
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        fps=float(rate[1]) * (1000 if rate[2] else 1) if rate else 0.0,
        start=float(start[1]) if start else 0.0,
        audio=len(re.findall(r"Stream #\S+.*?: Audio: ", text)),
    )


def packet_times(path: Path) -> tuple[tuple[int, ...], bool]:
    """When each frame is shown, in ticks of the file, and whether the first one is a keyframe."""
    copied = said_of(path, ["-v", "error", "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "pipe:1"], keep="stdout")
    lines = [line for line in copied.splitlines() if line and not line.startswith("#")]
    if not lines:
        raise InputError(f"{path}: the video cannot be read (no frames in it); write it again")
    return tuple(int(line.split(",")[2]) for line in lines), "F=0x0" not in lines[0]


def said_of(path: Path, arguments: list[str], *, keep: str) -> str:
    """What ffmpeg, reading the file, prints on stdout or stderr. Raises `InputError` when it takes too long."""
    command = [ffmpeg_executable(), "-hide_banner", "-nostdin", *foreign_input(path), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: ffmpeg takes too long over it; write it again") from None
    return (done.stderr if keep == "stderr" else done.stdout).decode(errors="replace")


def plainly(said: str) -> str:
    """What ffmpeg said, without its own names and addresses; what happens most often in words."""
    if "not on whitelist" in said:
        return "it is a playlist, or of a kind that cinegan does not take"
    if "moov atom not found" in said:
        return "it is cut off: its table of contents is missing"
    if "Input #0" in said or "matches no streams" in said or "Output file does not contain any stream" in said:
        return "there is no picture in it"
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("At least one output")]
    return " ".join(re.sub(r"\[[^\]]*@ 0x[0-9a-f]+\]", "", " ".join(lines)).split()) or "no frames in it"

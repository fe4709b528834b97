"""Which codec an output gets, who encodes it, and whether this machine can."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from cinegan_cli.config import VideoConfig
from cinegan_cli.errors import OutputError, UsageError
from cinegan_cli.stages.video.encoders import ENCODERS, codec_arguments
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable, has_encoder
from cinegan_cli.stages.video.probe import plainly

# what each kind of video may hold; the first where --codec names none of them
HOLDS = MappingProxyType(
    {
        ".mp4": ("h264", "hevc", "av1", "vp9"),
        ".webm": ("vp9", "av1"),
        ".mov": ("h264", "hevc", "prores"),
    }
)
HARDWARE = MappingProxyType(
    {
        "nvenc": ("h264", "hevc", "av1"),
        "qsv": ("h264", "hevc", "av1", "vp9"),
        "vaapi": ("h264", "hevc", "av1", "vp9"),
        "videotoolbox": ("h264", "hevc", "prores"),
    }
)
TRIAL_SECONDS = 20  # a driver that takes longer hangs


def codec_of(path: Path, video: VideoConfig) -> str | None:
    """The codec of an output, None for pictures."""
    held = HOLDS.get(path.suffix.lower(), ())
    return video.codec if video.codec in held else next(iter(held), None)


def check_codecs(video: VideoConfig) -> None:
    """Raise for videos that cannot be made: `UsageError` for what does not go together, `OutputError` for what fails.

    Software encoders are looked up in the list of ffmpeg (each build has H.264); of hardware a tiny trial tells.
    """
    codecs = [codec for path in video.out if (codec := codec_of(path, video))]
    if video.codec != "h264" and video.codec not in codecs:
        kinds = " or ".join(kind for kind, held in HOLDS.items() if video.codec in held)
        raise UsageError(f"--codec {video.codec}: goes into {kinds}, which no --out names; name one, or leave it out")
    if video.encoder == "software":
        for path in video.out:
            if codec := codec_of(path, video):
                _check_software(path, codec)
        return
    if not codecs:
        raise UsageError(f"--encoder {video.encoder}: makes {', '.join(HOLDS)}, which no --out names; leave it out")
    for codec in dict.fromkeys(codecs):
        known = HARDWARE[video.encoder]
        if codec not in known:
            raise UsageError(f"--encoder {video.encoder}: makes {', '.join(known)}, not {codec}; leave it out")
        if reason := failure(ffmpeg_executable(), codec, video.encoder):
            raise OutputError(f"--encoder {video.encoder}: does not work for {codec} here ({reason}); leave it out")


@lru_cache
def failure(ffmpeg: str, codec: str, encoder: str) -> str:
    """Why that hardware encoder cannot make a tiny video, empty if it can."""
    source = ["-f", "lavfi", "-i", "color=c=gray:size=256x256:rate=25", "-frames:v", "5"]
    trial = [*source, *codec_arguments(codec, quality=80, count=5, encoder=encoder), "-f", "null", "-"]
    command = [ffmpeg, "-hide_banner", "-nostdin", "-v", "error", *trial]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"a trial took more than {TRIAL_SECONDS} s"
    said = plainly(next(iter(done.stderr.decode(errors="replace").splitlines()), f"status {done.returncode}"))
    return said if done.returncode else ""


def _check_software(path: Path, codec: str) -> None:
    if codec != "h264" and not has_encoder(ENCODERS[codec]):
        raise OutputError(
            f"{path}: needs {codec}, and this ffmpeg was built without {ENCODERS[codec]}; run "
            "pip install --upgrade imageio-ffmpeg, or write an .mp4 as h264"
        )

"""Playback safety: does the file let every player loop it without a flash, a pause, wrong colours, or not at all?

MP4 and MOV are read box by box (`boxes`), WebM through ffmpeg, animated pictures by their loop counts (`plays`).
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from cinegan_cli.errors import InputError
from cinegan_cli.measure.boxes import Colour, Track, read_tracks
from cinegan_cli.measure.findings import Finding, finding
from cinegan_cli.measure.playback import playback_finding
from cinegan_cli.measure.plays import apng_plays, gif_plays, webp_plays
from cinegan_cli.stages.video import Stream, packet_times, probe

MATROSKA_TICK = 0.001  # s: WebM times are whole milliseconds, so 1/30 s becomes 33, 33, 34 ms
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def check_container(path: Path) -> tuple[Finding, ...]:
    """Findings for the container of a video or animated picture; none for a folder of frames.

    Raises `InputError` when the file is missing, damaged or of an unknown kind.
    """
    if os.path.isdir(path):  # False also for a name that the system cannot take
        return ()
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _check_mp4(path, file)
            if head.startswith(b"\x1a\x45\xdf\xa3"):
                return _check_webm(path)
            if head.startswith((b"GIF87a", b"GIF89a")):
                return (_loops(gif_plays(file)),)
            if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
                return (_loops(webp_plays(file)),)
            if head.startswith(PNG_SIGNATURE):
                return (_loops(apng_plays(file)),)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the name") from None
    except (struct.error, IndexError, EOFError, ValueError) as error:
        raise InputError(f"{path}: the file is damaged or incomplete ({error}); write it again") from None
    raise InputError(f"{path}: not a video or animated picture that cinegan knows; use mp4, webm, gif, webp or apng")


def _check_mp4(path: Path, file: BinaryIO) -> tuple[Finding, ...]:
    order, tracks = read_tracks(file)
    video = next((track for track in tracks if track.handler == "vide"), None)
    if video is None or video.picture is None:
        raise InputError(f"{path}: has no video track; name a video")
    stream, picture = probe(path), video.picture
    before = b"mdat" not in order or order.index(b"moov") < order.index(b"mdat")
    return (
        _audio(sum(track.handler == "soun" for track in tracks)),
        _edits(video),
        _start(stream.start),
        _mp4_rate(video),
        _sync(video.first_sync in (None, 1)),
        *_pixels(stream, picture.colour),
        finding("faststart", before, "index first" if before else "index last", "index (moov) before the data (mdat)"),
        _even(picture.width, picture.height),
        playback_finding(stream, picture),
    )


def _check_webm(path: Path) -> tuple[Finding, ...]:
    stream = probe(path)
    ticks, is_key = packet_times(path)
    steps = [(later - earlier) * MATROSKA_TICK for earlier, later in pairwise(ticks)]
    spread = max(steps) - min(steps) if steps else 0.0
    even_steps = spread <= 1.5 * MATROSKA_TICK
    return (
        _audio(stream.audio),
        _start(stream.start),
        finding("constant rate", even_steps, f"steps differ by {spread * 1000:.0f} ms", "every frame equally long"),
        _sync(is_key),
        *_pixels(stream, None),
        _even(stream.width, stream.height),
        playback_finding(stream, None),
    )


def _audio(tracks: int) -> Finding:
    advice = "a sound track that is longer than the picture makes players show black at the loop point"
    return finding("audio", tracks == 0, f"{tracks} audio track{'s' * (tracks != 1)}", "none", advice)


def _edits(video: Track) -> Finding:
    """One edit from media time 0 is a declaration of the duration; anything else shifts or cuts."""
    harmless = all(media_time == 0 for _, media_time in video.edits) and len(video.edits) <= 1
    value = f"{len(video.edits)} edits" if video.edits else "no edit list"
    return finding("edit list", harmless, value, "none, or one that starts at 0", "players disagree about edit lists")


def _start(start: float) -> Finding:
    return finding("start", abs(start) < 5e-4, f"starts at {start:.3f} s", "0 s")


def _mp4_rate(video: Track) -> Finding:
    steps = [duration for samples, duration in video.steps if samples]
    frames = sum(samples for samples, _ in video.steps)
    if not steps:
        return finding("constant rate", False, "no frame times in the index (fragmented file)", "an ordinary mp4")
    passed = len(set(steps)) == 1 and video.first_offset == 0
    value = f"{frames} frames of equal length" if passed else f"{len(set(steps))} frame lengths"
    if len(set(steps)) == 1 and video.first_offset:
        value = f"first frame shown {video.first_offset} ticks late"
    return finding("constant rate", passed, value, "every frame equally long, the first at once")


def _sync(is_key: bool) -> Finding:
    return finding("first frame", is_key, "keyframe" if is_key else "not a keyframe", "a keyframe")


def _pixels(stream: Stream, colour: Colour | None) -> tuple[Finding, Finding, Finding]:
    """Pixel format, range and colour tags; the box (MP4) and the stream must not contradict each other."""
    limited = "pc" not in stream.tags and not stream.pixels.startswith("yuvj") and not (colour and colour[3])
    tagged = "bt709" in stream.tags and "unknown" not in stream.tags and (colour is None or colour[:3] == (1, 1, 1))
    tags = "/".join(tag for tag in stream.tags if tag in ("bt709", "bt470bg", "smpte170m", "bt2020nc", "gbr"))
    wanted = "yuv422p10le" if stream.codec == "prores" else "yuv420p"
    return (
        finding("pixel format", stream.pixels == wanted, stream.pixels or "unknown", wanted),
        finding("range", limited, "limited" if limited else "full", "limited (tv)"),
        finding("colour tags", tagged, "BT.709" if tagged else tags or "none", "BT.709"),
    )


def _even(width: int, height: int) -> Finding:
    return finding("size", width % 2 == 0 and height % 2 == 0, f"{width}x{height}", "even width and height")


def _loops(plays: int | None) -> Finding:
    value = {0: "for ever", None: "once"}.get(plays, f"{plays} times")
    return finding("loop count", plays == 0, f"plays {value}", "for ever")

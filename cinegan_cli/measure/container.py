"""Playback safety: does the container let every player loop the file without a flash, a pause or wrong colours?

MP4 and MOV are read box by box (ISO/IEC 14496-12), WebM through ffmpeg, animated pictures by their loop counts.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from cinegan_cli.errors import InputError
from cinegan_cli.measure.findings import Finding, _finding
from cinegan_cli.stages.video import ffmpeg_executable

MOST_INDEX_BYTES = 64 << 20  # a moov box of 10 h of video has about 10 MB; more is damage or malice
MOST_BOXES = 4096  # per level
PROBE_SECONDS = 60  # ffmpeg reads headers in well under one
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
                return (_loops(_gif_plays(file)),)
            if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
                return (_loops(_webp_plays(file)),)
            if head.startswith(PNG_SIGNATURE):
                return (_loops(_apng_plays(file)),)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the name") from None
    except (struct.error, IndexError, EOFError, ValueError) as error:
        raise InputError(f"{path}: the file is damaged or incomplete ({error}); write it again") from None
    raise InputError(f"{path}: not a video or animated picture that cinegan knows; use mp4, webm, gif, webp or apng")


@dataclass(frozen=True)
class Track:
    """What the boxes of one track say. `edits` is (duration, media time) each; `steps` is (samples, duration) each."""

    handler: str
    width: int
    height: int
    edits: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int], ...]
    first_offset: int
    first_sync: int | None
    colour: tuple[int, int, int, bool] | None


def _check_mp4(path: Path, file: BinaryIO) -> tuple[Finding, ...]:
    order, index = _index_of(file)
    if b"moov" not in order:
        raise ValueError("it has no index (moov)")
    tracks = [_track(index, *span) for kind, *span in _boxes(index, 0, len(index)) if kind == b"trak"]
    videos = [track for track in tracks if track.handler == "vide"]
    if not videos:
        raise InputError(f"{path}: has no video track; name a video")
    video = videos[0]
    stream = _probe(path)
    before = b"mdat" not in order or order.index(b"moov") < order.index(b"mdat")
    return (
        _audio(sum(track.handler == "soun" for track in tracks)),
        _edits(video),
        _start(stream.start),
        _mp4_rate(video),
        _sync(video.first_sync in (None, 1)),
        *_pixels(stream, video.colour),
        _finding("faststart", before, "index first" if before else "index last", "index (moov) before the data (mdat)"),
        _even(video.width, video.height),
    )


def _index_of(file: BinaryIO) -> tuple[list[bytes], bytes]:
    """The kinds of the top-level boxes in order, and the content of moov."""
    length = file.seek(0, 2)
    order: list[bytes] = []
    index = b""
    place = 0
    while place < length and len(order) < MOST_BOXES:
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            raise ValueError("a box is cut off")
        size, kind = struct.unpack(">I4s", head[:8])
        start = 8
        if size == 1:
            size, start = struct.unpack(">Q", head[8:16])[0], 16
        size = size or length - place
        if size < start or place + size > length:
            raise ValueError(f"box {kind.decode('latin-1')!r} does not fit into the file")
        if kind == b"moov":
            if size > MOST_INDEX_BYTES:
                raise ValueError("its index is implausibly large")
            file.seek(place + start)
            index = file.read(size - start)
        order.append(kind)
        place += size
    return order, index


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the content of each box between two places."""
    for _ in range(MOST_BOXES):
        if end - start < 8:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", data, start + 8), 16
        size = size or end - start
        if size < header or start + size > end:
            raise ValueError(f"box {kind.decode('latin-1')!r} does not fit into its parent")
        yield kind, start + header, start + size
        start += size


def _find(data: bytes, span: tuple[int, int], *kinds: bytes) -> tuple[int, int] | None:
    """Place of the first box at a path of kinds below `span`."""
    for kind in kinds:
        for found, start, end in _boxes(data, *span):
            if found == kind:
                span = (start, end)
                break
        else:
            return None
    return span


def _rows(data: bytes, span: tuple[int, int] | None, layout: str) -> tuple[tuple[int, ...], ...]:
    """Rows of a full box that holds version, flags, a count, and as many rows of the `layout`."""
    if span is None:
        return ()
    (count,) = struct.unpack_from(">I", data, span[0] + 4)
    size = struct.calcsize(layout)
    if count * size > span[1] - span[0] - 8:
        raise ValueError("a table is longer than its box")
    return tuple(struct.iter_unpack(layout, data[span[0] + 8 : span[0] + 8 + count * size]))


def _track(data: bytes, start: int, end: int) -> Track:
    track = (start, end)
    handler = _find(data, track, b"mdia", b"hdlr")
    table = _find(data, track, b"mdia", b"minf", b"stbl") or (end, end)
    edit_list = _find(data, track, b"edts", b"elst")
    long_edits = edit_list is not None and data[edit_list[0]] == 1
    edits = _rows(data, edit_list, ">QqI" if long_edits else ">IiI")
    offsets = _rows(data, _find(data, table, b"ctts"), ">Ii")
    sync = _rows(data, sync_box := _find(data, table, b"stss"), ">I")
    kind = "" if handler is None else data[handler[0] + 8 : handler[0] + 12].decode("latin-1")
    description = _find(data, table, b"stsd") if kind == "vide" else None
    width, height, colour = _sample_description(data, description)
    return Track(
        handler=kind,
        width=width,
        height=height,
        edits=tuple((edit[0], edit[1]) for edit in edits),
        steps=tuple((step[0], step[1]) for step in _rows(data, _find(data, table, b"stts"), ">II")),
        first_offset=offsets[0][1] if offsets else 0,
        first_sync=(sync[0][0] if sync else 0) if sync_box else None,
        colour=colour,
    )


def _sample_description(
    data: bytes, span: tuple[int, int] | None
) -> tuple[int, int, tuple[int, int, int, bool] | None]:
    """Width, height and colour tags (primaries, transfer, matrix, full range) of a video sample entry."""
    if span is None:
        return 0, 0, None
    entry = next(iter(_boxes(data, span[0] + 8, span[1])), None)
    if entry is None or entry[2] - entry[1] < 78:  # an audio or other entry
        return 0, 0, None
    width, height = struct.unpack_from(">HH", data, entry[1] + 24)
    place = _find(data, (entry[1] + 78, entry[2]), b"colr")
    if place is None or data[place[0] : place[0] + 4] not in (b"nclx", b"nclc"):
        return width, height, None
    primaries, transfer, matrix = struct.unpack_from(">HHH", data, place[0] + 4)
    full = data[place[0] : place[0] + 4] == b"nclx" and bool(data[place[0] + 10] & 0x80)
    return width, height, (primaries, transfer, matrix, full)


@dataclass(frozen=True)
class Stream:
    """What ffmpeg says of a file: `pixels` such as "yuv420p", `tags` such as ("tv", "bt709")."""

    pixels: str
    tags: tuple[str, ...]
    width: int
    height: int
    start: float
    audio: int


def _probe(path: Path) -> Stream:
    text = _ffmpeg(["-hide_banner", "-nostdin", "-i", f"file:{path}"], keep="stderr")
    video = re.search(r"Stream #\S+.*?: Video: (.*)", text)
    if video is None:
        raise ValueError("ffmpeg finds no video in it")
    fields = re.sub(r"\(([^()]*)\)", lambda match: "(" + match[1].replace(",", "|") + ")", video[1]).split(", ")
    pixels, _, tags = (fields[1] if len(fields) > 1 else "").partition("(")
    size = re.search(r", (\d+)x(\d+)", video[1])
    start = re.search(r"start: (-?[\d.]+)", text)
    return Stream(
        pixels=pixels,
        tags=tuple(re.split(r"[|/)\s]+", tags)),
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        start=float(start[1]) if start else 0.0,
        audio=len(re.findall(r"Stream #\S+.*?: Audio: ", text)),
    )


def _ffmpeg(arguments: list[str], *, keep: str) -> str:
    try:
        done = subprocess.run(
            [ffmpeg_executable(), *arguments], capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError("ffmpeg takes too long over it") from None
    return (done.stderr if keep == "stderr" else done.stdout).decode(errors="replace")


def _check_webm(path: Path) -> tuple[Finding, ...]:
    stream = _probe(path)
    copy = ["-v", "error", "-nostdin", "-i", f"file:{path}", "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "pipe:1"]
    lines = [line for line in _ffmpeg(copy, keep="stdout").splitlines() if line and not line.startswith("#")]
    times = [int(line.split(",")[2]) * MATROSKA_TICK for line in lines]
    if not times:
        raise ValueError("no frames")
    steps = [later - earlier for earlier, later in pairwise(times)]
    spread = max(steps) - min(steps) if steps else 0.0
    even_steps = spread <= 1.5 * MATROSKA_TICK
    return (
        _audio(stream.audio),
        _start(stream.start),
        _finding("constant rate", even_steps, f"steps differ by {spread * 1000:.0f} ms", "every frame equally long"),
        _sync("F=0x0" not in lines[0]),
        *_pixels(stream, None),
        _even(stream.width, stream.height),
    )


def _audio(tracks: int) -> Finding:
    advice = "a sound track that is longer than the picture makes players show black at the loop point"
    return _finding("audio", tracks == 0, f"{tracks} audio track{'s' * (tracks != 1)}", "none", advice)


def _edits(video: Track) -> Finding:
    """One edit from media time 0 is a declaration of the duration; anything else shifts or cuts."""
    harmless = all(media_time == 0 for _, media_time in video.edits) and len(video.edits) <= 1
    value = f"{len(video.edits)} edits" if video.edits else "no edit list"
    return _finding("edit list", harmless, value, "none, or one that starts at 0", "players disagree about edit lists")


def _start(start: float) -> Finding:
    return _finding("start", abs(start) < 5e-4, f"starts at {start:.3f} s", "0 s")


def _mp4_rate(video: Track) -> Finding:
    steps = [duration for samples, duration in video.steps if samples]
    frames = sum(samples for samples, _ in video.steps)
    if not steps:
        return _finding("constant rate", False, "no frame times in the index (fragmented file)", "an ordinary mp4")
    passed = len(set(steps)) == 1 and video.first_offset == 0
    value = f"{frames} frames of equal length" if passed else f"{len(set(steps))} frame lengths"
    if len(set(steps)) == 1 and video.first_offset:
        value = f"first frame shown {video.first_offset} ticks late"
    return _finding("constant rate", passed, value, "every frame equally long, the first at once")


def _sync(is_key: bool) -> Finding:
    return _finding("first frame", is_key, "keyframe" if is_key else "not a keyframe", "a keyframe")


def _pixels(stream: Stream, colour: tuple[int, int, int, bool] | None) -> tuple[Finding, Finding, Finding]:
    """Pixel format, range and colour tags; the box (MP4) and the stream must not contradict each other."""
    limited = "pc" not in stream.tags and not stream.pixels.startswith("yuvj") and not (colour and colour[3])
    tagged = "bt709" in stream.tags and "unknown" not in stream.tags and (colour is None or colour[:3] == (1, 1, 1))
    tags = "/".join(tag for tag in stream.tags if tag in ("bt709", "bt470bg", "smpte170m", "bt2020nc", "gbr"))
    return (
        _finding("pixel format", stream.pixels == "yuv420p", stream.pixels or "unknown", "yuv420p"),
        _finding("range", limited, "limited" if limited else "full", "limited (tv)"),
        _finding("colour tags", tagged, "BT.709" if tagged else tags or "none", "BT.709"),
    )


def _even(width: int, height: int) -> Finding:
    return _finding("size", width % 2 == 0 and height % 2 == 0, f"{width}x{height}", "even width and height")


def _loops(plays: int | None) -> Finding:
    value = {0: "for ever", None: "once"}.get(plays, f"{plays} times")
    return _finding("loop count", plays == 0, f"plays {value}", "for ever")


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends too early")
    return data


def _gif_plays(file: BinaryIO) -> int | None:
    """Loop count of a GIF: 0 for ever, None when it says nothing (once)."""
    file.seek(10)
    flags = _read(file, 3)[0]
    file.seek(3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0, 1)
    while (mark := _read(file, 1)) == b"!":
        label = _read(file, 1)
        blocks = list(_gif_blocks(file))
        if label == b"\xff" and blocks and blocks[0][:11] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and len(blocks) > 1:
            return int(struct.unpack("<H", blocks[1][1:3])[0])
    if mark not in (b",", b";"):
        raise ValueError("an unknown block")
    return None


def _gif_blocks(file: BinaryIO) -> Iterator[bytes]:
    while size := _read(file, 1)[0]:
        yield _read(file, size)


def _webp_plays(file: BinaryIO) -> int | None:
    """Loop count of a WebP: 0 for ever, None for a still picture."""
    file.seek(12)
    for _ in range(MOST_BOXES):
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, size = struct.unpack("<4sI", head)
        if kind == b"ANIM":
            return int(struct.unpack("<IH", _read(file, 6))[1])
        file.seek(size + size % 2, 1)
    raise ValueError("too many chunks")


def _apng_plays(file: BinaryIO) -> int | None:
    """Loop count of a PNG: 0 for ever, None for a still picture."""
    file.seek(8)
    for _ in range(MOST_BOXES):
        size, kind = struct.unpack(">I4s", _read(file, 8))
        if kind == b"acTL":
            return int(struct.unpack(">II", _read(file, 8))[1])
        if kind in (b"IDAT", b"IEND"):
            return None
        file.seek(size + 4, 1)
    raise ValueError("too many chunks")

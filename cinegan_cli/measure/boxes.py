"""The index of an MP4 or MOV file, box by box (ISO/IEC 14496-12): what its tracks promise to players."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_INDEX_BYTES = 64 << 20  # a moov box of 10 h of video has about 10 MB; more is damage or malice
MOST_BOXES = 4096  # per level

Colour = tuple[int, int, int, bool]  # primaries, transfer, matrix (ISO/IEC 23091-2), full range


@dataclass(frozen=True)
class Picture:
    """A video sample entry: its four letters, size in px, and the codec's own record of profile and level.

    `profile` is the codec's number; `level` such as "5.1"; both None where the record is not known.
    """

    kind: str
    width: int
    height: int
    colour: Colour | None
    profile: int | None
    level: str | None


@dataclass(frozen=True)
class Track:
    """What the boxes of one track say. `edits` is (duration, media time) each; `steps` is (samples, duration) each."""

    handler: str
    picture: Picture | None
    edits: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int], ...]
    first_offset: int
    first_sync: int | None


def read_tracks(file: BinaryIO) -> tuple[list[bytes], list[Track]]:
    """The kinds of the top-level boxes in order, and the tracks.

    Raises `ValueError`, `struct.error` or `IndexError` for a file that is damaged or has no index.
    """
    order, index = _index_of(file)
    if b"moov" not in order:
        raise ValueError("it has no index (moov)")
    return order, [_track(index, *span) for kind, *span in _boxes(index, 0, len(index)) if kind == b"trak"]


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
    return Track(
        handler=kind,
        picture=None if description is None else _picture(data, description),
        edits=tuple((edit[0], edit[1]) for edit in edits),
        steps=tuple((step[0], step[1]) for step in _rows(data, _find(data, table, b"stts"), ">II")),
        first_offset=offsets[0][1] if offsets else 0,
        first_sync=(sync[0][0] if sync else 0) if sync_box else None,
    )


def _picture(data: bytes, span: tuple[int, int]) -> Picture | None:
    """The first sample entry that is one of a video."""
    entry = next(iter(_boxes(data, span[0] + 8, span[1])), None)
    if entry is None or entry[2] - entry[1] < 78:
        return None
    kind, start, end = entry
    width, height = struct.unpack_from(">HH", data, start + 24)
    inside = (start + 78, end)
    profile, level = _profile_and_level(data, inside)
    return Picture(kind.decode("latin-1"), width, height, _colour(data, inside), profile, level)


def _colour(data: bytes, inside: tuple[int, int]) -> Colour | None:
    place = _find(data, inside, b"colr")
    if place is None or data[place[0] : place[0] + 4] not in (b"nclx", b"nclc"):
        return None
    primaries, transfer, matrix = struct.unpack_from(">HHH", data, place[0] + 4)
    full = data[place[0] : place[0] + 4] == b"nclx" and bool(data[place[0] + 10] & 0x80)
    return primaries, transfer, matrix, full


def _profile_and_level(data: bytes, inside: tuple[int, int]) -> tuple[int | None, str | None]:
    """From the record that each codec puts into its sample entry (ISO/IEC 14496-15, and those of AV1 and VP9)."""
    if place := _find(data, inside, b"avcC"):  # version, profile, constraints, level x 10
        return data[place[0] + 1], _dotted(data[place[0] + 3])
    if place := _find(data, inside, b"hvcC"):  # version, space + tier + profile, 10 bytes of flags, level x 30
        return data[place[0] + 1] & 0x1F, _dotted(data[place[0] + 12] // 3)
    if place := _find(data, inside, b"av1C"):  # version, profile in 3 bits + level in 5: 2.0, 2.1, 2.2, 2.3, 3.0 ...
        major, minor = divmod(data[place[0] + 1] & 0x1F, 4)
        return data[place[0] + 1] >> 5, _dotted(10 * (major + 2) + minor)
    if place := _find(data, inside, b"vpcC"):  # a full box: profile, level x 10
        return data[place[0] + 4], _dotted(data[place[0] + 5])
    return None, None


def _dotted(tenths: int) -> str:
    """51 → "5.1", 40 → "4"."""
    whole, part = divmod(tenths, 10)
    return f"{whole}.{part}" if part else str(whole)

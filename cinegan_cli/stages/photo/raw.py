"""Camera raw files, told by their content: what Pillow finds in them is a thumbnail."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

SUFFIXES = (".3fr", ".arw", ".cr2", ".cr3", ".dng", ".iiq", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw")
STARTS = (  # place in the file, bytes there
    (0, b"FUJIFILMCCD-RAW"),  # RAF
    (0, b"IIRO"),  # ORF
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),  # RW2
    (0, b"FOVb"),  # X3F
    (0, b"\0MRM"),  # MRW
    (6, b"HEAPCCDR"),  # CRW
    (8, b"CR\x02"),  # CR2
    (8, b"IIII"),  # IIQ
    (4, b"ftypcrx "),  # CR3
)
PHOTOMETRIC, COMPRESSION, WIDTH, HEIGHT, SUB_IFDS, DNG_VERSION, DNG_PRIVATE = 262, 259, 256, 257, 330, 50706, 50740
MOSAICS = (32803, 34892)  # photometric interpretations: colour filter array, linear raw
SENSOR_DATA = (32767, 32769, 32770, 34713, 65535)  # compressions of ARW, 3FR, SRW, NEF, PEF
MOST_DIRECTORIES, MOST_ENTRIES = 16, 4096
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 13: 4}  # bytes of a value of each type of entry that is looked at

Directory = dict[int, tuple[int, ...]]


def is_raw(file: BinaryIO) -> bool:
    """Whether a file, from its start, is a camera's raw data, or a TIFF whose largest picture is in a sub-directory."""
    head = file.read(16)
    if any(head[place : place + len(start)] == start for place, start in STARTS):
        return True
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return False
    directories = list(_directories(file, order, *struct.unpack(order + "I", head[4:8])))
    if not directories:
        return False
    first = directories[0]
    if DNG_VERSION in first or DNG_PRIVATE in first:
        return True
    if any(
        _one(directory, PHOTOMETRIC) in MOSAICS or _one(directory, COMPRESSION) in SENSOR_DATA
        for directory in directories
    ):
        return True
    return SUB_IFDS in first and any(_area(other) > 2 * _area(first) for other in directories[1:])


def _directories(file: BinaryIO, order: str, offset: int) -> Iterator[Directory]:
    """The first directory of a TIFF and all that it and its successors point to, as far as they can be read."""
    waiting, seen = [offset], set[int]()
    while waiting and len(seen) < MOST_DIRECTORIES:
        place = waiting.pop(0)
        if place in seen or place == 0:
            continue
        seen.add(place)
        try:
            directory, following = _directory(file, order, place)
        except (struct.error, OSError, OverflowError):
            continue
        waiting += [*directory.get(SUB_IFDS, ()), following]
        yield directory


def _directory(file: BinaryIO, order: str, offset: int) -> tuple[Directory, int]:
    """The whole numbers of one directory, and where the next one is (0: nowhere)."""
    file.seek(offset)
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = file.read(12 * min(count, MOST_ENTRIES))
    after = file.read(4)
    directory: Directory = {}
    for start in range(0, len(entries) - 11, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", entries, start)
        wanted = tag in (PHOTOMETRIC, COMPRESSION, WIDTH, HEIGHT, SUB_IFDS, DNG_VERSION, DNG_PRIVATE)
        if not wanted or kind not in SIZES or number == 0:
            continue
        number = min(number, MOST_DIRECTORIES)
        data = entries[start + 8 : start + 12]
        if SIZES[kind] * number > 4:
            file.seek(struct.unpack(order + "I", data)[0])
            data = file.read(SIZES[kind] * number)
        letter = {1: "B", 2: "H", 4: "I"}[SIZES[kind]]
        directory[tag] = struct.unpack_from(f"{order}{number}{letter}", data)
    return directory, struct.unpack(order + "I", after)[0] if len(after) == 4 else 0


def _one(directory: Directory, tag: int) -> int:
    return directory.get(tag, (0,))[0]


def _area(directory: Directory) -> int:
    return _one(directory, WIDTH) * _one(directory, HEIGHT)

"""How often an animated picture plays: the loop counts of GIF, WebP and APNG."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

MOST_CHUNKS = 4096


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise ValueError("it ends too early")
    return data


def gif_plays(file: BinaryIO) -> int | None:
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


def webp_plays(file: BinaryIO) -> int | None:
    """Loop count of a WebP: 0 for ever, None for a still picture."""
    file.seek(12)
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return None
        kind, size = struct.unpack("<4sI", head)
        if kind == b"ANIM":
            return int(struct.unpack("<IH", _read(file, 6))[1])
        file.seek(size + size % 2, 1)
    raise ValueError("too many chunks")


def apng_plays(file: BinaryIO) -> int | None:
    """Loop count of a PNG: 0 for ever, None for a still picture."""
    file.seek(8)
    for _ in range(MOST_CHUNKS):
        size, kind = struct.unpack(">I4s", _read(file, 8))
        if kind == b"acTL":
            return int(struct.unpack(">II", _read(file, 8))[1])
        if kind in (b"IDAT", b"IEND"):
            return None
        file.seek(size + 4, 1)
    raise ValueError("too many chunks")

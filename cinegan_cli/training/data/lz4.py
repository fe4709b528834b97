"""LZ4 frames, read without another package: what the published Eulerian set is packed in.

Source: the LZ4 frame and block format descriptions (lz4.org). Checksums are not compared: a damaged file does not
decompress, or not to what it should hold.
"""

from __future__ import annotations

import struct

MAGIC = struct.pack("<I", 0x184D2204)
LARGEST = 2**30  # bytes of what a file holds; a motion field of 4096 x 4096 px is an eighth of it
LONG = 15  # a length that goes on in the bytes that follow
SHORTEST_COPY = 4  # bytes


def decompress(data: bytes) -> bytes:
    """What one LZ4 frame holds. Raises ValueError when it is damaged, cut, or holds more than 1 GiB."""
    try:
        return _frame(data)
    except (IndexError, struct.error) as error:
        raise ValueError("an LZ4 frame that is cut") from error


def _frame(data: bytes) -> bytes:
    if data[:4] != MAGIC or data[4] >> 6 != 1:
        raise ValueError("no LZ4 frame")
    flags = data[4]
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)  # size of the content, dictionary
    out = bytearray()
    while True:
        (size,) = struct.unpack_from("<I", data, at)
        at += 4
        if size == 0:
            return bytes(out)
        stored, size = size >> 31, size & 0x7FFFFFFF
        block = data[at : at + size]
        if len(block) < size:
            raise ValueError("an LZ4 block that is cut")
        if stored:
            out += block
        else:
            _unpack(block, out)
        at += size + (4 if flags & 0x10 else 0)  # checksum of the block


def _unpack(block: bytes, out: bytearray) -> None:
    """Append what a block holds to `out`, whose end it may copy from."""
    at, end = 0, len(block)
    while at < end:
        token = block[at]
        length, at = _length(token >> 4, block, at + 1)
        if at + length > end:
            raise ValueError("an LZ4 block that is damaged")
        out += block[at : at + length]
        at += length
        if at == end:
            return
        start = len(out) - (block[at] | block[at + 1] << 8)
        length, at = _length(token & 15, block, at + 2)
        length += SHORTEST_COPY
        piece = out[max(start, 0) : start + length]
        if start < 0 or not piece or len(out) + length > LARGEST:
            raise ValueError("an LZ4 block that is damaged")
        out += piece if len(piece) == length else (piece * (length // len(piece) + 1))[:length]


def _length(start: int, block: bytes, at: int) -> tuple[int, int]:
    """A length that begins with `start`, and the place of what follows it."""
    if start == LONG:
        while (more := block[at]) == 255:
            start, at = start + 255, at + 1
        start, at = start + more, at + 1
    return start, at

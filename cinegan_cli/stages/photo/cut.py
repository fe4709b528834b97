"""Pictures whose last bytes are missing: what there is of them, as every viewer shows it."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cinegan_cli.stages.photo.deep import PNG_START, png_chunks

LEAST = 0.6  # of the rows: with less, what is there is not the photo
END_OF_JPEG = b"\xff\xd9"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type of PNG


@dataclass(frozen=True)
class Mended:
    """A whole file `data` in the place of a cut one; `share` of its rows are true, those below repeat the last one."""

    data: bytes
    share: float


def mended_png(data: bytes) -> Mended | None:
    """A PNG that ends early; None for one that is damaged otherwise, interlaced, or lacks more than 40 % of its rows.

    The rows that are missing are added as PNG's filter 2 without differences: a copy of the row above.
    """
    if data[:8] != PNG_START or len(data) < 33 or data[28]:
        return None
    chunks = png_chunks(data)
    if any(kind == b"IEND" for kind, _, _ in chunks):
        return None
    end = max((stop for _, _, stop in chunks), default=8)
    parts = [data[start + 8 : stop - 4] for kind, start, stop in chunks if kind == b"IDAT"]
    if data[end + 4 : end + 8] == b"IDAT":
        parts.append(data[end + 8 :])  # the chunk that is cut
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    row = 1 + (width * depth * CHANNELS.get(colour, 0) + 7) // 8
    try:
        pixels = zlib.decompressobj().decompress(b"".join(parts), row * height)
    except zlib.error:
        return None
    whole = len(pixels) // row
    if whole < LEAST * height:
        return None
    pixels = pixels[: whole * row] + (b"\x02" + bytes(row - 1)) * (height - whole)
    head = b"".join(data[start:stop] for kind, start, stop in chunks if kind != b"IDAT")
    drawn = _chunk(b"IDAT", zlib.compress(pixels, 1))
    return Mended(PNG_START + head + drawn + _chunk(b"IEND", b""), whole / height)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def mended_jpeg(data: bytes) -> Mended | None:
    """A JPEG that ends early, closed; None for another, and for a progressive one that is still coarse."""
    if data[:2] != b"\xff\xd8" or END_OF_JPEG in data[-4:] or not _detailed(data):
        return None
    return Mended(data + END_OF_JPEG, 1.0)


def with_rows_filled(image: Image.Image) -> tuple[Image.Image, float] | None:
    """A loaded JPEG from `mended_jpeg` with its missing rows filled, and the share that is true; None if too few.

    libjpeg leaves blocks without data at a coefficient of 0, middle grey: the rows that end so are missing.
    """
    values = np.asarray(image)
    edge = values[:, -1].reshape(values.shape[0], -1)
    true_rows = np.flatnonzero((edge != 128).any(1))
    whole = int(true_rows[-1]) + 1 if true_rows.size else 0
    if whole < LEAST * values.shape[0]:
        return None
    if whole == values.shape[0]:
        return image, 1.0
    filled = values.copy()
    filled[whole:] = values[max(0, whole - 2)]  # not the last one, into which the grey below is smoothed
    mended = Image.fromarray(filled, image.mode) if image.mode == "CMYK" else Image.fromarray(filled)
    mended.info = dict(image.info)
    return mended, whole / values.shape[0]


def _detailed(data: bytes) -> bool:
    """Whether a JPEG is baseline, or a progressive one of which all of the brightness came but for its last bit."""
    place, progressive = 2, False
    while place + 4 <= len(data):
        if data[place] != 0xFF or data[place + 1] in (0x00, 0xFF) or 0xD0 <= data[place + 1] <= 0xD9:
            place = data.find(b"\xff", place + 1)  # entropy-coded data up to the next marker
            if place < 0:
                return False
            continue
        marker, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        scan = data[place + 4 : place + 2 + length]
        if marker == 0xC2:
            progressive = True
        if marker == 0xDA and not progressive:
            return True
        brightness = marker == 0xDA and len(scan) >= 6 and scan[0] == 1
        if brightness and scan[-2] == 63 and scan[-1] % 16 <= 1:  # the highest frequency; bits that are still to come
            return data.find(b"\xff\xda", place + 2 + length) >= 0  # another scan begins: this one is whole
        place += 2 + length
    return False


def open_jpeg(data: bytes) -> Image.Image:
    """A JPEG in memory, header only."""
    return JpegImageFile(io.BytesIO(data))

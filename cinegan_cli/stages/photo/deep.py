"""Pictures of more than 8 bits per channel."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEEP_GREY = ("I", "F", "I;16", "I;16B", "I;16L")  # Pillow's modes of one channel beyond 8 bits
ORIENTATION = 0x0112  # EXIF tag
PNG_START = b"\x89PNG\r\n\x1a\n"
DRAWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # the chunks of a PNG that its pixels are made of

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def deep_png(data: bytes) -> NDArray[np.uint16] | None:
    """uint16 [h, w, 1 to 4] in R, G, B, A order of a sound 16-bit PNG, as stored; None for other depths.

    Pillow reduces 16-bit colour to 8 bits; OpenCV does not. It is given the pixels' chunks alone, since it complains
    of odd ones (old profiles, cut texts) on stderr.
    """
    if data[:8] != PNG_START or data[24:25] != b"\x10":
        return None
    drawn = PNG_START + b"".join(data[start:end] for kind, start, end in png_chunks(data) if kind in DRAWN)
    raw = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        return None
    raw = raw.reshape(*raw.shape[:2], -1)
    order = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[raw.shape[2]]
    return np.ascontiguousarray(raw[:, :, order], np.uint16)


def png_chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """Name, start and end (its length and checksum included) of every whole chunk of a PNG file."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        if end > len(data):
            break
        chunks.append((data[place + 4 : place + 8], place, end))
        place = end
    return chunks


def deep_grey(image: Image.Image) -> NDArray[np.uint16]:
    """uint16 [h, w] of a grey picture in integers beyond 8 bits or in floats, whose range is guessed from its peak."""
    values = np.asarray(image)
    if values.dtype == np.uint16 or image.mode.startswith("I;16"):
        return values.astype(np.uint16)
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(values.max())
    if image.mode == "F" and peak <= 1.0:
        scale = 65535.0
    else:
        scale = 257.0 if image.mode == "F" and peak <= 255 else 1.0 if peak <= 65535 else 65535 / peak
    deep: NDArray[np.uint16] = np.clip(values * np.float32(scale) + 0.5, 0, 65535).astype(np.uint16)
    return deep


def to_8_bit(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """uint16 of any shape, 65535 white, as uint8, 255 white."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def orientation(image: Image.Image) -> int:
    """1 to 8, as EXIF has it; 1 where nothing is said."""
    return int(image.getexif().get(ORIENTATION, 1) or 1)


def oriented(pixels: NDArray[np.uint16], turn: int) -> NDArray[np.uint16]:
    """Pixels [h, w, c] turned upright from an EXIF orientation, 1 to 8."""
    if turn in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def flattened(pixels: Pixels, background: tuple[int, int, int]) -> Pixels:
    """RGB [h, w, 3] of grey, grey + alpha, RGB or RGBA [h, w, 1 to 4] in the same depth, alpha on the background."""
    channels = pixels.shape[2]
    colour: NDArray[Any] = np.repeat(pixels[:, :, :1], 3, axis=2) if channels < 3 else pixels[:, :, :3]
    if channels in (1, 3):
        return np.ascontiguousarray(colour)
    peak = np.iinfo(pixels.dtype).max
    alpha = pixels[:, :, -1:].astype(np.float32) / peak
    behind = np.array(background, np.float32) * (peak // 255)
    mixed = behind + (colour - behind) * alpha + 0.5
    return mixed.astype(np.uint16) if pixels.dtype == np.uint16 else mixed.astype(np.uint8)

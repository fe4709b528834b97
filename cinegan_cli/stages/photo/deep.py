"""Pictures of more than 8 bits per channel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

ORIENTATION = 0x0112  # EXIF tag

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """libtiff and OpenCV complain of damaged files on stderr, past Python; the one line for the user is ours."""
    if sys.__stderr__ is None:  # closed when the program began: descriptor 2 may be any file
        yield
        return
    sys.__stderr__.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _deep_pixels(path: Path, image: Image.Image) -> NDArray[np.uint16] | None:
    """uint16 [h, w, 1 to 4] in R, G, B, A order, upright, for files of more than 8 bits per channel, else None."""
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        return _oriented(_deep_grey(image)[:, :, None], _orientation(image))
    if not _has_deep_colour(path, image):
        return None
    # Pillow reduces 16-bit colour to 8 bits; OpenCV does not. Pillow has decoded the file, so it is sound.
    with _quiet_libraries():
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        return None
    raw = raw[:, :, None] if raw.ndim == 2 else raw
    order = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[raw.shape[2]]
    oriented = _oriented(raw[:, :, order].astype(np.uint16), _orientation(image) if image.format == "PNG" else 1)
    return oriented if oriented.shape[1::-1] == ImageOps.exif_transpose(image).size else None


def _has_deep_colour(path: Path, image: Image.Image) -> bool:
    if image.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)  # signature 8, IHDR length and name 8, width and height 8, depth, colour type
        return len(header) == 26 and header[24] == 16
    bits = image.tag_v2.get(258, (8,)) if image.format == "TIFF" and hasattr(image, "tag_v2") else (8,)
    return max(bits) == 16


def _deep_grey(image: Image.Image) -> NDArray[np.uint16]:
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


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(ORIENTATION, 1) or 1)


def _oriented(pixels: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """Pixels [h, w, c] turned upright from an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _flattened(pixels: NDArray[np.uint16], background: tuple[int, int, int]) -> NDArray[np.uint16]:
    """uint16 RGB [h, w, 3] of grey, grey + alpha, RGB or RGBA [h, w, 1 to 4], alpha on the background."""
    channels = pixels.shape[2]
    colour = np.repeat(pixels[:, :, :1], 3, axis=2) if channels < 3 else pixels[:, :, :3]
    if channels in (1, 3):
        return np.ascontiguousarray(colour)
    alpha = pixels[:, :, -1:].astype(np.float32) / 65535
    behind = np.array(background, np.float32) * 257
    return (behind + (colour - behind) * alpha + 0.5).astype(np.uint16)

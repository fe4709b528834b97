"""Photo stage: a file becomes upright sRGB pixels at the size of the output (`read_photo`), or a grey picture."""

from __future__ import annotations

import math
import re
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.stages.photo_decode import Pixels, decode_picture
from cinegan_cli.types import Photo

SMALLEST_SIDE = 16  # px: below this the motion grid has no room
MOST_ELONGATED = 20.0  # long side over short side beyond this is a strip, not a photo
LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # BT.709, of R, G, B

Window = tuple[float, float, float, float]  # x, y, width, height in source px


def read_photo(path: Path, config: PhotoConfig) -> Photo:
    """Read a PNG, JPEG, WebP, TIFF, BMP or (with pillow-heif) HEIC file as the run wants it.

    The pixels are upright (EXIF), in sRGB (ICC profile), without alpha (composited on `config.background`), of the
    photo's own size, brought to `config.aspect`, at most `config.max_side` long, with even sides.
    Raises `InputError` for files that are not usable photos and `UsageError` for settings that cannot be met.
    """
    background = parse_colour(config.background)
    aspect = None if config.aspect is None else parse_aspect(config.aspect)
    decoded = decode_picture(path, background=background)
    height, width = decoded.pixels.shape[:2]
    _check_shape(path, width, height, aspect)
    if aspect is not None and config.fit == "pad":
        pixels, window = _pad(decoded.pixels, aspect, config.max_side, background)
    else:
        pixels, window = _crop(decoded.pixels, aspect, config.max_side)
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        raise UsageError(
            f"{path}: the output would be {pixels.shape[1]}x{pixels.shape[0]} px, too small to animate: "
            f"each side needs {SMALLEST_SIDE} px; raise --max-side or change --aspect"
        )
    notices = decoded.notices + _size_notices((width, height), pixels, aspect, config.max_side)
    return _photo(pixels, (width, height), window, notices)


def read_grey(path: Path) -> NDArray[np.float32]:
    """Luminance (BT.709 weights) of any picture file: float32 [h, w] in [0, 1], upright, transparent pixels on black.

    8-bit and 16-bit values keep their precision, colour profiles are not applied. Raises `InputError` as `read_photo`.
    """
    pixels = decode_picture(path, background=(0, 0, 0), convert_profile=False).pixels
    weights = LUMINANCE / np.iinfo(pixels.dtype).max
    grey = cv2.transform(pixels.astype(np.float32), weights).reshape(pixels.shape[:2])
    limited: NDArray[np.float32] = np.clip(grey, 0, 1, dtype=np.float32)
    return limited


def parse_colour(text: str) -> tuple[int, int, int]:
    """(R, G, B), 0 to 255, of #RRGGBB or #RGB. Raises `UsageError`."""
    digits = text.strip().removeprefix("#")
    if re.fullmatch(r"[0-9a-fA-F]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise UsageError(f"--background must be a colour such as #ffffff, got {text!r}")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def parse_aspect(text: str) -> float:
    """Width over height of "W:H". Raises `UsageError` for anything else, and beyond 20:1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[:x/]\s*(\d+(?:\.\d+)?)\s*", text)
    if match is None or not float(match[1]) or not float(match[2]):
        raise UsageError(f"--aspect must be W:H such as 9:16, got {text!r}")
    aspect = float(match[1]) / float(match[2])
    if not 1 / MOST_ELONGATED <= aspect <= MOST_ELONGATED:
        raise UsageError(f"--aspect must lie between 1:{MOST_ELONGATED:g} and {MOST_ELONGATED:g}:1, got {text!r}")
    return aspect


def _check_shape(path: Path, width: int, height: int, aspect: float | None) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{path}: the picture is {width}x{height} px, too small to animate; "
            f"use one of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} px"
        )
    if aspect is None and max(width, height) > MOST_ELONGATED * min(width, height):
        raise InputError(
            f"{path}: the picture is {width}x{height} px, a strip longer than {MOST_ELONGATED:g}:1; "
            "cut it with --aspect, such as --aspect 16:9"
        )


def _crop(source: Pixels, aspect: float | None, max_side: int) -> tuple[Pixels, Window]:
    """The largest centred part of the source with the aspect, at most `max_side` long, and where it lies."""
    height, width = source.shape[:2]
    wide, high = width, height
    if aspect is not None:
        wide, high = min(width, round(height * aspect)), min(height, round(width / aspect))
    limit = max_side - max_side % 2
    if max(wide, high) <= limit + 1:  # no resampling: an odd last column or row is dropped
        wide, high = wide - wide % 2, high - high % 2
        size = (wide, high)
    else:
        scale = limit / max(wide, high)
        size = (2 * round(wide * scale / 2), 2 * round(high * scale / 2))
    x, y = (0, 0) if aspect is None else ((width - wide) // 2, (height - high) // 2)
    return _resized(source[y : y + high, x : x + wide], size), (float(x), float(y), float(wide), float(high))


def _pad(source: Pixels, aspect: float, max_side: int, background: tuple[int, int, int]) -> tuple[Pixels, Window]:
    """The whole source in the middle of a canvas with the aspect, at most `max_side` long, and where that lies."""
    height, width = source.shape[:2]
    wide, high = max(width, height * aspect), max(height, width / aspect)
    limit = max_side - max_side % 2
    scale = min(1.0, limit / max(wide, high))
    canvas_wide = min(limit, 2 * math.ceil(wide * scale / 2 - 1e-6))  # 1e-6: 1080.0000001 is 1080
    canvas_high = min(limit, 2 * math.ceil(high * scale / 2 - 1e-6))
    part = (min(canvas_wide, max(1, round(width * scale))), min(canvas_high, max(1, round(height * scale))))
    x, y = (canvas_wide - part[0]) // 2, (canvas_high - part[1]) // 2
    canvas = np.empty((canvas_high, canvas_wide, 3), source.dtype)
    canvas[:] = np.array(background, source.dtype) * (np.iinfo(source.dtype).max // 255)
    canvas[y : y + part[1], x : x + part[0]] = _resized(source, part)
    across, down = width / part[0], height / part[1]  # source px per output px
    return canvas, (-x * across, -y * down, canvas_wide * across, canvas_high * down)


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Area average, which neither aliases nor rings when a photo is made smaller; the input itself if it fits."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint16) if pixels.dtype == np.uint16 else np.asarray(resized, np.uint8)


def _size_notices(source: tuple[int, int], pixels: Pixels, aspect: float | None, max_side: int) -> tuple[str, ...]:
    width, height = pixels.shape[1], pixels.shape[0]
    if aspect is None and 0 <= max(source[0] - width, source[1] - height) <= 1:
        if (width, height) == source:
            return ()
        return (f"The photo is {source[0]}x{source[1]} px; the output is {width}x{height}, video needs even sides.",)
    if max(source) > max_side and max(width, height) >= max_side - 1:
        return (f"The photo is {source[0]}x{source[1]} px; the output is {width}x{height} (--max-side {max_side}).",)
    return ()


def _photo(pixels: Pixels, source_size: tuple[int, int], window: Window, notices: tuple[str, ...]) -> Photo:
    """Planar float32 and interleaved uint8 copies of 8-bit or 16-bit RGB [H, W, 3]."""
    if pixels.dtype == np.uint16:
        values = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1).contiguous().div_(65535)  # [3, H, W]
        pixels_u8 = torch.from_numpy(((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    else:
        pixels_u8 = torch.from_numpy(np.ascontiguousarray(pixels))
        values = pixels_u8.permute(2, 0, 1).contiguous().float().div_(255)
    return Photo(values, pixels_u8, source_size, window, notices)

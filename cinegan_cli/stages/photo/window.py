"""The part of the source file that the output shows: aspect ratio, cropping, padding, size."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import cv2
import numpy as np

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.stages.photo.deep import Pixels

SMALLEST_SIDE = 16  # px: below this the motion grid has no room
MOST_ELONGATED = 20.0  # long side over short side beyond this is a strip, not a photo

SizeLimit = Callable[[tuple[int, int]], tuple[int, str]]  # the longest side for a size (width, height), and why
Window = tuple[float, float, float, float]  # x, y, width, height in source px


def parse_aspect(text: str) -> float:
    """Width over height of "W:H". Raises `UsageError` for anything else, and beyond 20:1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[:x/]\s*(\d+(?:\.\d+)?)\s*", text)
    if match is None or not float(match[1]) or not float(match[2]):
        raise UsageError(f"--aspect must be W:H such as 9:16, got {text!r}")
    aspect = float(match[1]) / float(match[2])
    if not 1 / MOST_ELONGATED <= aspect <= MOST_ELONGATED:
        raise UsageError(f"--aspect must lie between 1:{MOST_ELONGATED:g} and {MOST_ELONGATED:g}:1, got {text!r}")
    return aspect


def _check_shape(name: str, width: int, height: int, aspect: float | None) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: the picture is {width}x{height} px, too small to animate; "
            f"use one of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} px"
        )
    if aspect is None and max(width, height) > MOST_ELONGATED * min(width, height):
        raise InputError(
            f"{name}: the picture is {width}x{height} px, a strip longer than {MOST_ELONGATED:g}:1; "
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


def _framed(
    source: Pixels,
    aspect: float | None,
    config: PhotoConfig,
    background: tuple[int, int, int],
    limit: SizeLimit | None,
) -> tuple[Pixels, Window, tuple[int, str]]:
    """What the output shows of the source, where it lies, and the longest side with the reason for it."""

    def framed(longest: int) -> tuple[Pixels, Window]:
        if aspect is not None and config.fit == "pad":
            return _pad(source, aspect, longest, background)
        return _crop(source, aspect, longest)

    bound = (config.max_side, f"--max-side {config.max_side}")
    pixels, window = framed(config.max_side)
    size = (pixels.shape[1], pixels.shape[0])
    if limit is not None and (limited := limit(size))[0] < max(size):
        bound = limited
        pixels, window = framed(limited[0])
    return pixels, window, bound


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Area average, which neither aliases nor rings when a photo is made smaller; the input itself if it fits."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint16) if pixels.dtype == np.uint16 else np.asarray(resized, np.uint8)


def _size_notices(
    source: tuple[int, int], pixels: Pixels, aspect: float | None, bound: tuple[int, str]
) -> tuple[str, ...]:
    max_side, reason = bound
    width, height = pixels.shape[1], pixels.shape[0]
    if aspect is None and 0 <= max(source[0] - width, source[1] - height) <= 1:
        if (width, height) == source:
            return ()
        return (f"The photo is {source[0]}x{source[1]} px; the output is {width}x{height}, video needs even sides.",)
    if max(source) > max_side and max(width, height) >= max_side - 1:
        return (f"The photo is {source[0]}x{source[1]} px; the output is {width}x{height} ({reason}).",)
    return ()

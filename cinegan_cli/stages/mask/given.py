"""Masks given by file, brought to the pixels of the photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo import read_grey
from cinegan_cli.types import Photo

Floats = npt.NDArray[Any]  # float32

_ASPECT_TOLERANCE = 0.02  # relative; rounding a 100 px mask's side is 1 %


def read_for_photo(path: Path, photo: Photo, option: str) -> Floats:
    """Values [H, W] in [0, 1] of a mask file at the photo's pixels.

    A mask with the aspect of the source file is cut like the photo was (`photo.window`); one with the aspect of the
    output is only resized. `option` is the option's name for messages. Raises InputError when the file cannot be read
    or has neither aspect.
    """
    values = read_grey(path)
    size = (values.shape[1], values.shape[0])
    if _same_aspect(size, photo.source_size):
        return _through_window(values, photo)
    if _same_aspect(size, photo.size):
        return _resize(values, photo.size)
    source = photo.source_size
    raise InputError(
        f"{path}: the {option} picture is {size[0]}x{size[1]} px, but the photo is {source[0]}x{source[1]} px; "
        "draw it over the photo (any size of the same shape will do)"
    )


def _same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Equal up to 2 %, or up to the rounding of the smaller one's sides by a pixel."""
    ratio = size[0] * other[1] / (size[1] * other[0])
    rounding = 1 / min(*size, *other)
    return abs(ratio - 1) <= max(_ASPECT_TOLERANCE, min(rounding, 0.2))


def _resize(values: Floats, size: tuple[int, int]) -> Floats:
    """To (width, height): area averaging when shrinking, bilinear when enlarging."""
    if (values.shape[1], values.shape[0]) == size:
        return values
    shrinks = size[0] < values.shape[1] or size[1] < values.shape[0]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def _through_window(values: Floats, photo: Photo) -> Floats:
    """Cut `photo.window` out of a mask of the whole source; what lies outside the source is 0 (static)."""
    x, y, width, height = photo.window
    scale_x, scale_y = photo.size[0] / width, photo.size[1] / height  # output px per source px
    whole = (max(1, round(photo.source_size[0] * scale_x)), max(1, round(photo.source_size[1] * scale_y)))
    values = _resize(values, whole)
    left, top = x * scale_x, y * scale_y
    if (left, top) == (0, 0) and whole == photo.size:
        return values
    shift = np.array([[1, 0, -left], [0, 1, -top]], np.float64)
    return np.asarray(cv2.warpAffine(values, shift, photo.size, flags=cv2.INTER_LINEAR, borderValue=0))

"""Masks that are given, as files or pixels, brought to the pixels of the photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.errors import InputError
from cinegan_cli.stages.mask.meaning import doubts, read_values
from cinegan_cli.stages.mask.polygons import is_drawing, read_drawing
from cinegan_cli.stages.photo import name_of, read_planes, source_of
from cinegan_cli.types import MaskSource, Photo

Floats = npt.NDArray[Any]  # float32

_ASPECT_TOLERANCE = 0.02  # relative; rounding a 100 px mask's side is 1 %


_HEAD = 4096  # bytes in which a drawing shows itself


@dataclass(frozen=True)
class GivenMask:
    """`values` [H, W] in [0, 1], 1 is white. `notices` say what was taken for what, and what looks wrong."""

    values: Floats
    notices: tuple[str, ...]


def read_for_photo(source: MaskSource, photo: Photo, option: str) -> Floats:
    """The values of `read_given` alone."""
    return read_given(source, photo, option).values


def read_given(source: MaskSource, photo: Photo, option: str) -> GivenMask:
    """A mask at the photo's pixels: a picture (`meaning` says how it is read), or outlines of labelme or CVAT.

    `source` is a file, a pipe or "-", the bytes of a file, a Pillow picture, or an array [H, W], [H, W, 3] or
    [H, W, 4] of bool, integers or floats in [0, 1]. A mask with the aspect of the source file is cut like the photo was
    (`photo.window`); one with the aspect of the output is only resized. `option` is the option's name for messages.
    Raises InputError when the mask cannot be read or has neither aspect.
    """
    name = name_of(source)
    values, notices = read_mask(source, photo)
    size, whole = (values.shape[1], values.shape[0]), photo.source_size
    if _same_aspect(size, whole):
        fitted = _through_window(values, photo)
    elif _same_aspect(size, photo.size):
        fitted = _resize(values, photo.size)
    else:
        raise InputError(
            f"{name}: the {option} picture is {size[0]}x{size[1]} px, but the photo is {whole[0]}x{whole[1]} px; "
            "draw it over the photo (any size of the same shape will do)"
        )
    return GivenMask(fitted, notices + doubts(values, Path(name).name, option))


def read_mask(source: MaskSource, photo: Photo | None = None) -> tuple[Floats, tuple[str, ...]]:
    """A mask [h, w] at its own size, and notices; outlines may need the photo they were drawn on. Raises InputError."""
    if isinstance(source, Path | bytes):
        file = source_of(source)
        with file.open() as opened:
            drawn = is_drawing(opened.read(_HEAD))
        if drawn:
            return read_drawing(file.read(), file.name, photo)
        planes = read_planes(file)
    else:
        planes = read_planes(source)
    values, notices = read_values(planes)
    return values, planes.notices + notices


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

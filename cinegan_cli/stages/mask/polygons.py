"""Outlines drawn in labelme (.json) or CVAT (.xml, "CVAT for images"), as masks of the picture they were drawn on."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from cinegan_cli.errors import InputError
from cinegan_cli.files import text_of
from cinegan_cli.types import Photo

Points = npt.NDArray[np.float64]  # [n, 2], x and y in px, 0 at the left and upper edge of the picture
Floats = npt.NDArray[Any]  # float32

BACKGROUND = ("_background_", "__ignore__", "background")  # labels of what is no object
LARGEST = 16384  # px: longest side of a picture that outlines are drawn on
FINE, MOST_DRAWN = 4, 100_000_000  # outlines are drawn this many times larger, up to so many px
FRACTION = 4  # bits of a pixel to which OpenCV draws
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError, OSError)


@dataclass(frozen=True)
class Drawing:
    """Outlines on a picture of `size` (width, height): polygons, and bit maps with the place of their upper left px."""

    size: tuple[int, int]
    polygons: tuple[Points, ...]
    bitmaps: tuple[tuple[int, int, npt.NDArray[np.bool_]], ...]
    labels: tuple[str, ...]


def is_drawing(head: bytes) -> bool:
    """Whether a file that begins with `head` is JSON or XML rather than a picture."""
    try:
        text = text_of(head[: len(head) // 4 * 4])
    except UnicodeError:
        return False
    return text.lstrip()[:1] in ("{", "[", "<")


def read_drawing(data: bytes, name: str, photo: Photo | None) -> tuple[Floats, tuple[str, ...]]:
    """The inside of all outlines [h, w], 1 inside and 0 outside, and a notice that says what they were called.

    Raises InputError, with the file's `name`, for what is neither labelme's nor CVAT's, or holds no outline.
    """
    try:
        text = text_of(data).lstrip()
        drawing = _cvat(text, photo) if text.startswith("<") else _labelme(text, photo)
        if not (drawing.polygons or drawing.bitmaps):
            raise InputError(f"{name}: holds no outline; draw polygons around what is meant")
        values = _drawn(drawing)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(name) else f"{name}: {error}") from None
    except (*DAMAGED, ElementTree.ParseError, cv2.error) as error:
        what = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"{name}: no outlines of labelme or CVAT can be read ({what}); export them again") from error
    shown = ", ".join(drawing.labels[:6])
    count = len(drawing.polygons) + len(drawing.bitmaps)
    outlines = "1 outline" if count == 1 else f"{count} outlines"
    return values, (f"{Path(name).name}: what is inside its {outlines} ({shown}) is taken as white.",)


def _labelme(text: str, photo: Photo | None) -> Drawing:
    """Polygons, rectangles, circles and masks; lines and points are for `--hints`."""
    drawing = json.loads(text)
    width, height = drawing.get("imageWidth"), drawing.get("imageHeight")
    if photo is not None and not (width and height):
        width, height = photo.source_size
    size = _size(width, height)
    polygons, bitmaps, labels = [], [], []
    for shape in drawing["shapes"]:
        kind, label = str(shape.get("shape_type") or "polygon"), str(shape.get("label", ""))
        if label.lower() in BACKGROUND or kind in ("line", "linestrip", "point", "points"):
            continue
        points = _points(shape["points"])
        if kind == "mask":
            with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"]) as image:
                bitmaps.append((round(points[0, 0]), round(points[0, 1]), np.asarray(image.convert("L")) > 0))
        elif kind == "rectangle":
            polygons.append(_box(*points[0], *points[1]))
        elif kind == "circle":
            radius = float(np.hypot(*(points[1] - points[0])))
            polygons.append(_ellipse(points[0, 0], points[0, 1], radius, radius))
        else:
            polygons.append(points)
        labels.append(label)
    return Drawing(size, tuple(polygons), tuple(bitmaps), tuple(dict.fromkeys(labels)))


def _cvat(text: str, photo: Photo | None) -> Drawing:
    """Polygons, boxes, ellipses and masks of the picture that has the photo's name, or of the only one."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("is XML with a document type, which CVAT does not write; export it again")
    root = ElementTree.fromstring(text)
    pictures = root.findall("image")
    if root.tag != "annotations" or not pictures:
        raise InputError("holds no annotated picture; export it as CVAT for images")
    if len(pictures) > 1:
        stem = "" if photo is None else Path(photo.name).stem
        named = [each for each in pictures if stem and Path(each.get("name", "")).stem == stem]
        if len(named) != 1:
            raise InputError(f"is about {len(pictures)} pictures, none or several called {stem or 'so'}; export one")
        pictures = named
    picture = pictures[0]
    shapes = [each for each in picture if each.get("label", "").lower() not in BACKGROUND]
    polygons, bitmaps, labels = [], [], []
    for shape in shapes:
        if shape.tag == "polygon":
            polygons.append(_points([pair.split(",") for pair in _text(shape, "points").split(";")]))
        elif shape.tag == "box":
            polygons.append(_box(*_numbers(shape, "xtl", "ytl", "xbr", "ybr")))
        elif shape.tag == "ellipse":
            polygons.append(_ellipse(*_numbers(shape, "cx", "cy", "rx", "ry")))
        elif shape.tag == "mask":
            bitmaps.append(_run_lengths(shape))
        else:
            continue
        labels.append(shape.get("label", ""))
    size = _size(*_numbers(picture, "width", "height"))
    return Drawing(size, tuple(polygons), tuple(bitmaps), tuple(dict.fromkeys(labels)))


def _run_lengths(shape: ElementTree.Element) -> tuple[int, int, npt.NDArray[np.bool_]]:
    """A CVAT mask: lengths of runs in turn outside and inside, row by row."""
    left, top, width, height = _numbers(shape, "left", "top", "width", "height")
    size = _size(width, height)
    runs = np.array(_text(shape, "rle").split(","), np.int64)
    if runs.min() < 0 or runs.sum() > size[0] * size[1]:
        raise ValueError("a mask has more pixels than its frame")
    inside = np.zeros(size[0] * size[1], bool)
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    inside[: len(filled)] = filled
    return round(left), round(top), inside.reshape(size[1], size[0])


def _drawn(drawing: Drawing) -> Floats:
    """1 inside, 0 outside, between along the edges, at the size of the drawing."""
    width, height = drawing.size
    fine = max(1, min(FINE, math.isqrt(MOST_DRAWN // (width * height))))  # OpenCV fills all px that an edge touches
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for polygon in drawing.polygons:
        corners = np.clip(polygon, -LARGEST, 2 * LARGEST) * fine - 0.5
        cv2.fillPoly(canvas, [np.round(corners * 2**FRACTION).astype(np.int32)], 255, cv2.LINE_8, FRACTION)
    canvas = np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    for left, top, bitmap in drawing.bitmaps:
        rows = slice(max(0, top), min(height, top + bitmap.shape[0]))
        columns = slice(max(0, left), min(width, left + bitmap.shape[1]))
        part = bitmap[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        canvas[rows, columns] |= part.astype(np.uint8) * np.uint8(255)
    return np.asarray(canvas.astype(np.float32) / 255, np.float32)


def _points(pairs: Any) -> Points:
    points = np.array(pairs, np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(f"points of shape {list(points.shape)}, or not finite")
    return points


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)


def _ellipse(x: float, y: float, across: float, down: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def _size(width: Any, height: Any) -> tuple[int, int]:
    size = round(float(width)), round(float(height))
    if not (0 < size[0] <= LARGEST and 0 < size[1] <= LARGEST):
        raise ValueError(f"a picture of {size[0]}x{size[1]} px; sides are 1 to {LARGEST}")
    return size


def _numbers(element: ElementTree.Element, *names: str) -> Iterable[float]:
    numbers = [float(_text(element, name)) for name in names]
    if not np.isfinite(numbers).all():
        raise ValueError(f"{element.tag} with numbers that are not finite")
    return numbers


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.get(name)
    if text is None:
        raise ValueError(f"{element.tag} without {name}")
    return text

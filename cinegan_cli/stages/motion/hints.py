"""Motion from drawn arrows and still points, diffused inside each connected region of the mask."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import MotionConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.files import read_text
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.motion.diffusion import diffuse
from cinegan_cli.stages.motion.texture import Array
from cinegan_cli.types import Photo

CRUMB = 0.02  # a region without arrows under this share of what moves goes along with its surroundings
REACH = 1 / 50  # of the longer side: how far around an arrow its motion is asked for, softly
FIRM, SOFT = 1e3, 0.05  # weights on the arrow and beside it, against 1 for the smoothness between neighbours


@dataclass(frozen=True)
class Stroke:
    """A straight piece along which things move at `velocity` px per second; a point when both ends are the same."""

    start: tuple[float, float]
    end: tuple[float, float]
    velocity: tuple[float, float]
    name: str  # how the user knows it, for messages


def strokes_of(config: MotionConfig, source_size: tuple[int, int]) -> list[Stroke]:
    """All arrows and anchors of the settings, in px of the upright source file.

    An arrow is one second's travel from its tail to its head. Raises UsageError for arrows that are not finite, have
    no length or leave the picture, InputError for a damaged hints file.
    """
    strokes = [_arrow(arrow, source_size) for arrow in config.arrow]
    strokes += [_anchor(anchor, source_size) for anchor in config.anchor]
    if config.hints is not None:
        strokes += read_hints(config.hints, source_size)
    return strokes


def read_hints(path: Path, source_size: tuple[int, int]) -> list[Stroke]:
    """Arrows drawn in labelme: each shape of two points (`line`) is one second's travel from the first to the second.

    A `linestrip` is a path: its whole length is one second's travel along it. A `point` stays still. Other shapes
    (polygons are masks) are passed over. Lengths are px of the picture the file was drawn on (`imageWidth`,
    `imageHeight`), scaled when the photo has another size. Raises InputError.
    """
    try:
        drawing = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a labelme file (no JSON: {error})") from error
    try:
        scale = _scale(drawing, source_size)
        shapes = [(str(s.get("shape_type") or "line"), np.array(s["points"], np.float64)) for s in drawing["shapes"]]
        strokes = [stroke for kind, points in shapes for stroke in _shape(kind, points * scale, path)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a labelme file ({error!r}); it needs shapes with points") from error
    if not strokes:
        raise InputError(f"{path}: holds no arrow; draw shapes of type line in labelme, tail first")
    outside = [stroke for stroke in strokes if not _inside(stroke.start, source_size)]
    if outside:
        raise InputError(f"{path}: {outside[0].name} lies outside the {source_size[0]}x{source_size[1]} px picture")
    return strokes


def _scale(drawing: dict[str, Any], source_size: tuple[int, int]) -> NDArray[np.float64]:
    """From px of the drawing to px of the photo's file."""
    drawn = drawing.get("imageWidth"), drawing.get("imageHeight")
    return np.array([now / (then or now) for now, then in zip(source_size, drawn, strict=True)], np.float64)


def _shape(kind: str, points: NDArray[np.float64], path: Path) -> list[Stroke]:
    """The strokes of one labelme shape, `points` [n, 2]."""
    if not np.isfinite(points).all() or points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points of shape {list(points.shape)} or not finite")
    if kind == "point":
        place = (float(points[0, 0]), float(points[0, 1]))
        return [Stroke(place, place, (0.0, 0.0), f"the point at {place[0]:.0f},{place[1]:.0f} of {path.name}")]
    two_points = len(points) == 2 and kind not in ("rectangle", "circle")
    if not two_points and kind != "linestrip":
        return []
    pieces = np.diff(points, axis=0)  # [n - 1, 2]
    lengths = np.hypot(pieces[:, 0], pieces[:, 1])
    strokes = []
    for start, end, piece, length in zip(points[:-1], points[1:], pieces, lengths, strict=True):
        if length > 0:
            velocity = piece / length * lengths.sum()
            name = f"the line from {start[0]:.0f},{start[1]:.0f} of {path.name}"
            strokes.append(Stroke((start[0], start[1]), (end[0], end[1]), (velocity[0], velocity[1]), name))
    return strokes


def _arrow(arrow: tuple[float, float, float, float], source_size: tuple[int, int]) -> Stroke:
    """An `--arrow`, checked."""
    x0, y0, x1, y1 = arrow
    name = f"--arrow {x0:g},{y0:g},{x1:g},{y1:g}"
    if not (_inside((x0, y0), source_size) and _inside((x1, y1), source_size)):
        raise UsageError(f"{name}: leaves the picture, which is {source_size[0]}x{source_size[1]} px")
    if (x0, y0) == (x1, y1):
        raise UsageError(f"{name}: has no length; a point that stays still is --anchor {x0:g},{y0:g}")
    return Stroke((x0, y0), (x1, y1), (x1 - x0, y1 - y0), name)


def _anchor(anchor: tuple[float, float], source_size: tuple[int, int]) -> Stroke:
    """An `--anchor`, checked."""
    name = f"--anchor {anchor[0]:g},{anchor[1]:g}"
    if not _inside(anchor, source_size):
        raise UsageError(f"{name}: lies outside the picture, which is {source_size[0]}x{source_size[1]} px")
    return Stroke(anchor, anchor, (0.0, 0.0), name)


def _inside(point: tuple[float, float], size: tuple[int, int]) -> bool:
    """Whether a finite point lies in a picture of `size`, its right and lower edge included."""
    return all(math.isfinite(p) and 0 <= p <= s for p, s in zip(point, size, strict=True))


@dataclass(frozen=True)
class Marks:
    """Strokes on a grid of cells: their velocity `values` [2, h, w], cells per second, where `weight` [h, w] is not 0.

    `missed` are the names of those that touch nothing that moves.
    """

    values: Array
    weight: Array
    missed: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(
            f"{name} lies where nothing moves and is left out; check the mask with `cinegan mask`."
            for name in self.missed
        )

    def spread(self, cells: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Of every cell [h, w] the velocity [2, h, w] of the nearest mark within `cells`, and its distance in cells."""
        marked = (self.weight > 0) & cells
        distance, nearest = cv2.distanceTransformWithLabels(
            (~marked).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        order = np.zeros(int(nearest.max()) + 1, np.intp)
        order[nearest[marked]] = np.flatnonzero(marked)
        values = self.values.reshape(2, -1)[:, order[nearest]]
        return np.asarray(values, np.float32), np.asarray(distance, np.float32)


def mark_strokes(strokes: list[Stroke], photo: Photo, moving: Array) -> Marks:
    """The strokes on the cells of `moving` [h, w], each on the first region of it that it meets.

    Raises UsageError when no arrow touches what moves.
    """
    height, width = moving.shape
    labels, _ = _regions(moving)
    values, weight = np.zeros((2, height, width), np.float32), np.zeros((height, width), np.float32)
    missed = tuple(stroke.name for stroke in strokes if not _mark(stroke, photo, labels, values, weight))
    if not values.any():
        raise UsageError(
            f"{(*missed, strokes[0].name)[0]}: lies where nothing moves; start it on water or sky, or give --mask"
        )
    return Marks(np.asarray(values / np.maximum(weight, 1.0), np.float32), weight, missed)


def arrows_velocity(strokes: list[Stroke], photo: Photo, moving: Array) -> tuple[Tensor, tuple[str, ...]]:
    """Velocity [2, h, w], px of the grid of `moving` [h, w] per second, and notices.

    Inside each connected region of `moving` the flow is the smoothest (harmonic, nothing crosses the border) that takes
    the arrows' velocities along them and rests at anchors: one arrow alone moves its region evenly. A larger region
    without any stays still, since only what was drawn is asked to move, and a notice says so; crumbs (sky between
    branches) go along with what is around them. Raises UsageError when no arrow touches what moves.
    """
    marks = mark_strokes(strokes, photo, moving)
    labels, sizes = _regions(moving)
    marked = set(np.unique(labels[marks.weight > 0]).tolist())
    known = (moving > 0).astype(np.float32)
    result = np.zeros_like(marks.values)
    still = 0
    for label, size in enumerate(sizes):
        cells = labels == label
        if label in marked:
            result[:, cells] = _solve(marks, cells)[:, cells]
        elif label and size < CRUMB * (labels > 0).sum():
            known[cells] = 0.0
        elif label:
            still += 1
    known[labels == 0] = 0.0
    notices = list(marks.notices)
    if still:
        areas = "1 moving area has" if still == 1 else f"{still} moving areas have"
        notices.append(f"{areas} no arrow and will stay still; draw one there with --arrow.")
    return pull_push(torch.from_numpy(result), torch.from_numpy(known)), tuple(notices)


def _regions(moving: Array) -> tuple[NDArray[np.int32], list[int]]:
    """Label of every cell [h, w], 0 where nothing moves, and the size in cells of each label."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((moving > 0.05).astype(np.uint8))
    return np.asarray(labels, np.int32), [int(stats[label, cv2.CC_STAT_AREA]) for label in range(count)]


def _mark(stroke: Stroke, photo: Photo, labels: NDArray[np.int32], values: Array, weight: Array) -> bool:
    """Add a stroke's velocity (and 1) to the cells it covers in the first region it meets; False if it meets none."""
    height, width = labels.shape
    left, top, window_width, window_height = photo.window
    scale = np.array([width / window_width, height / window_height])
    ends = (np.array([stroke.start, stroke.end]) - np.array([left, top]) + 0.5) * scale - 0.5  # [2, (x, y)]
    steps = int(np.ceil(np.abs(ends[1] - ends[0]).max())) * 2 + 1
    line = np.round(ends[0] + np.linspace(0, 1, steps)[:, None] * (ends[1] - ends[0])).astype(np.intp)
    # the right and lower edge of the picture belong to its last cells
    line = np.where(line == [width, height], line - 1, line)
    line = line[((line >= 0) & (line < [width, height])).all(1)]
    met = labels[line[:, 1], line[:, 0]]
    if not met.any():
        return False
    rows, columns = np.unique(line[met == met[met > 0][0]], axis=0).T[::-1]
    values[:, rows, columns] += np.array(stroke.velocity, np.float32)[:, None] * scale[:, None].astype(np.float32)
    weight[rows, columns] += 1.0
    return True


def _solve(marks: Marks, cells: NDArray[np.bool_]) -> Array:
    """The diffused flow [2, h, w] of one region, firm on its marked cells, softly drawn to them nearby."""
    target, distance = marks.spread(cells)
    # a single cell held at a value would leave a spike there: a harmonic function hardly feels a point
    firmness = SOFT * np.exp(-0.5 * np.square(distance / (REACH * max(cells.shape)))).astype(np.float32)
    firmness[(marks.weight > 0) & cells] = FIRM
    return diffuse(target, firmness * cells, cells.astype(np.float32))

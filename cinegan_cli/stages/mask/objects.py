"""Things that stand inside what moves and would be carried along: lettering, a moon, kites, boats.

Such a thing is compact, differs from all that surrounds it, and its edge is as sharp as the picture. Clouds, foam and
reflections are large, or soft, or lie among their like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.mask.matting import Bytes, Floats

_SIDE = 640  # long side at which is looked
_WINDOW = 1 / 6  # of the long side: the background is the median over so much
_LEVELS = (
    16.0,
    24.0,
    36.0,
    54.0,
)  # differences of colour at which parts are cut out: what touches at one may not at another
_RIM = 12  # px around a part that are looked at
_SURE = 4  # px from the outline of what moves within which nothing is judged
_SMALLEST, _LARGEST = 2.5e-4, 0.02  # of the picture
_LONGEST = 1 / 4  # of the long side
_CONTRAST = 25.0  # difference of colour (CIE Lab) from the surroundings
_CALM = 0.32  # largest deviation of the surroundings, as a share of that
_SHARP = 0.32  # step from pixel to pixel along half of the edge, as a share of the contrast
_UNREST = 0.8  # more than that by so much of the surroundings' deviation: foam is sharp, but lies among foam
_SOFTEST = 0.24  # step along four fifths of the edge
_NAMED = 3  # places that a note names


@dataclass(frozen=True)
class _View:
    """The picture as it is looked at: all [h, w] but `lab` [h, w, 3]."""

    lab: Floats
    apart: Floats  # difference of colour from the background
    steps: Floats  # largest difference of colour from pixel to pixel nearby
    inside: Bytes  # what moves
    depth: Floats  # px to what does not


def standing_objects(photo: Bytes, alpha: Floats) -> list[tuple[float, float]]:
    """Middles (x, y) of compact sharp-edged things within what moves, in shares of the width and height.

    photo [H, W, 3] RGB; alpha [H, W] in [0, 1]. Largest first; each thing once.
    """
    view = _view(photo, alpha)
    if view is None:
        return []
    found = sorted((part for level in _LEVELS for part in _parts(view, level)), key=lambda part: -part[2] * part[3])
    kept: list[tuple[int, int, int, int]] = []
    for box in found:
        if not any(_overlap(box, other) for other in kept):
            kept.append(box)
    height, width = view.apart.shape
    return [((x + w / 2) / width, (y + h / 2) / height) for x, y, w, h in kept]


def objects_notice(photo: Bytes, alpha: Floats) -> tuple[str, ...]:
    """What to tell the user about `standing_objects`: one sentence, or none."""
    found = standing_objects(photo, alpha)
    if not found:
        return ()
    height, width = photo.shape[:2]
    places = ", ".join(f"({x * width:.0f}, {y * height:.0f})" for x, y in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"Something that may have to stay still stands inside what moves, at {places}{more}: --freeze FILE holds it.",
    )


def _view(photo: Bytes, alpha: Floats) -> _View | None:
    """None when next to nothing moves."""
    scale = min(1.0, _SIDE / max(photo.shape[:2]))
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    inside = (cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 0.9).astype(np.uint8)
    bordered = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = np.minimum(cv2.distanceTransform(bordered, cv2.DIST_L2, 3)[1:-1, 1:-1], max(size))
    sure = (depth > _SURE).astype(np.float32)
    if sure.sum() < _SMALLEST * sure.size:
        return None
    lab = _lab(small)
    # behind what is static as around it: else every ridge would shift the background of the sky beside it
    planes = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1))).float()
    filled = pull_push(planes, torch.from_numpy(sure)).round().to(torch.uint8).numpy()
    window = min(int(_WINDOW * max(size)), 254) | 1
    background = np.dstack([cv2.medianBlur(plane, window) for plane in filled])
    apart = np.sqrt(((lab - _lab(background)) ** 2).sum(2))
    along = [cv2.Sobel(lab, cv2.CV_32F, x, 1 - x, ksize=3, scale=1 / 8) for x in (0, 1)]
    steps = cv2.dilate(np.sqrt((along[0] ** 2 + along[1] ** 2).sum(2)), np.ones((3, 3)))
    return _View(lab, apart, steps, inside, depth)


def _lab(picture: Bytes) -> Floats:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _parts(view: _View, level: float) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (x, y, width, height) of the connected parts at this difference of colour that count as things."""
    differs = ((view.apart > level) & (view.inside > 0)).astype(np.uint8)
    height, width = differs.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    for k in range(1, count):
        x, y, w, h, area = (int(value) for value in stats[k])
        if not _SMALLEST * differs.size <= area <= _LARGEST * differs.size or max(w, h) > _LONGEST * max(differs.shape):
            continue
        if x == 0 or y == 0 or x + w == width or y + h == height:
            continue  # a thing that the picture cuts off could be anything
        rows = slice(max(0, y - _RIM), y + h + _RIM)
        columns = slice(max(0, x - _RIM), x + w + _RIM)
        part = (labels[rows, columns] == k).astype(np.uint8)
        if _stands_out(view, rows, columns, part, differs[rows, columns]):
            yield x, y, w, h


def _stands_out(view: _View, rows: slice, columns: slice, part: Bytes, differs: Bytes) -> bool:
    """Whether a part, 1 in the window [rows, columns], differs from calm surroundings, by an edge sharp all round."""
    lab, inside, steps = view.lab[rows, columns], view.inside[rows, columns], view.steps[rows, columns]
    if view.depth[rows, columns][part > 0].min() < _SURE:
        return False
    square = np.ones((3, 3), np.uint8)
    around = cv2.dilate(part, square, iterations=8) - cv2.dilate(part, square, iterations=4)
    surroundings = lab[(around > 0) & (inside > 0) & (differs == 0)]  # [n, 3]
    if len(surroundings) < 10:
        return False
    contrast = float(np.sqrt(((lab[part > 0] - surroundings.mean(0)) ** 2).sum(1)).mean()) + 1e-6
    unrest = float(np.sqrt(surroundings.var(0).sum())) / contrast
    rim = part - cv2.erode(part, square)
    softest, usual = np.quantile(steps[rim > 0], (0.2, 0.5)) / contrast
    sharp = bool(usual >= _SHARP + _UNREST * unrest and softest >= _SOFTEST)
    return contrast >= _CONTRAST and unrest <= _CALM and sharp


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two boxes (x, y, width, height) share a pixel."""
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]

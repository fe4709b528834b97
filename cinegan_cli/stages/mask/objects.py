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
_RESTLESS = 0.3  # mean chance of white water, from which on a thing is only named
_HELD = "What stands inside what moves, at {}, is held still; --mask FILE decides for yourself."
_DOUBTED = "Something that may have to stay still stands inside white water, at {}: --freeze FILE holds it."
_MARGIN = 2  # px of the view around a thing that are held with it


@dataclass(frozen=True)
class _View:
    """The picture as it is looked at: all [h, w] but `lab` [h, w, 3]."""

    lab: Floats
    apart: Floats  # difference of colour from the background
    steps: Floats  # largest difference of colour from pixel to pixel nearby
    inside: Bytes  # what moves
    depth: Floats  # px to what does not


@dataclass(frozen=True)
class _Thing:
    """`box` (x, y, width, height) in px of the view, and its `shape` there, 0 or 1, [height, width]."""

    box: tuple[int, int, int, int]
    shape: Bytes


def without_objects(photo: Bytes, alpha: Floats, restless: Floats | None = None) -> tuple[Floats, tuple[str, ...]]:
    """`alpha` [H, W] in [0, 1] with compact sharp-edged things within what moves held still, and notes that say so.

    photo [H, W, 3] RGB. `restless` [h, w] in [0, 1] is how surely a place is white water, whose foam and troughs look
    like things: there they are only named.
    """
    view = _view(photo, alpha)
    things = [] if view is None else _things(view)
    if view is None or not things:
        return alpha, ()
    size = (photo.shape[1], photo.shape[0])
    white = np.zeros(view.apart.shape) if restless is None else cv2.resize(restless, view.apart.shape[::-1])
    doubtful = [thing for thing in things if _mean(white, thing) > _RESTLESS]
    things = [thing for thing in things if thing not in doubtful]
    notes = [_note(part, view, size, what) for part, what in ((things, _HELD), (doubtful, _DOUBTED)) if part]
    if not things:
        return alpha, tuple(notes)
    held = np.zeros_like(view.inside)
    for thing in things:
        x, y, width, height = thing.box
        held[y : y + height, x : x + width] |= thing.shape
    held = cv2.dilate(held, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MARGIN + 1, 2 * _MARGIN + 1)))
    soft = cv2.resize(held.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return alpha * (1 - soft), tuple(notes)


def _mean(values: Floats, thing: _Thing) -> float:
    x, y, width, height = thing.box
    return float(values[y : y + height, x : x + width][thing.shape > 0].mean())


def _things(view: _View) -> list[_Thing]:
    """Largest first; each thing once."""
    found = sorted((part for level in _LEVELS for part in _parts(view, level)), key=lambda t: -t.box[2] * t.box[3])
    kept: list[_Thing] = []
    for thing in found:
        if not any(_overlap(thing.box, other.box) for other in kept):
            kept.append(thing)
    return kept


def _note(things: list[_Thing], view: _View, size: tuple[int, int], what: str) -> str:
    scale_x, scale_y = size[0] / view.apart.shape[1], size[1] / view.apart.shape[0]
    middles = [((t.box[0] + t.box[2] / 2) * scale_x, (t.box[1] + t.box[3] / 2) * scale_y) for t in things[:_NAMED]]
    places = ", ".join(f"({x:.0f}, {y:.0f})" for x, y in middles)
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return what.format(f"{places}{more}")


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


def _parts(view: _View, level: float) -> Iterator[_Thing]:
    """The connected parts at this difference of colour that count as things."""
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
            yield _Thing((x, y, w, h), np.asarray(labels[y : y + h, x : x + w] == k, np.uint8))


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

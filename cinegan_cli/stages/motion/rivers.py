"""How rivers run: a harmonic flow between the banks, from where water comes in to where it leaves.

The flow goes down the slope of a height that is given at the open ends of the bed and as smooth as can be between them;
nothing crosses the banks. Water comes out of falls' feet and leaves over their brinks; else it comes from the far end
and leaves towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.stages.motion.diffusion import diffuse
from cinegan_cli.stages.motion.falls import downhill, feet
from cinegan_cli.stages.motion.kinds import STREAM, Ground, regions_of
from cinegan_cli.stages.motion.texture import Array

Cells = NDArray[np.bool_]
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)

FIRM = 1e3  # how firmly the height holds at an end, against 1 between neighbours
NARROW = 0.5  # of the bed's width: a far end under this is where it comes from, above it is a bank
SLANT = 0.06  # of the picture's height: ends that differ by less are level
FAR = 0.4  # of the largest distance: what of the upper rows counts as the far end
SURE = 0.6  # of the seer: from here on its heading is heeded


@dataclass(frozen=True)
class End:
    """A place where water enters or leaves a bed; `row` is its mean row: water leaves at the lowest."""

    cells: Cells
    row: float


def course(ground: Ground) -> tuple[Array, Array]:
    """Direction [2, h, w], about 1 long, of running water; and 1 where still water runs too, as the pool of a fall."""
    stream, still = ground.share(*STREAM) > 0.3, ground.share("lake", "reflection") > 0.3
    foot = feet(ground) > 0
    pool = np.zeros_like(stream)
    for cells in regions_of(stream | still) if foot.any() else []:
        pool |= cells & still & bool((cells & foot).any())
    bed = stream | pool
    if not bed.any():
        return np.zeros_like(ground.heading), pool.astype(np.float32)
    reach = max(2, round(ground.longer / 60))
    falling = (ground.share("falls") > 0.5).astype(np.uint8)
    brink = cv2.dilate(falling, np.ones((2 * reach + 1, 3), np.uint8), anchor=(1, 0)) > 0
    way = _sloping(bed, foot, brink & ~foot, ground.heading)
    sure = np.clip((np.hypot(*ground.heading) - SURE) * 5.0, 0, 1)
    return ((1 - sure) * way + 2 * sure * ground.heading).astype(np.float32), pool.astype(np.float32)


def _sloping(bed: Cells, foot: Cells, brink: Cells, heading: Array) -> Array:
    """Unit vectors [2, h, w] down every bed, turned about where the seer is sure that it runs the other way."""
    target, firm = np.zeros(bed.shape, np.float32), np.zeros(bed.shape, np.float32)
    count, beds = cv2.connectedComponents(bed.astype(np.uint8), connectivity=4)
    for number in range(1, count):
        cells = beds == number
        ends = open_ends(cells, cells & foot, cells & brink)
        lowest, highest = max(end.row for end in ends), min(end.row for end in ends)
        for end in ends:
            target[end.cells] = (lowest - end.row) / max(lowest - highest, 1e-6)
            firm[end.cells] = FIRM
    way = downhill(diffuse(target[None], firm, bed.astype(np.float32))[0], bed.astype(np.float32))
    sure = np.hypot(*heading) > SURE
    told = np.bincount(beds.ravel(), ((way * heading).sum(0) * sure).ravel(), count)
    heard = np.bincount(beds.ravel(), sure.ravel(), count) / np.maximum(np.bincount(beds.ravel(), minlength=count), 1)
    held = np.bincount(beds.ravel(), (foot | brink).ravel(), count) > 0
    sign = np.where((told < 0) & (heard > 0.2) & ~held, -1, 1)
    return np.asarray(way * sign[beds], np.float32)


def open_ends(bed: Cells, foot: Cells, brink: Cells) -> list[End]:
    """Where water enters and leaves the connected `bed` [h, w], at least two ends of different rows.

    `foot` and `brink` are its cells under and over falls.
    """
    height = bed.shape[0]
    runs = [_end(cells) for cells in regions_of(bed & _border(bed.shape)) if cells.sum() > 2]
    if foot.any():
        source = _end(foot)
        under = brink & (np.arange(height) > source.row)[:, None]
        sinks = [_end(under)] if under.any() else []
        sinks += [run for run in runs if run.row > source.row]
        return [source, *(sinks or [End(farthest(bed, foot), source.row + 1)])]
    if brink.any():
        sink = _end(brink)
        sources = [run for run in runs if run.row < sink.row]
        return [sink, *(sources or [End(farthest(bed, brink), sink.row - 1)])]
    near = max(runs, key=lambda run: run.row) if runs else _end(farthest(bed, farthest(bed, _lowest(bed))))
    others = [run for run in runs if run is not near]
    tip = _end(far_end(bed, near.cells))
    if not others and near.cells[:, 0].any() and near.cells[:, -1].any() and narrowness(bed) > NARROW:
        return _level([_end(_side(near.cells, 0)), _end(_side(near.cells, -1))], height)
    if tip.row < min(run.row for run in (near, *others)) - SLANT * height and narrowness(bed) < NARROW:
        others.append(tip)
    if not others:
        others = [_end(farthest(bed, near.cells))]
    return _level([near, *others], height)


def _level(ends: list[End], height: int) -> list[End]:
    """The same; where they all lie level, water runs to the right, or where they are above each other down."""
    rows = [end.row for end in ends]
    if max(rows) - min(rows) > SLANT * height:
        return ends
    columns = [float(np.nonzero(end.cells)[1].mean()) for end in ends]
    if max(columns) - min(columns) < max(rows) - min(rows):
        return ends
    return [End(end.cells, column) for end, column in zip(ends, columns, strict=True)]


def _end(cells: Cells) -> End:
    return End(cells, float(np.nonzero(cells)[0].mean()))


def _border(shape: tuple[int, ...]) -> Cells:
    """The outermost cells of a grid."""
    border = np.ones(shape, bool)
    border[1:-1, 1:-1] = False
    return border


def _side(cells: Cells, column: int) -> Cells:
    part = np.zeros_like(cells)
    part[:, column] = cells[:, column]
    return part


def _lowest(bed: Cells) -> Cells:
    return np.asarray(bed & (np.arange(bed.shape[0]) == np.flatnonzero(bed.any(1))[-1])[:, None])


def far_end(bed: Cells, near: Cells) -> Cells:
    """Of the upper tenth of the bed's rows the part that lies farthest from the end `near` [h, w]."""
    rows = np.flatnonzero(bed.any(1))
    upper = bed & (np.arange(bed.shape[0]) <= rows[len(rows) // 10])[:, None]
    distance = cv2.distanceTransform((~near).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(upper & (distance >= FAR * distance[upper].max()))


def narrowness(bed: Cells) -> float:
    """The width of the bed's upper tenth over its largest width."""
    widths = bed.sum(1)[bed.any(1)]
    return float(widths[: max(1, len(widths) // 10)].mean() / widths.max())


def farthest(bed: Cells, start: Cells) -> Cells:
    """The cells of `bed` [h, w] that are last reached from `start`, going inside it; `start` where that is all."""
    room, reached, last = bed.astype(np.uint8), (start & bed).astype(np.uint8), start & bed
    while True:
        grown = np.asarray(cv2.dilate(reached, CROSS), np.uint8) * room
        if (grown == reached).all():
            return last
        last, reached = np.asarray(grown > reached), grown

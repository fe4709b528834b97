"""What moves where: the kind of every cell of the motion grid, from what the seer saw, the mask, and `--kind`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.errors import UsageError
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.motion.extend import grid_size
from cinegan_cli.stages.motion.texture import Array, blur_inside, luminance_of, structure
from cinegan_cli.types import KINDS, LABEL_OF_KIND, Mask, Photo

AIR = ("sky", "fog")
STREAM = ("river", "rapids")
PLANE = ("lake", "sea", "surf", "river", "rapids", "reflection")  # water that lies level
FAMILIES = (("lake", "reflection"), ("sea", "surf"), STREAM)  # connected water is mostly one of these
GROUND_SIDE = 256  # cells of the longer side: half the motion grid, since kinds and currents are broad
CRUMB = 0.002  # of the picture: a patch of a kind that is smaller goes along with those around it
JOIN = 1 / 100  # of the longer side: over what distance one kind becomes another


@dataclass(frozen=True)
class Ground:
    """What the rules of motion know, on a grid of cells; float32 [h, w] unless said otherwise.

    `inside` is 1 where it moves; `shares` [10, h, w] are those of `KINDS` there, smooth, adding up to 1. `heading`,
    `axis` [2, h, w] are the seer's (`types.Sight`), 0 where nobody looked. `horizon` is the row where level
    ground vanishes, `nearness` in (0, 1] falls from 1 in the bottom row towards it.
    """

    inside: Array
    shares: Array
    heading: Array
    axis: Array
    luminance: Array
    horizon: float
    nearness: Array

    def share(self, *kinds: str) -> Array:
        """How much of each cell is one of these kinds, [h, w]."""
        return share_of(self.shares, *kinds)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The label (`types.LABEL_OF_KIND`) of each cell's kind, 0 where nothing moves, [h, w]."""
        return np.asarray(np.array(LABEL_OF_KIND, np.uint8)[leading(self.shares, self.inside)])

    @property
    def longer(self) -> int:
        """Cells along the longer side."""
        return int(max(self.inside.shape))


def ground_of(photo: Photo, mask: Mask, asked: tuple[str, ...], width: int, height: int) -> Ground:
    """The ground of a photo on a grid of `width` x `height`; `asked` is `--kind`. Raises UsageError for a wrong one."""
    colours = reduced(photo.pixels_u8.numpy(), width, height).astype(np.float32) / 255.0
    luminance = luminance_of(colours)
    inside = (reduced(mask.alpha.numpy(), width, height) > 0.1).astype(np.float32)
    seen = np.zeros((4, height, width), np.float32)
    if mask.sight is None:
        shares = guess(mask, inside, luminance)
    else:
        sight = torch.cat([mask.sight.kinds, mask.sight.heading, mask.sight.axis]).numpy()
        layers = np.stack([reduced(layer, width, height) for layer in sight]).astype(np.float32)
        shares, seen = cleaned(layers[:10], inside), layers[10:]
    for text in asked:
        shares = overridden(shares, inside, text, photo)
    shares = np.stack([blur_inside(layer, inside, JOIN * max(width, height)) for layer in shares]) * inside
    horizon = horizon_of(shares)
    rows = np.clip((np.arange(height, dtype=np.float32) - horizon) / (height - 1 - horizon), 0.03, 1.0)
    nearness = np.repeat(rows[:, None], width, axis=1).astype(np.float32)
    return Ground(inside, shares, seen[:2], seen[2:], luminance, horizon, nearness)


def share_of(shares: Array, *kinds: str) -> Array:
    """The sum of `shares` [10, h, w] over these kinds."""
    return np.asarray(shares[[KINDS.index(kind) for kind in kinds]].sum(0), np.float32)


def leading(shares: Array, inside: Array) -> NDArray[np.intp]:
    """The index in `KINDS` of the largest share of each cell, 0 where nothing moves: [h, w]."""
    return np.where(inside > 0, 1 + shares[1:].argmax(0), 0)


def cleaned(seen: Array, inside: Array) -> Array:
    """The shares of the kinds [10, h, w], where it moves, of what was seen: "static" taken out, doubts settled.

    Where the seer saw nothing that moves, what it saw near by holds. Of connected water a doubtful cell takes the kinds
    that the whole is mostly of; a patch that is only a crumb goes along with what is around it.
    """
    shares = seen * inside
    shares[0] = 0.0
    total = shares.sum(0)
    if not total.any():
        shares[KINDS.index("lake")], total = inside, inside
    shares = filled(shares / np.maximum(total, 1e-6), np.clip(total * 4.0 - 0.2, 0, 1)) * inside
    water = 1.0 - share_of(shares, *AIR)
    count, regions = cv2.connectedComponents(((water > 0.5) & (inside > 0)).astype(np.uint8))
    for family in FAMILIES:
        whole = np.maximum(np.bincount(regions.ravel(), water.ravel(), count), 1e-6)
        votes = np.asarray(np.bincount(regions.ravel(), share_of(shares, *family).ravel(), count) / whole)
        votes[0] = 1.0
        shares[[KINDS.index(kind) for kind in family]] *= (0.05 + 0.95 * votes[regions]).astype(np.float32)
    shares /= np.maximum(shares.sum(0), 1e-6)
    return filled(shares, inside * (1.0 - crumbs(leading(shares, inside), inside))) * inside


def crumbs(kinds: NDArray[np.intp], inside: Array) -> Array:
    """1 where a patch of one kind is tiny and part of something larger that moves, [h, w]."""
    found = np.zeros_like(inside)
    _, wholes, sizes, _ = cv2.connectedComponentsWithStats((inside > 0).astype(np.uint8))
    for kind in np.unique(kinds[kinds > 0]):
        count, patches, stats, _ = cv2.connectedComponentsWithStats((kinds == kind).astype(np.uint8))
        for number in range(1, count):
            x, y, wide, high, size = stats[number]
            if size < CRUMB * inside.size:
                window = np.s_[y : y + high, x : x + wide]
                patch = patches[window] == number
                if size < 0.5 * sizes[wholes[window][patch][0], cv2.CC_STAT_AREA]:
                    found[window][patch] = 1.0
    return found


def filled(layers: Array, known: Array) -> Array:
    """`layers` [C, h, w] where `known` [h, w] is 1, and where it is 0 the values around."""
    if not known.any():
        return layers
    return np.asarray(pull_push(torch.from_numpy(layers), torch.from_numpy(known.astype(np.float32))).numpy())


def guess(mask: Mask, inside: Array, luminance: Array) -> Array:
    """The shares [10, h, w] where no seer looked: from the mask's sky and water, else from place and texture.

    What touches the top border and does not reach the bottom tenth is sky. Water with upright streaks falls; other
    water is a river where it is higher than wide, and a lake.
    """
    height, width = inside.shape
    shares = np.zeros((10, height, width), np.float32)
    upright = structure(luminance, inside, max(height, width) / 50).upright
    sky = np.zeros_like(inside)
    if mask.sky is not None and mask.water is not None:
        sky, water = (reduced(part.numpy(), width, height) for part in (mask.sky, mask.water))
        sky = np.asarray(sky > water, np.float32)
    else:
        for cells in regions_of(inside > 0):
            if cells[0].mean() > 0.2 and not cells[-(height // 10) - 1 :].any() and upright[cells].mean() < 0.15:
                sky[cells] = 1.0
    shares[KINDS.index("sky")] = sky * inside
    for cells in regions_of((inside > 0) & (sky < 0.5)):
        tall = np.ptp(np.flatnonzero(cells.any(1))) > np.ptp(np.flatnonzero(cells.any(0)))
        kind = "falls" if upright[cells].mean() > 0.1 else "river" if tall else "lake"
        shares[KINDS.index(kind)][cells] = 1.0
    return shares


def regions_of(cells: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected parts of `cells` [h, w]."""
    count, labels = cv2.connectedComponents(cells.astype(np.uint8))
    return [labels == number for number in range(1, count)]


def overridden(shares: Array, inside: Array, text: str, photo: Photo) -> Array:
    """The shares [10, h, w] with one `--kind` heeded: KIND, or KIND@X,Y for the patch at that px of the source file.

    KIND alone is for all sky, or for all water, whichever it belongs to; for all that moves where there is none.
    Raises UsageError.
    """
    word, at, place = text.partition("@")
    if word not in KINDS[1:]:
        raise UsageError(
            f"--kind {text}: must be one of {', '.join(KINDS[1:])}, or one of them with a place: falls@X,Y"
        )
    kinds = leading(shares, inside)
    if at:
        _, patches = cv2.connectedComponents((kinds == kinds[_cell(text, place, photo, kinds)]).astype(np.uint8))
        area = patches == patches[_cell(text, place, photo, kinds)]
    else:
        air = np.isin(kinds, [KINDS.index(kind) for kind in AIR])
        area = (inside > 0) & (air == (word in AIR))
        area = area if area.any() else inside > 0
    named = np.arange(len(KINDS)) == KINDS.index(word)
    return np.where(area, named[:, None, None], shares).astype(np.float32)


def _cell(text: str, place: str, photo: Photo, kinds: NDArray[np.intp]) -> tuple[int, int]:
    """Row and column of the place X,Y of `--kind text` on the grid of `kinds`. Raises UsageError."""
    try:
        x, y = (float(part) for part in place.split(","))
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= photo.source_size[0] and 0 <= y <= photo.source_size[1]):
        size = "x".join(map(str, photo.source_size))
        raise UsageError(f"--kind {text}: the place must be X,Y in the picture, which is {size} px")
    left, top, width, height = photo.window
    row, column = int((y - top) / height * kinds.shape[0]), int((x - left) / width * kinds.shape[1])
    row, column = min(row, kinds.shape[0] - 1), min(column, kinds.shape[1] - 1)
    if min(row, column) < 0 or kinds[row, column] == 0:
        raise UsageError(f"--kind {text}: nothing moves there; name a place that does (`cinegan motion` shows them)")
    return row, column


def horizon_of(shares: Array) -> float:
    """The row where level ground vanishes: between the end of the sky and the first row of level water.

    Water up to the upper border is seen from above: its horizon lies over the picture. Without water: where the sky
    ends.
    """
    height, width = int(shares.shape[1]), int(shares.shape[2])
    water = np.flatnonzero((share_of(shares, *PLANE) > 0.5).sum(1) > 0.01 * width)
    sky = np.flatnonzero((share_of(shares, *AIR) > 0.5).sum(1) > 0.02 * width)
    end = float(sky[-1]) if sky.size else 0.0
    if not water.size:
        return min(end, height - 2.0)
    first = float(water[0])
    if first < 0.03 * height:
        return -0.6 * height
    return 0.5 * (min(end, first) + first) - 0.02 * height


def reduced(image: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """At the size of the grid: area average of what is larger, linear between what is smaller."""
    finer = image.shape[1] > width
    result: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if finer else cv2.INTER_LINEAR)
    return np.asarray(result)


def sky_cells(photo: Photo, mask: Mask, width: int, height: int) -> Tensor:
    """1 where what moves is sky or fog, 0 where it is water: float32 [height, width]."""
    ground = ground_of(photo, mask, (), *grid_size(*photo.size, GROUND_SIDE))
    return torch.from_numpy(reduced(ground.share(*AIR), width, height))

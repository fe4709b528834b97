"""How falls fall: from the brink down along their own axis; and how their water spreads where it lands."""

from __future__ import annotations

import cv2
import numpy as np

from cinegan_cli.stages.motion.diffusion import diffuse
from cinegan_cli.stages.motion.kinds import PLANE, Ground, regions_of
from cinegan_cli.stages.motion.texture import Array, blur_inside

STIFF = 1 / 10  # of the longer side: a fall keeps its course over about this distance
USUAL, TALL = 95.0, 300.0  # mean speed of a fall that is so tall, thousandths of the width (`docs/measurements.md`)
REACH = 1 / 12  # of the longer side: how far its rush is felt beyond its foot


def descent(ground: Ground) -> Array:
    """Direction [2, h, w], about 1 long where falls are: down, and along their banks where they slant or fan out.

    The gradient of a height that is that of the picture's rows, evened out across each fall: nothing crosses its sides.
    """
    falling = (ground.share("falls") > 0.3).astype(np.float32)
    rows = np.arange(falling.shape[0], dtype=np.float32)[:, None] / np.float32(ground.longer)
    weight = falling * np.float32(1 / (STIFF * ground.longer) ** 2)
    way = downhill(diffuse(np.asarray(-(rows * falling)[None], np.float32), weight, falling)[0], falling)
    way[1] += 0.5 * falling
    return way


def rush(ground: Ground) -> Array:
    """Speed of falling water [h, w], thousandths of the width per second, 0 elsewhere.

    It grows with the square root of the height fallen through, as bodies fall: so high falls, which are near or large,
    are fast in the picture, and each is slow at its brink.
    """
    falling = ground.share("falls") > 0.3
    unit = 1000.0 / falling.shape[1]
    speed = np.zeros_like(ground.inside)
    for cells in regions_of(falling):
        tall = unit * np.count_nonzero(cells.any(1))
        depth = np.arange(len(cells), dtype=np.float32)[:, None] - cells.argmax(0)  # below the brink of each column
        part = np.clip(unit * depth / tall, 0.0, 1.0)
        speed[cells] = (USUAL * np.sqrt(tall / TALL) * (0.6 + 0.6 * np.sqrt(part)))[cells]
    return speed


def landing(ground: Ground) -> Array:
    """1 at the feet of falls, fading out over the level water before them: [h, w]."""
    foot = feet(ground)
    if not foot.any():
        return foot
    distance = cv2.distanceTransform((foot == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.exp(-distance / (REACH * ground.longer)), np.float32)


def feet(ground: Ground) -> Array:
    """1 where level water lies below a fall and touches it, [h, w]."""
    falling, level = ground.share("falls") > 0.5, ground.share(*PLANE) > 0.5
    reach = max(2, round(ground.longer / 100))
    above = cv2.dilate(falling.astype(np.uint8), np.ones((2 * reach + 1, 3), np.uint8), anchor=(1, 2 * reach))
    return ((above > 0) & level).astype(np.float32)


def downhill(height: Array, inside: Array) -> Array:
    """Unit vectors [2, h, w] down the slope of `height` [h, w], 0 where it is level or outside `inside` [h, w].

    Differences are taken between cells inside only, so that at a bank the flow goes along it.
    """
    slopes = []
    for axis in (1, 0):
        both = np.minimum(np.delete(inside, 0, axis), np.delete(inside, -1, axis))
        step = -np.diff(height, axis=axis) * both
        before = [(1, 0) if k == axis else (0, 0) for k in (0, 1)]
        after = [(0, 1) if k == axis else (0, 0) for k in (0, 1)]
        count = np.pad(both, before) + np.pad(both, after)
        slopes.append((np.pad(step, before) + np.pad(step, after)) / np.maximum(count, 1.0))
    slope = np.stack([blur_inside(part.astype(np.float32), inside, 1.5) for part in slopes])
    return np.asarray(slope / np.maximum(np.hypot(*slope), 1e-9) * inside, np.float32)

"""How waves travel: up to the shore, or to the viewer, who mostly stands on one."""

from __future__ import annotations

import cv2
import numpy as np

from cinegan_cli.stages.motion.diffusion import diffuse
from cinegan_cli.stages.motion.falls import downhill
from cinegan_cli.stages.motion.kinds import Ground
from cinegan_cli.stages.motion.texture import Array, blur

FIRM = 1e3  # how firmly the depth holds at shore and offing, against 1 between neighbours
ISLET = 0.01  # of the picture: land that is smaller is a rock that waves pass
FLAT = 0.4  # a step in depth of the picture counts so much against one across it: level ground is foreshortened
NEAR = 0.15  # nearness from which land draws waves
BEYOND = -0.5  # sine of the angle upwards from which land is beyond the water
VIEWER = 0.2  # depth at the lower border of the picture
LEAN = 0.3  # how far the way is turned towards the viewer
SURE = 0.5  # of the seer: from here on its heading is heeded


def swell(ground: Ground) -> Array:
    """Direction [2, h, w], about 1 long, of sea and surf.

    Waves turn towards the shore as water gets shallow: they go down the slope of the smoothest depth that is 0 at the
    shore, less than half at the viewer's feet and 1 out at sea. Where the seer is sure of the heading, that holds.
    """
    water = (ground.share("sea", "surf") > 0.3).astype(np.float32)
    if not water.any():
        return np.zeros_like(ground.heading)
    way = downhill(_depth(ground, water), water)
    way[1] *= FLAT
    way /= np.maximum(np.hypot(*way), 1e-6)
    way[1] += LEAN * water
    sure = np.clip((np.hypot(*ground.heading) - SURE) * 5.0, 0, 1)
    return np.asarray((1 - sure) * way + 2 * sure * ground.heading, np.float32)


def _depth(ground: Ground, water: Array) -> Array:
    """The smoothest depth [h, w] of `water` [h, w], in 0 to 1: 0 along land that is near, 1 at its far end."""
    land = np.zeros(water.shape, np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((ground.inside == 0).astype(np.uint8))
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] > ISLET * water.size:
            land[labels == number] = 1
    rows = np.arange(water.shape[0])[:, None]
    solid = water > 0
    shore = (cv2.dilate(land, np.ones((5, 5), np.uint8)) > 0) & solid & (ground.nearness > NEAR)
    if ground.share("sky").any():  # we look out over the sea: land above water is a far coast, or a rock
        down, across = np.gradient(blur(land.astype(np.float32), ground.longer / 50))
        shore &= down > BEYOND * np.hypot(down, across)
    first = np.flatnonzero(solid.any(1))[0]
    offing = solid & (rows <= first + 0.05 * len(rows)) & ~shore
    foot = solid & (rows == len(rows) - 1) & ~shore & ~offing
    target = offing.astype(np.float32) + VIEWER * foot
    depth = diffuse(target[None], FIRM * (shore | offing | foot).astype(np.float32), water)
    return np.asarray(depth[0])

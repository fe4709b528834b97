"""The motion of a picture nobody has said anything about: what its kinds do by nature."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cinegan_cli.stages.motion.falls import descent, landing, rush
from cinegan_cli.stages.motion.kinds import AIR, STREAM, Ground, reduced
from cinegan_cli.stages.motion.rivers import course
from cinegan_cli.stages.motion.sea import swell
from cinegan_cli.stages.motion.sky import drift
from cinegan_cli.stages.motion.texture import Array, blur_inside

# thousandths of the picture's width per second, and the power of the nearness it grows with
# (`docs/measurements.md`, Motion by kind)
SPEEDS = {
    "lake": (7.0, 0.65),
    "sea": (17.5, 0.65),
    "surf": (40.0, 0.4),
    "river": (34.0, 0.75),
    "rapids": (72.0, 0.4),
    "reflection": (12.0, 0.65),
}
LANDING = 60.0  # the same, of level water where a fall lands
EASE = 1 / 60  # of the longer side: over what distance motions join


def default_velocity(ground: Ground, width: int, height: int) -> Tensor:
    """Velocity [2, height, width], grid px per second, smooth, meaningful where it moves.

    Skies drift (`sky`), falls fall (`falls`), rivers and rapids follow their bed (`rivers`), seas run up to the shore
    or the viewer (`sea`), lakes and reflections hardly drift.
    """
    calm = np.zeros_like(ground.heading)
    calm[0] = 1.0
    bed, pool = course(ground)
    still = ground.share("lake", "reflection")
    ways = (
        (ground.share(*STREAM), bed),
        (ground.share("falls"), descent(ground)),
        (ground.share("sea", "surf"), swell(ground)),
        (still * pool, bed),
        (still * (1 - pool), calm),
    )
    way = np.zeros_like(calm)
    for share, part in ways:
        way += share * part
    water = _flow(ground, way)
    air = ground.share(*AIR)
    velocity = (1 - air) * water + (air * drift(ground) if air.any() else 0.0)
    smooth = [blur_inside(part.astype(np.float32), ground.inside, EASE * ground.longer / 2) for part in velocity]
    return torch.from_numpy(np.stack([reduced(part, width, height) for part in smooth]) * np.float32(width / 1000))


def _flow(ground: Ground, way: Array) -> Array:
    """Velocity [2, h, w] along `way` [2, h, w] at the speed of the kinds; slow where ways meet head on."""
    smooth = np.stack([blur_inside(part, ground.inside, EASE * ground.longer) for part in way])
    return np.asarray(smooth / np.sqrt((smooth**2).sum(0) + 0.02) * speed_of(ground), np.float32)


def speed_of(ground: Ground) -> Array:
    """Of the water in each cell [h, w], thousandths of the width per second."""
    total, weight = np.zeros_like(ground.inside), np.full_like(ground.inside, 1e-6)
    log_near = np.log(ground.nearness)
    for kind, (usual, power) in SPEEDS.items():
        share = ground.share(kind)
        total += share * (np.log(usual) + power * log_near)
        weight += share
    share = ground.share("falls")
    total += share * np.log(np.maximum(rush(ground), 1.0))
    even = blur_inside(np.asarray(total / (weight + share), np.float32), ground.inside, EASE * ground.longer)
    below = landing(ground) * (1 - ground.share("falls", *AIR))
    return np.asarray(np.exp(even + below * np.clip(np.log(LANDING) - even, 0, None)), np.float32)

"""How waves travel: along the normals of their crests, towards the shore or the viewer."""

from __future__ import annotations

import numpy as np

from cinegan_cli.stages.motion.kinds import Ground
from cinegan_cli.stages.motion.texture import Array, blur, structure

SURE = 0.5  # of the seer: from here on its heading is heeded


def swell(ground: Ground) -> Array:
    """Direction [2, h, w], about 1 long, of sea and surf.

    Waves run to the viewer, breaking ones rather to the shore near by. The crests' own normal turns that way as far as
    they agree; the seer's heading replaces it where it is sure.
    """
    water = ground.share("sea", "surf")
    towards = np.zeros_like(ground.heading)
    towards[1] = 1.0
    shore = _shoreward(ground)
    towards += ground.share("surf") * 2.0 * shore
    towards /= np.maximum(np.hypot(*towards), 1e-6)
    texture = structure(ground.luminance, (water > 0.5).astype(np.float32), ground.longer / 25)
    angle = 0.5 * np.arctan2(texture.sin2, texture.cos2) + np.pi / 2
    normal = np.stack([np.cos(angle), np.sin(angle)])
    along = (normal * towards).sum(0)
    towards = towards + texture.coherence * normal * np.sign(along) * np.abs(along)
    sure = np.clip((np.hypot(*ground.heading) - SURE) * 5.0, 0, 1)
    return np.asarray((1 - sure) * towards + 2 * sure * ground.heading, np.float32)


def _shoreward(ground: Ground) -> Array:
    """Where land is near below or beside, the way to it: [2, h, w], at most 1 long."""
    height = ground.inside.shape[0]
    land = (1.0 - ground.inside) * (np.arange(height) > ground.horizon + 0.03 * height)[:, None]
    near = blur(land.astype(np.float32), ground.longer / 12)
    slope = np.stack(np.gradient(near)[::-1]) * ground.longer / 4
    return np.asarray(slope / np.maximum(np.hypot(*slope), 1.0), np.float32)

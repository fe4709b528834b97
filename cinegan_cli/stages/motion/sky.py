"""How skies drift: as a ceiling that moves past overhead and vanishes at the horizon."""

from __future__ import annotations

import numpy as np

from cinegan_cli.stages.motion.kinds import Ground
from cinegan_cli.stages.motion.texture import Array, structure

WAYS = 36  # directions of the ceiling that are tried, over half a turn
LEVEL = 0.3  # how much a drift across the picture is preferred, against full agreement with all streaks
FASTEST, SLOWEST = 26.0, 5.0  # thousandths of the picture's width per second: overhead, at the horizon
MIST = 9.0


def drift(ground: Ground) -> Array:
    """Velocity [2, h, w] of sky and fog, thousandths of the width per second.

    Of all ways a level ceiling can move, that whose picture lies best along the streaks and the seer's axis. Streaks
    do not say which of two ways: the seer may, else it goes to the right, or towards the viewer. Mist goes the same
    way, slowly.
    """
    height, width = ground.inside.shape
    sky = ground.share("sky") * ground.inside
    rows = np.flatnonzero((sky > 0.5).any(1))
    horizon = max(ground.horizon, float(rows[-1]) if rows.size else 0.0)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side, up = (x - width / 2) / ground.longer, np.maximum((horizon - y) / ground.longer, 0.02)
    way = _way(ground, sky, side, up)
    flow = _ceiling(way, side, up)
    speed = SLOWEST + (FASTEST - SLOWEST) * np.clip(up / max(horizon / ground.longer, 0.3), 0, 1)
    mist = ground.share("fog") / np.maximum(ground.share("sky", "fog"), 1e-6)
    speed = speed + mist * (MIST - speed)
    return np.asarray(flow / np.maximum(np.hypot(*flow), 1e-9) * speed, np.float32)


def _way(ground: Ground, sky: Array, side: Array, up: Array) -> float:
    """The direction of the ceiling over the ground, radians: 0 to the right, a quarter turn towards the viewer."""
    if sky.sum() < 1.0:
        return 0.0
    texture = structure(ground.luminance, sky, ground.longer / 30)
    seen = np.hypot(*ground.axis)
    cos2, sin2 = ground.axis[0] + (1 - seen) * texture.cos2, ground.axis[1] + (1 - seen) * texture.sin2
    small = np.s_[::4, ::4]
    weight = sky[small] / max(float((sky * np.hypot(cos2, sin2))[small].sum()), 1e-6)
    best, way = -np.inf, 0.0
    for angle in np.arange(WAYS) * np.pi / WAYS - np.pi / 2:
        u, v = _ceiling(angle, side[small], up[small])
        agreement = ((u * u - v * v) * cos2[small] + 2 * u * v * sin2[small]) / (u * u + v * v)
        score = float((weight * agreement).sum()) + LEVEL * np.cos(angle) ** 2
        if score > best:
            best, way = score, float(angle)
    flow = _ceiling(way, side, up)
    told = float((flow / np.hypot(*flow) * ground.heading * sky).sum() / sky.sum())
    backwards = told < 0 if abs(told) > 0.3 else np.sin(way) < -0.9
    return way + np.pi * backwards


def _ceiling(way: float, side: Array, up: Array) -> Array:
    """The picture [2, h, w] of a level ceiling's motion, up to a factor.

    A point at (`side`, `up`) from the vanishing point of the view has the distance 1 / up: it moves by up * (across +
    towards * side, towards * up).
    """
    across, towards = np.cos(way), 4.0 * np.sin(way)
    return np.stack([up * (across + towards * side), -up * up * towards])

"""Default motion of water: calm surfaces ripple, streams follow their streaks, falls fall.

Speeds are shares of the picture's longer side per second, chosen so that in a cycle of 4 s nothing travels further than
about a quarter of the picture (`docs/measurements.md`, Motion by rule).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.stages.motion.texture import Array, Texture, blur, blur_inside, luminance_of, structure, whiteness

FALL_SPEED = 0.065
STREAM_SPEED = 0.030
OPEN_SPEED = 0.012  # sea and wind-blown lakes
MIRROR_SPEED = 0.0015  # a reflected ridge doubles in mid-loop by its whole travel
BRINK = 1 / 8  # of the longer side: how far below its edge a fall has its full speed
EASE = 1 / 20  # of the longer side: over what distance speeds change
BANDS = 5.0  # ripple bands from the horizon to the bottom of the picture
SMALLEST = 0.002  # regions under this share of the picture are treated as open water


@dataclass(frozen=True)
class Surface:
    """How a connected water region lies in the picture. `horizon` is the row where its plane would vanish."""

    cells: NDArray[np.bool_]  # [h, w]
    flat: float  # 0 to 1: the far shore is a level line
    mirror: float  # 0 to 1: what stands above that line is repeated below it
    horizon: float


def water_velocity(colours: Array, water: Array) -> Array:
    """Velocity [2, h, w], cells per second, of the area `water` [h, w] in [0, 1] of a picture [h, w, 3] in [0, 1]."""
    height, width = water.shape
    luminance = luminance_of(colours)
    texture = structure(luminance, water, max(height, width) / 50)
    surfaces = [surface_of(cells, luminance, texture) for cells in regions(water > 0.5, SMALLEST)]
    calm = np.zeros((2, height, width), np.float32)
    calm[0] = OPEN_SPEED * 0.5
    flat, mirror = np.zeros((2, height, width), np.float32)
    near = np.ones((height, width), np.float32)
    for surface in surfaces:
        calm[:, surface.cells] = ripples(surface, height, width)[:, surface.cells]
        flat[surface.cells], mirror[surface.cells] = surface.flat, surface.mirror
        near[surface.cells] = nearness(surface, height, width)[surface.cells]
    white = blur(whiteness(colours), 4.0)
    falling = fall_likelihood(texture, white, water, flat * (0.5 + 0.5 * mirror), luminance)
    running = np.maximum(falling, foam(texture, white) * (1.0 - mirror))
    course = follow_streaks(texture, water, falling)
    steep = np.abs(course[1]) * falling
    speed = (STREAM_SPEED + (FALL_SPEED - STREAM_SPEED) * steep) * (1.0 - 0.8 * flat * (1.0 - near))
    # what speeds up n-fold along its way is stretched n-fold: spread every change of speed over a good way
    solid = (water > 0.5).astype(np.float32)
    brisk = blur_inside(running * speed, solid, EASE * max(height, width))
    brisk *= 1.0 - np.clip(course[1], 0, 1) * (1.0 - pouring(solid, max(height, width)))
    rest = 1.0 - blur_inside(running, solid, EASE * max(height, width))
    velocity = rest * calm + brisk * course
    return np.asarray(max(height, width) * velocity, np.float32)


def regions(inside: NDArray[np.bool_], smallest: float) -> list[NDArray[np.bool_]]:
    """The connected parts (8 neighbours) of `inside` [h, w] that cover at least `smallest` of the picture."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    least = smallest * inside.size
    return [labels == label for label in range(1, count) if stats[label, cv2.CC_STAT_AREA] >= least]


def surface_of(cells: NDArray[np.bool_], luminance: Array, texture: Texture) -> Surface:
    """Far shore, mirror and horizon of one region."""
    height = cells.shape[0]
    columns = np.flatnonzero(cells.any(0))
    tops = cells.argmax(0)[columns].astype(np.float32)
    slopes = np.linspace(-0.1, 0.1, 11, dtype=np.float32)
    levels = tops[None] - slopes[:, None] * columns[None]  # [11, columns]
    middles = np.median(levels, axis=1)
    near = np.abs(levels - middles[:, None]) < 0.015 * height
    best = int(np.argmax(near.mean(1) - 0.5 * np.abs(slopes)))
    shore = middles[best] + slopes[best] * columns
    # a region without anything above it has no shore, and one that is narrow for its depth no level one
    depth = max(1, int(np.flatnonzero(cells.any(1))[-1] - middles[best]))
    below = 1.0 if np.median(tops) > 0.03 * height else 0.0
    flat = float(near[best].mean() * np.clip(columns.size / depth - 0.5, 0, 1) * below)
    # a low sun repeats itself in any sea: waves that lie flat are no mirror
    smooth = float(np.clip((texture.upright[cells].mean() + 0.75) / 0.3, 0, 1))
    mirror = flat * smooth * float(np.clip(reflection(luminance, cells, columns, shore) * 3.0 - 0.45, 0, 1))
    horizon = float(np.quantile(tops, 0.1)) if below else -0.6 * height
    return Surface(cells, flat, mirror, horizon - 0.02 * height)


def reflection(luminance: Array, cells: NDArray[np.bool_], columns: NDArray[np.intp], shore: Array) -> float:
    """Correlation, -1 to 1, of what lies under the shore line with what stands above it, turned over."""
    height = luminance.shape[0]
    depth = int(min(shore.min(), height - 1 - shore.max(), 0.3 * height))
    if depth < 8 or columns.size < 16:
        return 0.0
    soft = blur(luminance, 2.0)
    offsets = np.arange(3, depth)[:, None]
    line = np.round(shore).astype(np.intp)[None]
    under, over = soft[line + offsets, columns[None]], soft[line - offsets, columns[None]]
    valid = cells[line + offsets, columns[None]]
    if valid.sum() < 64:
        return 0.0
    # rows have their own brightness (gradients of sky and depth): only what differs along a row counts
    count = valid.sum(1, keepdims=True) + 1e-6
    under = (under - (under * valid).sum(1, keepdims=True) / count) * valid
    over = (over - (over * valid).sum(1, keepdims=True) / count) * valid
    return float((under * over).sum() / (np.sqrt((under**2).sum() * (over**2).sum()) + 1e-3))


def nearness(surface: Surface, height: int, width: int) -> Array:
    """1 at the bottom of the picture, 0 at the horizon: inverse distance on a level plane, [h, w]."""
    rows = np.clip((np.arange(height) - surface.horizon) / (height - surface.horizon), 0.02, 1.0)
    return np.broadcast_to(rows[:, None], (height, width)).astype(np.float32)


def ripples(surface: Surface, height: int, width: int) -> Array:
    """Gentle drift sideways [2, h, w] (shares of the longer side), slower with distance, its speed waving in depth."""
    near = nearness(surface, height, width)
    x = np.arange(width, dtype=np.float32)[None] / width
    speed = OPEN_SPEED * (1 - surface.mirror) + MIRROR_SPEED * surface.mirror
    wave = np.sin(2 * np.pi * (BANDS * np.sqrt(near) + 0.15 * np.sin(2 * np.pi * 1.3 * x)))
    drift = speed * (0.15 + 0.85 * near) * (1.0 + 0.5 * wave)
    return np.stack([drift, np.zeros_like(drift)]).astype(np.float32)


def foam(texture: Texture, white: Array) -> Array:
    """White water, 0 to 1 [h, w]: pale, bright and busy. A lake that mirrors clouds is pale but not busy."""
    busy = np.clip((texture.energy * 1e4 - 6.0) / 8.0, 0, 1)
    return np.asarray(white * busy, np.float32)


def fall_likelihood(texture: Texture, white: Array, water: Array, level: Array, luminance: Array) -> Array:
    """Falling water, 0 to 1 [h, w]: upright streaks, white, brighter than the rocks, in a region higher than wide.

    Against it: a level far shore (`level`) and covering the picture, as sea from above does. Figures for
    `upright`: `docs/measurements.md`, Motion by rule.
    """
    solid = water > 0.5
    tall = np.clip(np.log2((run_lengths(water.T).T + 1.0) / (run_lengths(water) + 1.0)), -2, 2).astype(np.float32)
    brighter = np.zeros_like(luminance)
    if (~solid).mean() > 0.05:
        brighter = np.clip(blur(luminance, 4.0) - luminance[~solid].mean() - 0.2, -0.3, 0.15)
    shape = 1.2 * blur(tall, 4.0) - 5.0 * level - 4.0 * max(0.0, float(solid.mean()) - 0.35)
    evidence = 6.0 * (texture.upright - 0.05) + 2.0 * (white - 0.4) + 3.0 * brighter + shape
    return np.asarray(1.0 / (1.0 + np.exp(-evidence)), np.float32)


def pouring(solid: Array, longer: int) -> Array:
    """Factor on the speed, 0.35 to 1 [h, w]: water falls slowly at its upper edge and gathers speed below it.

    Physically so, and at full speed the edge would pour out the textureless fill from behind the mask, as white fog.
    """
    below = np.zeros_like(solid)
    # a run that begins at the top of the picture has no edge: it comes from outside
    count = np.where(solid[0] > 0, np.float32(longer), np.float32(0))
    for row, inside in enumerate(solid):
        count = (count + 1.0) * inside
        below[row] = count
    depth = blur_inside(np.minimum(below / (BRINK * longer), 1.0), solid, longer / 80)
    return np.asarray(0.35 + 0.65 * depth, np.float32)


def run_lengths(inside: Array) -> Array:
    """For each cell of [h, w] the number of neighbours in its row that belong to the same unbroken run of `inside`."""
    solid = (inside > 0.5).astype(np.float32)
    height, width = solid.shape
    padded = np.zeros((height, width + 2), np.float32)
    padded[:, 1:-1] = solid
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps > 0)
    ends = np.nonzero(steps < 0)[1]
    lengths = np.zeros((height, width + 1), np.float32)
    lengths[rows, starts] += ends - starts
    np.subtract.at(lengths, (rows, ends), ends - starts)
    return np.cumsum(lengths, axis=1)[:, :width].astype(np.float32)


def follow_streaks(texture: Texture, water: Array, falling: Array) -> Array:
    """Direction of flow [2, h, w], at most 1 long: along the streaks, their sign made consistent, downhill preferred.

    A streak has no sign. Starting from "down and a little to the right", every streak takes the sign of the smoothed
    flow around it, over ever smaller neighbourhoods, so that confident places decide for doubtful ones.
    """
    angle = 0.5 * np.arctan2(texture.sin2, texture.cos2)
    streak = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    solid = (water > 0.5).astype(np.float32)
    # level streaks are mostly waves seen from the side: they say less about the flow than slanted ones
    sure = texture.coherence**2 * (0.15 + np.abs(streak[1])) * solid
    fall = 0.15 * falling**2 * solid
    flow = np.zeros_like(streak)
    flow[0], flow[1] = 0.25, 1.0
    for part in (6, 12, 24, 32):
        sigma = max(water.shape) / part
        sign = np.where((flow * streak).sum(0) < 0, np.float32(-1), np.float32(1))
        total = blur(sure + fall, sigma) + 1e-5
        flow = np.stack([blur(sure * sign * streak[0], sigma), blur(sure * sign * streak[1] + fall, sigma)]) / total
    length = np.sqrt((flow**2).sum(0) + 0.05)
    return np.asarray(flow / length, np.float32)

"""The motion of a picture nobody has said anything about: sky drifts, water flows along its own texture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.motion.texture import Array, blur, blur_inside, luminance_of, structure, whiteness
from cinegan_cli.stages.motion.water import fall_likelihood, regions, run_lengths, water_velocity
from cinegan_cli.types import Mask, Photo

SKY_SPEED = 0.028  # of the longer side per second, where the sky is highest
SMALLEST = 0.01


def default_velocity(photo: Photo, mask: Mask, width: int, height: int) -> Tensor:
    """Velocity [2, height, width], grid px per second, smooth, meaningful where the mask moves.

    Sky drifts to the right along its own cloud streaks, fastest overhead and slower toward the horizon. Water: falls go
    down, streams follow their streaks, open water drifts gently, faster near the viewer, and mirrors hardly move
    (`water`). Which is which comes from the mask's `sky` and `water`; for a mask given by file it is decided for
    each connected region from its place and texture (`guess_sky`).
    """
    colours, moving = _cells(photo, mask, width, height)
    sky = sky_share(mask, moving, colours)
    water_part, sky_part = moving * (1.0 - sky), moving * sky
    inside = (moving > 0.05).astype(np.float32)
    velocity = np.zeros((2, height, width), np.float32)
    if (sky > 0).any():
        velocity += sky * sky_velocity(colours, sky_part, water_part)
    if (sky < 1).any():
        velocity += (1.0 - sky) * water_velocity(colours, (water_part > 0.05).astype(np.float32) * (1 - sky))
    smooth = [blur_inside(part, inside, max(width, height) / 128) for part in velocity]
    return torch.from_numpy(np.stack(smooth))


def sky_cells(photo: Photo, mask: Mask, width: int, height: int) -> Tensor:
    """1 where what moves is sky, 0 where it is water: float32 [height, width]."""
    colours, moving = _cells(photo, mask, width, height)
    return torch.from_numpy(sky_share(mask, moving, colours))


def _cells(photo: Photo, mask: Mask, width: int, height: int) -> tuple[Array, Array]:
    """Colours [height, width, 3] in [0, 1], and how much of each cell moves [height, width]."""
    colours = np.asarray(_reduced(photo.pixels_u8.numpy(), width, height), np.float32) / 255.0
    moving: Array = _reduced(mask.alpha.numpy(), width, height)
    return colours, moving


def sky_share(mask: Mask, moving: Array, colours: Array) -> Array:
    """For each cell [h, w], 1 where what moves is sky, 0 where it is water."""
    height, width = moving.shape
    if mask.sky is None or mask.water is None:
        return guess_sky(moving, colours)
    sky, water = (_reduced(part.numpy(), width, height) for part in (mask.sky, mask.water))
    known = (sky + water > 0.3) & (moving > 0.05)
    if not known.any():
        return guess_sky(moving, colours)
    share = sky_above_water(np.where(known, sky - water, np.float32(0.0)))
    filled = pull_push(torch.from_numpy(share)[None], torch.from_numpy(known.astype(np.float32)))[0].numpy()
    # networks are in doubt about falls and sure of white clouds: `docs/measurements.md`, Motion by rule
    doubt = np.clip((0.9 - sky) * 4.0, 0, 1)
    return np.asarray(blur(filled, 1.5) * (1.0 - doubt * _falls_taken_for_sky(moving, colours)), np.float32)


def sky_above_water(evidence: Array) -> Array:
    """1 for sky, 0 for water [h, w], from `evidence` for sky over water [h, w]: in every column sky lies above water.

    The row where one ends is the best cut of the column and its neighbours: the maximum of the running sum. So a dark
    cloud that the network takes for water is sky.
    """
    # cubed: a few sure rows outweigh many doubtful ones
    columns: Any = cv2.GaussianBlur(evidence**3, (0, 0), sigmaX=evidence.shape[1] / 16, sigmaY=1.0)
    smooth = np.asarray(columns)
    total = np.concatenate([np.zeros((1, evidence.shape[1])), np.cumsum(smooth, axis=0)])
    return np.asarray(np.arange(evidence.shape[0])[:, None] < np.argmax(total, axis=0)[None], np.float32)


def _falls_taken_for_sky(moving: Array, colours: Array) -> Array:
    """Where `moving` [h, w] looks like falling water beyond doubt, 0 to 1: networks take white falls for bright sky."""
    luminance = luminance_of(colours)
    inside = (moving > 0.05).astype(np.float32)
    texture = structure(luminance, inside, max(moving.shape) / 50)
    white = blur(whiteness(colours), 4.0)
    likely = fall_likelihood(texture, white, inside, np.full_like(white, 0.3), luminance)
    # aurora and sunbeams are upright too, but not white; white clouds are no streaks, and have no rocks on both sides
    narrow = np.clip((0.5 - blur(run_lengths(inside), 4.0) / moving.shape[1]) * 5.0, 0, 1)
    likely = likely * np.clip(2.0 * white, 0, 1) * np.clip((texture.upright - 0.02) * 8.0, 0, 1) * narrow
    return blur(np.asarray(np.clip((likely - 0.5) * 4.0, 0, 1), np.float32), 6.0)


def guess_sky(moving: Array, colours: Array) -> Array:
    """Sky or water, for a mask that does not say: each connected region of `moving` [h, w] by place and texture.

    A region that touches the top border along a fifth of the picture, does not reach its bottom tenth and has no
    upright streaks (falls can touch the top) is sky. One that also reaches the bottom is cut at its strongest level
    edge, the horizon: sky above, water below; without such an edge it is water. Everything else is water.
    """
    height, width = moving.shape
    luminance = luminance_of(colours)
    texture = structure(luminance, moving, max(height, width) / 50)
    share = np.zeros((height, width), np.float32)
    for cells in regions(moving > 0.5, SMALLEST):
        rows = np.flatnonzero(cells.any(1))
        falling = float(texture.upright[cells].mean()) > 0.15
        if cells[: max(1, height // 50)].any(0).mean() < 0.2 or falling:
            continue
        if rows[-1] < 0.9 * height:
            share[cells] = 1.0
        else:
            share[: horizon_row(luminance, cells)] = np.where(cells, 1.0, share)[: horizon_row(luminance, cells)]
    return blur(share, 1.5)


def horizon_row(luminance: Array, cells: NDArray[np.bool_]) -> int:
    """The row of the strongest level edge inside `cells` [h, w], or 0 where none stands out."""
    height = luminance.shape[0]
    step: Any = cv2.Scharr(blur(luminance, 1.5), cv2.CV_32F, 0, 1, scale=1 / 32)
    inner = cells & np.roll(cells, 4, 0) & np.roll(cells, -4, 0)
    count = inner.sum(1)
    mean = np.abs((step * inner).sum(1)) / (count + 1e-6) * (count > 0.2 * cells.shape[1])
    # waves and clouds have edges of either sign along a row, a horizon of one
    agreement = np.abs((step * inner).sum(1)) / ((np.abs(step) * inner).sum(1) + 1e-6)
    mean[: height // 8] = mean[-height // 8 :] = 0.0
    best = int(np.argmax(mean * agreement))
    usual = float(mean[count > 0].mean()) if (count > 0).any() else 0.0
    return best if mean[best] > 4.0 * usual and agreement[best] > 0.6 else 0


def sky_velocity(colours: Array, sky: Array, water: Array) -> Array:
    """Velocity [2, h, w], cells per second: clouds as a ceiling that moves past and vanishes at the horizon."""
    height, width = sky.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    horizon = horizon_of(sky, water)
    up = np.clip((horizon - y) / max(horizon, 0.45 * height), 0.0, 1.0)
    speed = max(height, width) * SKY_SPEED * (0.2 + 0.8 * up)
    tilt = cloud_tilt(colours, sky)
    side = x / width - 0.5
    # coming a little towards the viewer: the ceiling rises and spreads out of the horizon
    return np.stack([speed * (np.cos(tilt) + 0.15 * side * up), speed * (np.sin(tilt) - 0.1 * up)]).astype(np.float32)


def horizon_of(sky: Array, water: Array) -> float:
    """Row of the horizon: where the sky ends, or where wide water begins if that is lower."""
    height, width = sky.shape
    rows = np.flatnonzero((sky > 0.5).sum(1) > 0.02 * width)
    end = float(rows[-1]) + 0.02 * height if rows.size else float(height)
    wide = np.flatnonzero((water > 0.5).sum(1) > 0.4 * width)
    return max(end, float(wide[0])) if wide.size and wide[0] > 0.8 * end else end


def cloud_tilt(colours: Array, sky: Array) -> float:
    """Angle (radians, towards +y) of the cloud streaks, as far as they are level and agree; within 8 degrees."""
    luminance = luminance_of(colours)
    texture = structure(luminance, sky, max(sky.shape) / 30)
    weight = texture.coherence * (texture.cos2 > 0.3) * (sky > 0.5)
    if weight.sum() < 1.0:
        return 0.0
    cos2, sin2 = (weight * texture.cos2).sum(), (weight * texture.sin2).sum()
    agreement = np.hypot(cos2, sin2) / (weight * texture.coherence).sum()
    limit = np.radians(8.0)
    return float(np.clip(0.5 * np.arctan2(sin2, cos2) * agreement, -limit, limit))


def _reduced(image: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Area average at the size of the grid."""
    result: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(result)

"""Calm water: travelling waves that displace what lies under them to and fro (`docs/spec/stylecinegan.md`, 3.9).

    d(x, t) = sum of A_i(n) (sideways, along) sin(theta_i(x) - 2 pi m_i t / T),    m_i whole

with theta_i the phase on the water's plane and n the nearness to the viewer, with which lengths and heights shrink.
The frame at t shows, at x, the photo at x + d(x, t) - d(x, 0): one source, sharp at every moment, frame 0 the photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.warp.origins import Origins
from cinegan_cli.types import Motion

# length (of the width, where nearest), height (of its length), degrees off the way to the viewer, seconds a turn
WAVES = (
    (0.110, 0.020, 12.0, 2.7),
    (0.071, 0.024, -21.0, 2.0),
    (0.047, 0.028, 8.0, 1.4),
    (0.031, 0.030, -34.0, 1.0),
    (0.022, 0.030, 27.0, 0.8),
)
ALONG = 0.4  # displacement towards the viewer, as a share of that sideways
STEEPEST = 0.3  # px of displacement per px that one wave may have: more would fold the picture
FARTHEST = 0.02  # nearness of what is farther counts as this
LEVEL = 0.3  # nearness of the upper end of water whose nearness nobody knows; its lower end has 1
CALM = 0.02  # of the width: so far from what is static the waves have all their height


@dataclass(frozen=True)
class Waves:
    """`basis` float32 [2n, 2, h, w]: displacements A sin(theta), then A cos(theta), in grid px; `turns` m_i, n of them.

    `turns` are whole, for the loop as it is long.
    """

    basis: Tensor
    turns: tuple[int, ...]

    def origins(self, frames: int) -> Iterator[Origins]:
        """Those of frame t = 0 … frames-1 of one loop; of both sources the same."""
        for t in range(frames):
            angles = [2 * math.pi * turns * t / frames for turns in self.turns]
            factors = [math.cos(angle) - 1 for angle in angles] + [-math.sin(angle) for angle in angles]
            offsets = torch.tensordot(torch.tensor(factors, device=self.basis.device), self.basis, dims=1)
            yield Origins(torch.stack([offsets, offsets]), 0.0)


def waves_of(motion: Motion, seen: Tensor, seconds: float) -> Waves:
    """The waves of a loop of `seconds` where `motion.ripple` is above 0; `seen` uint8 [H, W] is where they are seen.

    They come to rest towards the area's edges, where water meets what is static: nothing is torn there.
    """
    _, h, w = motion.velocity.shape
    height, width = seen.shape
    row = height / (h * width)  # widths in one row of the grid
    inside = F.interpolate(seen[None, None].float(), (h, w), mode="area")[0, 0] > 0.99
    nearness = (_by_rows(inside) if motion.nearness is None else motion.nearness).clamp(FARTHEST, 1)
    calm = _calm(inside)
    along = _mean_of_rows(1 / nearness, inside).cumsum(0)[:, None] * row  # [h, 1]: distance on the plane, to the viewer
    sideways = ((torch.arange(w, device=seen.device) + 0.5) / w - 0.5) / nearness  # [h, w]
    basis, turns = [], []
    for length, steepness, degrees, period in WAVES:
        angle = math.radians(degrees)
        theta = 2 * math.pi / length * (math.cos(angle) * along + math.sin(angle) * sideways)
        down, across = torch.gradient(theta)
        slope = torch.hypot(down, across)  # radians per cell
        size = torch.minimum(length * steepness * nearness * w, STEEPEST / slope.clamp(min=1e-6)) * calm  # cells
        way = torch.stack([size, ALONG * size / (row * w)])
        basis.append((way * theta.sin(), way * theta.cos()))
        turns.append(max(1, round(seconds / period)))
    sines, cosines = (torch.stack(parts) for parts in zip(*basis, strict=True))
    return Waves(torch.cat([sines, cosines]), tuple(turns))


def _calm(inside: Tensor) -> Tensor:
    """From 0 outside of `inside` bool [h, w] to 1 well within."""
    distance = cv2.distanceTransform(inside.cpu().numpy().astype(np.uint8), cv2.DIST_L2, 5)
    share = (torch.from_numpy(distance).to(inside.device) / (CALM * inside.shape[1])).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _by_rows(inside: Tensor) -> Tensor:
    """A nearness for water whose perspective nobody knows, [h, w]: from `LEVEL` at its upper end to 1 at its lower."""
    rows = torch.nonzero(inside.any(1)).flatten()
    top, bottom = (0, 1) if len(rows) == 0 else (int(rows[0]), max(int(rows[-1]), int(rows[0]) + 1))
    place = (torch.arange(len(inside), device=inside.device) - top) / (bottom - top)
    return (LEVEL + (1 - LEVEL) * place.clamp(0, 1))[:, None].expand(inside.shape)


def _mean_of_rows(values: Tensor, inside: Tensor) -> Tensor:
    """The mean of `values` [h, w] within `inside` in each row, of the whole row where there is nothing inside: [h]."""
    weights = torch.where(inside.any(1, keepdim=True), inside, True).float()
    return (values * weights).sum(1) / weights.sum(1)

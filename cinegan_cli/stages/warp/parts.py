"""The parts of the moving area that are rendered each by itself: one per number of cycles, and one of waves.

Weights say how far each part is seen; they add up to 1 everywhere and change over a border of a few per cent of the
long side. A pixel deep inside one part is rendered once (`docs/spec/stylecinegan.md`, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.displacement import Box
from cinegan_cli.stages.warp.origins import Origins, origins_of_frames
from cinegan_cli.stages.warp.waves import Waves, waves_of
from cinegan_cli.types import Motion

SIDE = 192  # cells on the long side of the grid of weights
BORDER = 1.5  # cells: sigma of the Gaussian, cut off at twice that, that softens a border
LEAST = 0.06  # weights below are 0: they would cost a rendering and are not seen
GRID_SIDE = 256  # cells on the long side of the grid on which parts move
MOMENTS = 4  # origins are measured at 1/4, 1/2 and 3/4 of a cycle
MEASURING_STEPS = 8  # Euler steps between two of those; statistics need no more


@dataclass(frozen=True)
class Part:
    """`region` uint8 [H, W] is 1 where it is seen, with `weight` float32 on a coarse grid (None: 1 everywhere).

    It moves by `waves`, or where there are none with the flow of `motion`, `cycles` times within the loop. Origins are
    known only within `box` of the motion's grid (None: everywhere).
    """

    motion: Motion
    region: Tensor
    cycles: int = 1
    weight: Tensor | None = None
    box: Box | None = None
    waves: Waves | None = None

    def origins(self, config: RenderConfig) -> Iterator[Origins]:
        """Those of frame t = 0 … N-1."""
        if self.waves is not None:
            return self.waves.origins(config.frames)
        return origins_of_frames(
            self.motion, config, frames=config.frames, fps=config.fps, cycles=self.cycles, box=self.box
        )

    def moments(self, config: RenderConfig) -> Iterator[Origins]:
        """Those at 0, 1/4, 1/2 and 3/4 of one cycle."""
        if self.waves is not None:
            return self.waves.origins(MOMENTS)
        seconds = config.frames / config.fps / self.cycles
        warp = "backward" if config.warp == "inverse" else config.warp  # steps as long as these cannot be undone
        config = replace(config, loop="flow", warp=warp)
        fps = MOMENTS / seconds
        return origins_of_frames(self.motion, config, frames=MOMENTS, fps=fps, substeps=MEASURING_STEPS, box=self.box)


def upsampled(weight: Tensor, size: tuple[int, ...]) -> Tensor:
    """A weight on its coarse grid at the `size` (H, W) of a picture."""
    return F.interpolate(weight[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def parts_of(motion: Motion, region: Tensor, config: RenderConfig) -> list[Part]:
    """The parts of `region` uint8 [H, W]; a single one where all of it runs through the same cycle."""
    grid = motion.velocity.shape[1:]
    cycles = torch.ones(grid, dtype=torch.int64) if motion.cycles is None else motion.cycles
    ripple = torch.zeros(grid) if motion.ripple is None else motion.ripple
    values = torch.unique(cycles).tolist()
    if len(values) == 1 and not bool((ripple > 0).any()):
        return [Part(motion, region, values[0])]
    motion = _coarser(motion)
    grid = motion.velocity.shape[1:]
    shares = [(cycles == value) * (1 - ripple) for value in values]
    weights = _soft(torch.stack([*shares, ripple]))
    seconds = config.frames / config.fps
    parts = []
    for value, weight in zip([*values, None], weights, strict=True):
        seen = region * (upsampled(weight, region.shape) > 0)
        if not bool(seen.any()):
            continue
        if value is None:
            parts.append(Part(motion, seen, weight=weight, waves=waves_of(motion, seen, seconds)))
            continue
        within = upsampled(weight, grid) > 0
        parts.append(Part(_slowed(motion, within), seen, value, weight, _box(seen, grid)))
    return parts or [Part(motion, region)]


def _soft(shares: Tensor) -> Tensor:
    """Weights with soft borders from shares [n, h, w] that add up to 1, on a grid of at most `SIDE` cells."""
    h, w = shares.shape[1:]
    scale = min(1.0, SIDE / max(h, w))
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    shares = _resized(shares, size)
    sigma = BORDER * max(size) / SIDE
    radius = max(1, round(2 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=shares.device) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(shares[:, None], (radius,) * 4, mode="replicate")
    soft = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]
    soft = (soft - LEAST).clamp(min=0)
    return soft / soft.sum(0)


def _coarser(motion: Motion) -> Motion:
    """Its velocity and nearness on a grid of at most `GRID_SIDE` cells: that is enough, and several are followed."""
    h, w = motion.velocity.shape[1:]
    scale = min(1.0, GRID_SIDE / max(h, w))
    size = (max(2, round(h * scale)), max(2, round(w * scale)))
    if size == (h, w):
        return motion
    factor = torch.tensor([size[1] / w, size[0] / h], device=motion.velocity.device)[:, None, None]
    nearness = None if motion.nearness is None else _resized(motion.nearness[None], size)[0]
    return replace(motion, velocity=_resized(motion.velocity, size) * factor, nearness=nearness)


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, h, w] to [n, *size], which is not larger."""
    return F.interpolate(planes[None], size, mode="bilinear", antialias=True)[0]


def _slowed(motion: Motion, within: Tensor) -> Motion:
    """Nothing faster than it is `within` [h, w]: else what is fast elsewhere would make the field's margins large."""
    speed = torch.hypot(*motion.velocity)
    largest = (speed * within).max()
    return replace(motion, velocity=motion.velocity * (largest / speed.clamp(min=1e-9)).clamp(max=1))


def _box(seen: Tensor, grid: tuple[int, ...]) -> Box:
    """The cells of `grid` (h, w) that lie under pixels of `seen` [H, W], and one more: origins are interpolated."""
    bounds = []
    for axis, cells in enumerate(grid):
        side = seen.shape[axis]
        at = torch.nonzero(seen.any(1 - axis)).flatten()
        first, last = ((float(edge) + 0.5) * cells / side - 0.5 for edge in (at[0], at[-1]))
        bounds += [max(0, math.floor(first) - 1), min(cells, math.ceil(last) + 2)]
    return Box(*bounds)

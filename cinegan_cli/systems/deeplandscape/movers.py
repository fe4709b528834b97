"""Dynamic noise maps in motion, by homographies or by a motion field, and in a loop.

Beyond the paper, whose maps are warped with mirrored borders: each map lies in an endless world of noise with its own
mean and std (`worlds`), so what comes in is new, and the same whenever it is looked at. Frame 0 is the map itself, and
what follows leaves it no faster than it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.systems.deeplandscape.homography import homographies, homography_power, project
from cinegan_cli.systems.deeplandscape.noise import restandardised
from cinegan_cli.systems.deeplandscape.worlds import World, correlation, mixed
from cinegan_cli.types import Motion

BLEND = 0.08  # share of the picture's height over which sky passes into ground
FRAMES_PER_SECOND = 30  # of a mover's time
LARGEST_GRID = 128  # longest side of the grid on which a motion field is followed


@dataclass(frozen=True)
class Moved:
    """Maps in one frame: `maps` [B, 1, h_i, w_i] of each level, and where they are from, `origins` [h_i, w_i, 2].

    Origins are in cells of the level, (x, y); the centre of its first cell is 0.
    """

    maps: list[Tensor]
    origins: list[Tensor]


class Mover(Protocol):
    """Maps at any time, in frames of 1/30 s, negative ones included; at 0 they are the ones it was made for."""

    def __call__(self, n: float) -> Moved: ...


class HomographyMover:
    """Moves `maps` (each [B, 1, h, w], of any shape) by `n` times the homographies of `shifts` [4, 2].

    `horizon` is in [0, 1] from the top. Speeds are those of the shorter side of the picture, along both sides. What
    comes in is drawn from `seed`.
    """

    def __init__(self, maps: Sequence[Tensor], shifts: Tensor, horizon: float, *, seed: int = 0) -> None:
        self.maps, self.horizon = list(maps), horizon
        height, width = maps[-1].shape[2:]
        short = min(height, width)
        scaled = shifts.double() * torch.tensor([short / width, short / height], dtype=torch.float64)
        self.sides = homographies(scaled, horizon)
        self.worlds = [_two_worlds(m, horizon, seed + i) for i, m in enumerate(maps)]

    def __call__(self, n: float) -> Moved:
        if n == 0:
            return Moved(self.maps, [grid_of(m) for m in self.maps])
        matrices = [homography_power(side, n) for side in self.sides]
        moved = [self._level(i, matrices) for i in range(len(self.maps))]
        return Moved([m for m, _ in moved], [o for _, o in moved])

    def _level(self, i: int, matrices: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """One map, re-standardised, and its origins."""
        still = self.maps[i]
        rows = still.shape[2]
        share = sky_share(rows, self.horizon).to(still)[:, None]  # [h, 1]
        sky, ground = (_origins(matrix, still) for matrix in matrices)
        above, below = self.worlds[i]
        last, first = int((share > 0).sum()), rows - int((share < 1).sum())
        parts = (
            F.pad(above.sample(sky[:last]), (0, 0, 0, rows - last)) if above else torch.zeros_like(still),
            F.pad(below.sample(ground[first:]), (0, 0, first, 0)) if below else torch.zeros_like(still),
        )
        made = mixed(*parts, (share, 1 - share), correlation(sky - ground))
        return restandardised(made, still), torch.lerp(ground, sky, share[..., None])


def _origins(matrix: Tensor, still: Tensor) -> Tensor:
    """Where the cells of a map are taken from, in cells: [h, w, 2]. Pixel areas are matched, as between levels."""
    grid = grid_of(still).double()
    size = grid.new_tensor((still.shape[3], still.shape[2]))
    return ((project(matrix, (2 * grid + 1) / size - 1) + 1) * size / 2 - 0.5).to(still.dtype)


def grid_of(still: Tensor) -> Tensor:
    """The cells' own places (x, y): [h, w, 2]."""
    y, x = (torch.arange(side, dtype=still.dtype, device=still.device) for side in still.shape[2:])
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def sky_share(rows: int, horizon: float) -> Tensor:
    """How much of each row is the sky's: 1 above the horizon, 0 below, smooth over `BLEND` of the height. [rows]"""
    if horizon <= 0 or horizon >= 1:
        return torch.full((rows,), float(horizon >= 1))
    middle = (torch.arange(rows) + 0.5) / rows
    ramp = ((horizon - middle) / BLEND + 0.5).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _two_worlds(still: Tensor, horizon: float, seed: int) -> tuple[World | None, World | None]:
    """The sky's world and the ground's, alike in the rows that both draw and beside them; None where there is none.

    The ground's first row is the map's first row too: both count rows alike.
    """
    share, rows = sky_share(still.shape[2], horizon), still.shape[2]
    sky, ground = int((share > 0).sum()), int((share < 1).sum())
    wide = continued(still, seed)
    beside, fresh = wide[:, :, :rows], wide[:, :, rows:]
    above = torch.cat((beside[:, :, :sky], fresh[:, :, : sky + 1]), 2)
    below = torch.cat((beside[:, :, rows - ground :], fresh[:, :, : ground + 1]), 2).roll(rows - ground, 2)
    return World.around(above) if sky else None, World.around(below) if ground else None


def continued(still: Tensor, seed: int) -> Tensor:
    """A map [B, 1, h, w] and seeded noise of its mean and std to its right and below: [B, 1, 2 h + 1, 2 w + 1]."""
    random = torch.Generator().manual_seed(seed)
    batch, _, height, width = still.shape
    mean, std = still.mean((1, 2, 3), keepdim=True), still.std((1, 2, 3), keepdim=True)
    wide = torch.randn(batch, 1, 2 * height + 1, 2 * width + 1, generator=random).to(still) * std + mean
    return torch.cat((torch.cat((still, wide[:, :, :height, width:]), 3), wide[:, :, height:]), 2)


class FieldMover:
    """Moves `maps` (each [B, 1, h, w], of any shape) along a steady motion field.

    Where nothing moves the noise stays. What comes in is drawn from `seed`.
    """

    def __init__(self, maps: Sequence[Tensor], motion: Motion, *, seed: int = 0) -> None:
        self.maps = list(maps)
        self.worlds = [World.around(continued(m, seed + i)) for i, m in enumerate(maps)]
        scale = min(1.0, LARGEST_GRID / max(motion.velocity.shape[1:]))
        size = tuple(max(1, round(side * scale)) for side in motion.velocity.shape[1:])
        ratio = motion.velocity.new_tensor([size[1], size[0]]) / motion.velocity.new_tensor(
            [motion.velocity.shape[2], motion.velocity.shape[1]]
        )
        field = F.interpolate(motion.velocity[None], size, mode="bilinear", antialias=True)[0] * ratio[:, None, None]
        step = field / FRAMES_PER_SECOND
        self._travelled = {1: [torch.zeros_like(step)], -1: [torch.zeros_like(step)]}  # after 0, 1, … frames, each way
        self._step = step

    def __call__(self, n: float) -> Moved:
        if n == 0:
            return Moved(self.maps, [grid_of(m) for m in self.maps])
        shift = self._shift(n)  # [2, h, w], to where a place is drawn from
        made, origins = [], []
        for still, world in zip(self.maps, self.worlds, strict=True):
            origin = grid_of(still) + _on_cells(shift, still)
            made.append(restandardised(world.sample(origin), still))
            origins.append(origin)
        return Moved(made, origins)

    def _shift(self, n: float) -> Tensor:
        """From where a grid point is drawn after `n` frames, relative to it: Eq. 1 of StyleCineGAN, back in time."""
        way, whole = (1 if n > 0 else -1), math.ceil(abs(n))
        fields = self._travelled[way]
        while len(fields) <= whole:
            fields.append(ops.advect(-way * self._step, fields[-1]))
        return torch.lerp(fields[whole - 1], fields[whole], abs(n) - (whole - 1))


def _on_cells(shift: Tensor, still: Tensor) -> Tensor:
    """A shift [2, h, w] in px of its grid, on the grid of a map and in its cells: [h, w, 2]."""
    rows, columns = still.shape[2:]
    scale = shift.new_tensor([columns / shift.shape[2], rows / shift.shape[1]])
    resized = F.interpolate(shift[None], (rows, columns), mode="bilinear", antialias=True)[0]
    return (resized.permute(1, 2, 0) * scale).to(still)


def loop_maps(mover: Mover, frame: float, frames: float, *, speed: float = 1.0) -> list[Tensor]:
    """The maps of frame `frame` of a loop of `frames`: those moved from its start, and those moved to its end, mixed.

    `speed` is in steps of 1/30 s per frame. Both are noise, so their mixture is noise as well, and a generator paints
    it as sharply as either: nothing is dissolved. Frames 0 and `frames` are the mover's own maps. The mixture keeps
    the std everywhere, also where both show the same because little moves.
    """
    phase = (frame % frames) / frames
    if phase == 0:
        return mover(0).maps
    start, end = mover(speed * phase * frames), mover(speed * (phase - 1) * frames)
    weights = (math.cos(phase * math.pi / 2), math.sin(phase * math.pi / 2))
    still = mover(0).maps
    levels = zip(start.maps, end.maps, start.origins, end.origins, still, strict=True)
    return [restandardised(mixed(a, b, weights, correlation(p - q)), own) for a, b, p, q, own in levels]

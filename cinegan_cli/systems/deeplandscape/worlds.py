"""A noise map continued beyond its borders, and sampled between its cells without losing what makes it noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops

FINER = 2  # samples per cell, between which Lanczos-3 is exact to 1 % at the finest detail of a map
RIM = 3  # samples that it reads beyond the borders
MIXABLE = (-0.9, 0.9999)  # correlations between which an arc has a direction, and a length
LEAST = 1e-6  # least variance that is divided by


@dataclass(frozen=True)
class World:
    """A map and the noise around it, endless in all directions: it repeats after `size` (rows, columns) of cells.

    `fine` [B, 1, FINER · rows + 2 RIM, FINER · columns + 2 RIM] is its band-limited interpolation. Cell (0, 0) of the
    map is at the first row and column inside the rim.
    """

    fine: Tensor
    size: tuple[int, int]

    @classmethod
    def around(cls, cells: Tensor) -> World:
        """The world of `cells` [B, 1, rows, columns], an odd number each way; what is in them is all there is."""
        fine = F.pad(_interpolated(cells), (RIM,) * 4, mode="circular")
        return cls(fine, (cells.shape[2], cells.shape[3]))

    def sample(self, origins: Tensor) -> Tensor:
        """The values at `origins` [h, w, 2], in cells (x, y), the centre of cell (0, 0) being 0. → [B, 1, h, w]"""
        rows, columns = self.size
        where = torch.remainder(origins, origins.new_tensor((columns, rows))) * FINER + RIM
        positions = where.permute(2, 0, 1).expand(len(self.fine), -1, -1, -1)
        return ops.sample(self.fine, positions, border="clamp")


def _interpolated(cells: Tensor) -> Tensor:
    """`FINER` samples per cell of the periodic signal that has these values and no finer detail than they have.

    Noise stays noise this way: its spectrum, and so its std, is the same between the cells as on them.
    """
    rows, columns = (int(side) for side in cells.shape[2:])
    spectrum = torch.fft.rfft2(cells)
    wide = spectrum.new_zeros(*cells.shape[:2], rows * FINER, columns * FINER // 2 + 1)
    half, across = rows // 2, columns // 2 + 1
    wide[..., : half + 1, :across] = spectrum[..., : half + 1, :]
    if half:
        wide[..., -half:, :across] = spectrum[..., half + 1 :, :]
    fine: Tensor = torch.fft.irfft2(wide, s=(rows * FINER, columns * FINER))
    return fine * FINER**2


@dataclass(frozen=True)
class Source:
    """Noise [B, 1, h, w] on its way into a mixture, the places [h, w, 2] it was sampled at, and its weight (≥ 0).

    Two sources of the same `world` are as alike as their places are near; those of different ones are independent.
    """

    noise: Tensor
    origins: Tensor
    weight: Tensor | float = 1.0
    world: int = 0


def crossing(start: Source, end: Source, phase: float) -> tuple[Source, Source]:
    """Both, weighted so that at `phase` in [0, 1] their mixture has gone that share of the way from `start` to `end`.

    It goes evenly: along the arc between them, whose angle is how unlike they are at each place.
    """
    alike = _alike(start, end)
    unlike = start.origins.new_tensor(math.pi / 2)
    angle = unlike if alike is None else torch.acos(alike.clamp(*MIXABLE))
    out, into = torch.sin((1 - phase) * angle) / torch.sin(angle), torch.sin(phase * angle) / torch.sin(angle)
    return replace(start, weight=start.weight * out), replace(end, weight=end.weight * into)


def _alike(one: Source, other: Source) -> Tensor | None:
    """Their correlation [h, w], from how far apart they were sampled; None where they are independent."""
    return torch.sinc(one.origins - other.origins).prod(-1) if one.world == other.world else None


def mixture(sources: Sequence[Source]) -> Tensor:
    """The weighted sum of noises of equal variance, scaled so that it has that variance everywhere. [B, 1, h, w]"""
    made = sources[0].noise * sources[0].weight
    variance = torch.zeros_like(sources[0].origins[..., 0])
    for i, one in enumerate(sources):
        made = made + one.noise * one.weight if i else made
        variance = variance + one.weight * one.weight
        for other in sources[:i]:
            alike = _alike(one, other)
            if alike is not None:
                variance = variance + 2 * alike * one.weight * other.weight
    return made * variance.clamp_min(LEAST).rsqrt()

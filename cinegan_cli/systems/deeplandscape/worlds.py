"""A noise map continued beyond its borders, and sampled between its cells without losing what makes it noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FINER = 4  # samples per cell, between which a cubic is exact to 1 % at the finest detail of a map
RIM = 2  # samples that the cubic reads beyond the borders


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
        sides = where.new_tensor((self.fine.shape[3] - 1, self.fine.shape[2] - 1))
        grid = (where * (2 / sides) - 1).expand(len(self.fine), -1, -1, -1)
        return F.grid_sample(self.fine, grid, mode="bicubic", padding_mode="border", align_corners=True)


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
    return torch.fft.irfft2(wide, s=(rows * FINER, columns * FINER)) * FINER**2


def correlation(apart: Tensor) -> Tensor:
    """How alike two places of band-limited noise are that lie `apart` [..., 2] cells: 1 at 0. → [...]"""
    return torch.sinc(apart).prod(-1)


def mixed(first: Tensor, second: Tensor, weights: tuple[Tensor | float, Tensor | float], alike: Tensor) -> Tensor:
    """Two noises of equal variance [..., h, w] weighted so that their mixture has it too.

    `alike` [h, w] is their correlation. With a weight of 0 the other noise comes out unchanged.
    """
    a, b = weights
    variance = a * a + b * b + 2 * a * b * alike
    return (a * first + b * second) * variance.clamp_min(1e-6).rsqrt()

"""What a DeepLandscape generator makes a picture from, and the start of a search for it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cinegan_cli.errors import InputError


class Codes(NamedTuple):
    """What a generator makes a picture from: `w` [1, N, 2, D] (level, AdaIN), maps [1, 1, 2^i h, 2^i w] by level."""

    w: Tensor
    static: list[Tensor]
    dynamic: list[Tensor]

    def copies(self) -> Codes:
        """The same, detached, in memory of their own."""
        return Codes(
            self.w.detach().clone(),
            [level.detach().clone() for level in self.static],
            [level.detach().clone() for level in self.dynamic],
        )

    def tensors(self) -> list[Tensor]:
        """W, the static maps, the dynamic maps."""
        return [self.w, *self.static, *self.dynamic]


def start(w: Tensor, noise: float, grid: tuple[int, int], *, seed: int) -> Codes:
    """Codes with styles `w` [1, N, 2, D] and maps of deviation `noise`, `grid` (rows, columns) at level 0."""
    random = torch.Generator().manual_seed(seed)
    levels = w.shape[1]
    sizes = [(1, 1, grid[0] << i, grid[1] << i) for i in range(levels)] * 2
    maps = [(torch.randn(size, generator=random) * noise).to(w.device) for size in sizes]
    return Codes(w, maps[:levels], maps[levels:])


def require_finite_loss(loss: Tensor) -> float:
    """Its value. Raises InputError when it is not finite."""
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError("the networks give a picture that is not finite; check them with `cinegan models verify`")
    return value

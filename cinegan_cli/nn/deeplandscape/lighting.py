"""DeepLandscape's lighting network A (Logacheva et al. 2020): moves w to another time of day."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Block(nn.Module):
    """x + Linear(LeakyReLU(LayerNorm(Linear(x)))), [B, C] → [B, C]."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.impl = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.LayerNorm(hidden, elementwise_affine=False),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.impl(x)
        return y


class Lighting(nn.Module):
    """`(w [B, D], z_dyn [B, 3], c) -> w [B, D]`: the w of the same picture in the light of z_dyn.

    c is how far to go, 0 to 1: one number or one a row [B]. In training, w belongs to the dynamic coordinates z and the
    result to sqrt(1 - c) z + sqrt(c) z_dyn. `hidden` is the width within the blocks, by default that of their input.
    """

    def __init__(self, style_dim: int = 512, hidden: int | None = None, blocks: int = 10, dynamic_dim: int = 3):
        super().__init__()
        channels = style_dim + dynamic_dim + 1
        self.impl = nn.Sequential(*(_Block(channels, hidden or channels) for _ in range(blocks)))
        self.out = nn.Linear(channels, style_dim)

    def forward(self, w: Tensor, z_dyn: Tensor, c: float | Tensor) -> Tensor:
        share = torch.as_tensor(c, dtype=w.dtype, device=w.device).expand(len(w))
        y: Tensor = self.out(self.impl(torch.cat((w, z_dyn, share[:, None]), 1)))
        return y

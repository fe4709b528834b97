"""The networks that inverting and animating a photo take."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.rrdb import SuperResolver
from cinegan_cli.systems.deeplandscape.objective import Perceptual

MEAN_OF = 10_000  # latents z


@dataclass(frozen=True)
class Networks:
    """Of one set of models, named `name`.

    `levels` is N, the number of levels used: 7 make 256 px on the short side, 8 make 512. `perceptual_name` says what
    the perceptual distance is made of. `encoder`: photo [B, 3, H, W] in [-1, 1] → w [B, N, 2, D], if there is one;
    `lighting`: `(w [B, D], z_dyn [B, 3], c) -> w [B, D]`, likewise; `superres` makes frames four times as large.
    """

    name: str
    generator: Generator
    levels: int
    perceptual: Perceptual
    perceptual_name: str
    encoder: nn.Module | None = None
    lighting: nn.Module | None = None
    superres: SuperResolver | None = None

    @property
    def side(self) -> int:
        """Pixels on the short side of the generator's pictures."""
        return 4 << (self.levels - 1)


@torch.no_grad()
def mean_w(generator: Generator) -> Tensor:
    """[D], the mean of w over 10,000 z of a fixed seed."""
    random = torch.Generator().manual_seed(0)
    device = next(generator.parameters()).device
    z = torch.randn(MEAN_OF, generator.style_dim, generator=random).to(device)
    return torch.stack([generator.mapping(part).mean(0) for part in z.split(MEAN_OF // 10)]).mean(0)

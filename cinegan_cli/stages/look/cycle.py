"""A look that comes and goes within the loop: what moves and what stands still, at every frame's strength β.

Filling, bands and warp are linear in the picture, so what lies between two key pictures is interpolated: a frame costs
three interpolations of pictures and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cinegan_cli.stages.look.keys import between, strength_at
from cinegan_cli.types import Bands


@dataclass(frozen=True)
class KeyLayers:
    """The picture at one strength, float32.

    `photo` [3, H, W], its moving layer [3, H, W], and the bands of that layer.
    """

    strength: float
    photo: Tensor
    layer: Tensor
    bands: Bands


@dataclass(frozen=True)
class Cycle:
    """From the first key to the last and back within `frames` frames."""

    keys: tuple[KeyLayers, ...]
    frames: int

    def static(self, frame: int) -> Tensor:
        """What static pixels are copied from: uint8 [H, W, 3]."""
        levels = (self._mixed(frame, [key.photo for key in self.keys]) * 255).round_().to(torch.uint8)
        return levels.permute(1, 2, 0).contiguous()

    def layer(self, frame: int) -> Tensor:
        """The moving layer as it would be at frame 0: [3, H, W]."""
        return self._mixed(frame, [key.layer for key in self.keys])

    def moving(self, frame: int) -> tuple[Tensor, Bands]:
        """The layer and its bands."""
        levels = zip(*(key.bands.levels for key in self.keys), strict=True)
        return self.layer(frame), Bands(tuple(self._mixed(frame, level) for level in levels))

    def _mixed(self, frame: int, parts: Sequence[Tensor]) -> Tensor:
        strengths = tuple(key.strength for key in self.keys)
        k, share = between(strengths, strength_at(frame, self.frames, strengths[-1]))
        return parts[k] if share == 0 else torch.lerp(parts[k], parts[k + 1], share)

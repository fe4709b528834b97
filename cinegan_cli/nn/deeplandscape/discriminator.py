"""DeepLandscape's critics: of single pictures, and of pairs of frames (Logacheva et al. 2020, section 3.2)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape.generator import FUSED, channels_of
from cinegan_cli.nn.deeplandscape.layers import SLOPE, Blur, Conv, DownConv, Linear


class Discriminator(nn.Module):
    """Pictures [B, 3, S, S], or pairs [B, 2, 3, S, S] with `frames` 2, in [-1, 1] → logits [B, 1], positive for real.

    S is 4 · 2^i px for a level i below `levels`.
    """

    def __init__(self, frames: int, *, levels: int = 9, multiplier: float = 1.0, channels: int = 512) -> None:
        super().__init__()
        self.frames, self.levels = frames, levels
        counts = [frames * max(1, c // frames) for c in channels_of(levels, multiplier, channels)]
        self.from_rgb = nn.ModuleList(Conv(3, c // frames, 1) for c in reversed(counts))
        blocks = [_block(i, counts[i], counts[max(0, i - 1)]) for i in range(levels)]
        self.progression = nn.ModuleList(reversed(blocks))
        self.linear = Linear(counts[0], 1)

    def forward(self, pictures: Tensor, alpha: float = 1.0) -> Tensor:
        """With `alpha` below 1 the first block is faded in over the picture at half its size."""
        frames = pictures.reshape(len(pictures), -1, *pictures.shape[-2:])  # [B, 3 · frames, S, S]
        level = frames.shape[-1].bit_length() - 3
        x = self._read(frames, level)
        for i in range(level, -1, -1):
            if i == 0:
                x = torch.cat((x, _deviation(x)), 1)
            x = cast(nn.ModuleDict, self.progression[self.levels - 1 - i])["conv1"](x)
            x = cast(nn.ModuleDict, self.progression[self.levels - 1 - i])["conv2"](x)
            if i == level and i > 0 and alpha < 1:
                x = torch.lerp(self._read(F.avg_pool2d(frames, 2), level - 1), x, alpha)
        logits: Tensor = self.linear(x.flatten(1))
        return logits

    def _read(self, frames: Tensor, level: int) -> Tensor:
        convolve = self.from_rgb[self.levels - 1 - level]
        return torch.cat([convolve(frame) for frame in frames.split(3, 1)], 1)


def _block(level: int, inputs: int, outputs: int) -> nn.ModuleDict:
    leaky = nn.LeakyReLU(SLOPE)
    if level == 0:
        first, second = (
            nn.Sequential(Conv(inputs + 1, inputs, 3), leaky),
            nn.Sequential(Conv(inputs, outputs, 4, padding=0), leaky),
        )
    else:
        down = [DownConv(outputs, outputs)] if level >= FUSED else [Conv(outputs, outputs, 3), nn.AvgPool2d(2)]
        first = nn.Sequential(Conv(inputs, outputs, 3), leaky)
        second = nn.Sequential(Blur(outputs), *down, leaky)
    return nn.ModuleDict({"conv1": first, "conv2": second})


def _deviation(x: Tensor) -> Tensor:
    """Mean over all numbers of their deviation within the batch, as one channel [B, 1, h, w]."""
    deviation = (x.float().var(0, correction=0) + 1e-8).sqrt().mean().to(x.dtype)
    return deviation.expand(len(x), 1, *x.shape[2:])

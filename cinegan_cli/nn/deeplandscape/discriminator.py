"""DeepLandscape's discriminators (Logacheva et al. 2020, section 3.2): one for pictures, one for pairs of frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape.generator import FUSED, channels_of
from cinegan_cli.nn.deeplandscape.layers import SLOPE, Blur, Conv, DownConv, Linear


class Discriminator(nn.Module):
    """Pictures (`frames` 1) or pairs (2) of 8 to 4 · 2^(levels - 1) px → logits, positive for real.

    `multiplier` and `channels` are the generator's; for pairs an odd count of channels is made even.
    """

    def __init__(self, *, frames: int = 1, levels: int = 9, multiplier: float = 1.0, channels: int = 512) -> None:
        super().__init__()
        self.frames, self.levels = frames, levels
        counts = [count + count % frames for count in channels_of(levels, multiplier, channels)]
        down = range(levels - 1, -1, -1)  # the release numbers blocks from fine to coarse
        self.progression = nn.ModuleList(Halving(i, counts[i], counts[i - 1]) if i else Ending(counts[0]) for i in down)
        self.from_rgb = nn.ModuleList(Conv(3, counts[i] // frames, 1) for i in down)
        self.linear = Linear(counts[0], 1)

    def forward(self, images: Tensor, alpha: float = 1.0) -> Tensor:
        """images [B, 3, S, S], pairs [B, 2, 3, S, S] → [B, 1].

        With `alpha` below 1 the finest level is faded in over the one before. The deviation within the batch is read:
        logits depend on all of it. Raises ValueError for other shapes.
        """
        logits: Tensor = self.linear(self.features(images, alpha))
        return logits

    def features(self, images: Tensor, alpha: float = 1.0) -> Tensor:
        """What the last layer reads: [B, C]."""
        first = self._first(images)
        x = self._block(first)(self._read(first, images))
        if alpha < 1 and first + 1 < self.levels:
            smaller = F.avg_pool2d(images.flatten(0, -4), 2)
            smaller = smaller.reshape(*images.shape[:-3], *smaller.shape[1:])
            x = torch.lerp(self._read(first + 1, smaller), x, alpha)
        for k in range(first + 1, self.levels):
            x = self._block(k)(x)
        read: Tensor = x.flatten(1)
        return read

    def _first(self, images: Tensor) -> int:
        """Number of the block that takes pictures of this size."""
        size = images.shape[-1]
        level = (size // 4).bit_length() - 1
        wanted = (3, size, size) if self.frames == 1 else (self.frames, 3, size, size)
        if tuple(images.shape[1:]) != wanted or not 0 <= level < self.levels or size != 4 << level:
            shape = "[B, 3, S, S]" if self.frames == 1 else f"[B, {self.frames}, 3, S, S]"
            most = 4 << (self.levels - 1)
            raise ValueError(f"images must be {shape}, S = 4, 8, ... {most}, got {list(images.shape)}")
        return self.levels - 1 - level

    def _read(self, k: int, images: Tensor) -> Tensor:
        """Features [B, C, S, S]: of a pair, those of one frame after those of the other."""
        read: Tensor = self.from_rgb[k](images.flatten(0, -4))
        return read.reshape(len(images), -1, *read.shape[2:])

    def _block(self, k: int) -> nn.Module:
        return self.progression[k]


class Discriminators(nn.Module):
    """Both, as the released files hold them: `static(images, alpha)` and `pairwise(pairs, alpha)` → logits [B, 1]."""

    def __init__(self, *, levels: int = 9, multiplier: float = 1.0, channels: int = 512) -> None:
        super().__init__()
        self.static = Discriminator(frames=1, levels=levels, multiplier=multiplier, channels=channels)
        self.pairwise = Discriminator(frames=2, levels=levels, multiplier=multiplier, channels=channels)


class Halving(nn.Module):
    """[B, inputs, h, w] → [B, outputs, h / 2, w / 2]"""

    def __init__(self, level: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(Conv(inputs, outputs, 3))
        down = DownConv(outputs, outputs) if level >= FUSED else Conv(outputs, outputs, 3)
        self.conv2 = nn.Sequential(Blur(outputs), down)
        if level < FUSED:
            self.conv2.append(nn.AvgPool2d(2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(x), SLOPE)
        return F.leaky_relu(self.conv2(x), SLOPE)


class Ending(nn.Module):
    """[B, C, 4, 4] → [B, C, 1, 1], told by how much the batch's features differ."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(Conv(channels + 1, channels, 3))
        self.conv2 = nn.Sequential(Conv(channels, channels, 4, padding=0))

    def forward(self, x: Tensor) -> Tensor:
        deviation = (x.var(0, correction=0) + 1e-8).sqrt().mean()
        x = torch.cat((x, deviation.expand(len(x), 1, *x.shape[2:])), 1)
        x = F.leaky_relu(self.conv1(x), SLOPE)
        return F.leaky_relu(self.conv2(x), SLOPE)

"""Feature-style encoders: photo → (w+ offsets, D_k), `spec/stylecinegan.md` section 3.1 of the paper.

`Encoder` is the released architecture under the released names. `CompactEncoder` serves small generators. Both predict
w+ as an offset to the generator's mean w, and are fully convolutional: D_k has the photo's aspect ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))  # (channels, blocks) of an IR-ResNet-50
POOLED = 3  # cells on a side of every stage's output as w+ is read from it


@dataclass(frozen=True)
class EncoderConfig:
    """Shape of the released encoder; stored beside the weights. The defaults are the release's."""

    n_styles: int = 18  # rows of w+
    style_dim: int = 512
    channels: int = 512  # of D10


class ResidualBlock(nn.Module):
    """BN-conv-BN-PReLU-conv-BN and a shortcut. [B, inputs, h, w] → [B, outputs, h / stride, w / stride], rounded up"""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        total: Tensor = self.downsample(x) + y
        return total


class Encoder(nn.Module):
    """`(photo [B, 3, h, w] in [-1, 1]) -> (w offsets [B, n_styles, style_dim], D10 [B, channels, h/4, w/4])`.

    The release feeds 256²: the 1024² photo after two bilinear halvings. Any size works, h/4 and w/4 are rounded up.
    """

    pixels_per_cell = 4  # of the photo it reads, for one cell of D10

    def __init__(self, config: EncoderConfig | None = None):
        super().__init__()
        self.config = config = config or EncoderConfig()
        first = STAGES[0][0]
        self.conv = nn.Sequential(nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first))
        inputs = (first, *(channels for channels, _ in STAGES))
        self.block_1, self.block_2, self.block_3, self.block_4 = (
            nn.Sequential(
                ResidualBlock(before, channels, 2), *(ResidualBlock(channels, channels, 1) for _ in range(blocks - 1))
            )
            for before, (channels, blocks) in zip(inputs, STAGES, strict=False)
        )
        pooled = sum(channels for channels, _ in STAGES) * POOLED**2
        self.styles = nn.ModuleList(nn.Linear(pooled, config.style_dim) for _ in range(config.n_styles))
        self.content_layer = nn.Sequential(
            nn.BatchNorm2d(first),
            nn.Conv2d(first, config.channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.channels),
            nn.PReLU(config.channels),
            nn.Conv2d(config.channels, config.channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.channels),
        )

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        x = first = self.block_1(self.conv(photo))  # [B, 64, h/2, w/2]
        pooled = [F.adaptive_avg_pool2d(x, POOLED)]
        for stage in (self.block_2, self.block_3, self.block_4):
            x = stage(x)
            pooled.append(F.adaptive_avg_pool2d(x, POOLED))
        code = torch.cat(pooled, 1).flatten(1)  # [B, 8640]
        offsets = torch.stack([style(code) for style in self.styles], 1)
        feature: Tensor = self.content_layer(first)
        return offsets, feature


@dataclass(frozen=True)
class CompactEncoderConfig:
    """Shape of a compact encoder; stored beside the weights. All but `width` follow from the generator and k."""

    n_styles: int = 14  # rows of w+
    style_dim: int = 256
    channels: int = 256  # of D_k
    downscale: int = 4  # side of the photo it reads over the side of D_k, 1 or more
    width: int = 48  # channels at D_k's resolution; 2 and 4 times as many at 1/2 and 1/4 of it
    hidden: int = 256  # of the layers that read w+

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")


class _Block(nn.Module):
    """A 7 × 7 convolution within channels, then a two-layer perceptron across them, added. [B, C, h, w] → same"""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            nn.GroupNorm(1, channels),
            nn.Conv2d(channels, 3 * channels, 1),
            nn.GELU(),
            nn.Conv2d(3 * channels, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))  # a new block changes little

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = x + self.scale * self.body(x)
        return total


class CompactEncoder(nn.Module):
    """`(photo [B, 3, H, W] in [-1, 1]) -> (w offsets [B, n_styles, style_dim], D_k [B, channels, H/d, W/d])`.

    d is `downscale`. It works at D_k's resolution and at 1/2 and 1/4 of it, where it sees far, and comes back up; w+ is
    read from means and deviations of all three. A new one predicts offsets of zero: the mean w. 2.7 M parameters.
    """

    def __init__(self, config: CompactEncoderConfig | None = None):
        super().__init__()
        self.config = config = config or CompactEncoderConfig()
        fine, middle, coarse = (config.width * factor for factor in (1, 2, 4))
        # all pixels of a cell enter as channels: no detail is dropped before D_k is made of it
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(config.downscale), nn.Conv2d(3 * config.downscale**2, fine, 3, padding=1)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(channels) for _ in range(blocks)))
            for channels, blocks in ((fine, 2), (middle, 2), (coarse, 4))
        )
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in ((fine, middle), (middle, coarse))
        )
        self.up = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in ((coarse, middle), (middle, fine)))
        self.refine = nn.ModuleList(_Block(channels) for channels in (middle, fine))
        self.content = nn.Conv2d(fine, config.channels, 3, padding=1)
        self.code = nn.Sequential(
            nn.Linear(2 * (fine + middle + coarse), config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
        )
        self.styles = nn.Linear(config.hidden, config.n_styles * config.style_dim)
        nn.init.zeros_(self.styles.weight)
        nn.init.zeros_(self.styles.bias)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """Raises ValueError when H or W is no multiple of `downscale`."""
        height, width = photo.shape[2:]
        if height % self.config.downscale or width % self.config.downscale:
            raise ValueError(f"photo must have sides divisible by {self.config.downscale}, got {height} × {width}")
        levels = [self.stages[0](self.stem(photo))]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            levels.append(stage(down(levels[-1])))
        return self._offsets(levels), self._feature(levels)

    def _offsets(self, levels: list[Tensor]) -> Tensor:
        """Levels, fine to coarse → [B, n_styles, style_dim]."""
        statistics = [part for x in levels for part in (x.mean((2, 3)), x.std((2, 3), correction=0))]
        rows: Tensor = self.styles(self.code(torch.cat(statistics, 1)))
        return rows.view(-1, self.config.n_styles, self.config.style_dim)

    def _feature(self, levels: list[Tensor]) -> Tensor:
        """Levels, fine to coarse → D_k."""
        x = levels[-1]
        for up, refine, skip in zip(self.up, self.refine, levels[-2::-1], strict=True):
            x = refine(skip + F.interpolate(up(x), skip.shape[2:], mode="bilinear"))
        feature: Tensor = self.content(x)
        return feature

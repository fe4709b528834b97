"""Feature-style encoders: photo → (w+ offsets, D_k), `docs/spec/stylecinegan.md`, sections 2.1 and 6.

`Encoder` is the released architecture under the released names; `photo_encoder` serves small generators. Both
predict w+ as an offset to the generator's mean w, and are fully convolutional: D10 has the photo's aspect ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.stylegan2.layers import at_least_float32, without_autocast

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
    index = 10  # k of the D_k that it gives

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
        pooled = [F.adaptive_avg_pool2d(at_least_float32(x), POOLED)]
        for stage in (self.block_2, self.block_3, self.block_4):
            x = stage(x)
            pooled.append(F.adaptive_avg_pool2d(at_least_float32(x), POOLED))
        code = torch.cat(pooled, 1).flatten(1)  # [B, 8640]
        with without_autocast(code):  # in bf16 the picture would lose 3 dB more, for 2 % of the time
            offsets = torch.stack([style(code) for style in self.styles], 1)
        feature: Tensor = self.content_layer(first)
        return offsets, feature

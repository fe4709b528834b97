"""What is where in a photo, in the 150 classes of ADE20k: the segmentation network inside DeepLandscape's release.

A ResNet-50 that keeps 1/8 of the resolution by dilation (Yu & Koltun 2016) with a stem of three convolutions, and
pyramid pooling (Zhao et al. 2017), under the names of the CSAIL toolbox (`resnet50dilated`, `ppm_deepsup`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.resnet import EXPANSION, bottlenecks

BINS = (1, 2, 3, 6)  # cells a side of the pooled pyramid
STRIP = 2**24  # values of the full-size logits that are held at a time


@dataclass(frozen=True)
class SegmenterConfig:
    """Shape of the network; stored beside the weights. The defaults are the release's."""

    width: int = 64  # channels of the stem, and inside the first layer's blocks; each layer doubles them
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    pooled: int = 512  # channels of the pyramid
    classes: int = 150


class DilatedEncoder(nn.Module):
    """rgb [B, 3, H, W] → [B, 32 width, H / 8, W / 8]"""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        width = config.width
        first, second, third, fourth = config.blocks
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 2 * width, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(2 * width)
        self.layer1 = bottlenecks(2 * width, width, first)
        self.layer2 = bottlenecks(4 * width, 2 * width, second, stride=2)
        self.layer3 = bottlenecks(8 * width, 4 * width, third, dilation=2)
        self.layer4 = bottlenecks(16 * width, 8 * width, fourth, dilation=4)

    def forward(self, rgb: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(rgb)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        x = self.layer3(self.layer2(self.layer1(x)))
        y: Tensor = self.layer4(x)
        return y


class PyramidDecoder(nn.Module):
    """[B, 32 width, h, w] → logits [B, classes, h, w]. What is called deepsup served in training and is not run."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        inputs, pooled = 8 * EXPANSION * config.width, config.pooled
        self.ppm = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), *_normed(inputs, pooled, 1)) for bins in BINS
        )
        self.cbr_deepsup = nn.Sequential(*_normed(inputs // 2, pooled, 3))
        self.conv_last = nn.Sequential(
            *_normed(inputs + len(BINS) * pooled, pooled, 3),
            nn.Dropout2d(0.1),
            nn.Conv2d(pooled, config.classes, 1),
        )
        self.conv_last_deepsup = nn.Conv2d(pooled, config.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        pyramid = (F.interpolate(pool(x), x.shape[2:], mode="bilinear") for pool in self.ppm)
        logits: Tensor = self.conv_last(torch.cat((x, *pyramid), 1))
        return logits


class Segmenter(nn.Module):
    """`(rgb [B, 3, H, W]) -> logits [B, classes, H / 8, W / 8]`, and sums of probabilities at full size."""

    def __init__(self, config: SegmenterConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SegmenterConfig()
        self.encoder = DilatedEncoder(config)
        self.decoder = PyramidDecoder(config)

    def forward(self, rgb: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.encoder(rgb))
        return logits

    def shares(self, rgb: Tensor, groups: tuple[tuple[int, ...], ...]) -> Tensor:
        """Probability that a pixel is of a group of classes: [B, 3, H, W] → [B, groups, H, W].

        Logits are enlarged before the softmax, strip by strip: at full size they would be 150 planes.
        """
        height, width = rgb.shape[2:]
        logits = self(rgb)
        logits = F.interpolate(logits, (logits.shape[2], width), mode="bilinear")
        weights = F.interpolate(torch.eye(logits.shape[2]).to(logits)[None], height, mode="linear")[0]  # [h, H]
        rows = max(1, STRIP // (logits.shape[0] * logits.shape[1] * width))
        strips = []
        for part in torch.split(weights, rows, 1):
            chances = torch.einsum("bchw,hr->bcrw", logits, part).softmax(1)
            strips.append(torch.stack([chances[:, list(group)].sum(1) for group in groups], 1))
        return torch.cat(strips, 2)


def _normed(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

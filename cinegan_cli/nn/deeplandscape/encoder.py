"""DeepLandscape's encoders: photo → one w for each level of the generator, the same for both AdaINs of the level.

`Encoder` is the released one: ResNet-152 (He et al. 2015) under the names of torchvision, and a head on three averaged
feature maps. `CompactEncoder` does the same on EfficientNet-Lite.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.backbone import STRIDE, VARIANTS, EfficientNetLite
from cinegan_cli.nn.resnet import EXPANSION, bottlenecks

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's pictures in [0, 1]
DEVIATION = (0.229, 0.224, 0.225)


class ResNet(nn.Module):
    """Normalised rgb [B, 3, H, W] → `fc` of the means of stages 1, 3 and 4, [B, 52 width] → [B, outputs]."""

    def __init__(self, depths: Sequence[int], width: int, hidden: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        first, second, third, fourth = depths
        self.layer1 = bottlenecks(width, width, first)
        self.layer2 = bottlenecks(EXPANSION * width, 2 * width, second, stride=2)
        self.layer3 = bottlenecks(2 * EXPANSION * width, 4 * width, third, stride=2)
        self.layer4 = bottlenecks(4 * EXPANSION * width, 8 * width, fourth, stride=2)
        self.fc = _head((1 + 4 + 8) * EXPANSION * width, hidden, outputs)

    def features(self, x: Tensor) -> Tensor:
        """What `fc` reads."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        first = self.layer1(x)
        third = self.layer3(self.layer2(first))
        return torch.cat([y.mean((2, 3)) for y in (first, third, self.layer4(third))], 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc(self.features(x))
        return y


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


def _for_both(w: Tensor, levels: int) -> Tensor:
    """[B, levels D] → [B, levels, 2, D]"""
    return w.view(len(w), levels, 1, -1).repeat(1, 1, 2, 1)


class Encoder(nn.Module):
    """`(photo [B, 3, 256, 256] in [-1, 1]) -> w [B, levels, 2, style_dim]`: the released architecture.

    It was trained at 256 px, for generators of any size: 7 levels make 256 px, 8 make 512. `depths` and `width` are the
    blocks of the four stages and the channels of the first; the defaults are the release's.
    """

    def __init__(
        self,
        levels: int = 7,
        style_dim: int = 512,
        depths: Sequence[int] = (3, 8, 36, 3),
        width: int = 64,
        hidden: int = 2048,
    ):
        super().__init__()
        self.levels = levels
        self.backbone = ResNet(depths, width, hidden, levels * style_dim)

    def forward(self, photo: Tensor) -> Tensor:
        mean, deviation = (photo.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        return _for_both(self.backbone(((photo + 1) / 2 - mean) / deviation), self.levels)


class CompactEncoder(nn.Module):
    """`(photo [B, 3, H, W] in [-1, 1], sides from 32 px) -> w [B, levels, 2, style_dim]`, for small generators.

    Means and deviations of EfficientNet-Lite's four feature maps are read by a head as the release's. `variant` is one
    of `nn.backbone.VARIANTS`. Sides are resized to the nearest multiples of 32.
    """

    def __init__(self, levels: int = 6, style_dim: int = 512, variant: str = "lite0", hidden: int = 512):
        super().__init__()
        self.levels = levels
        self.backbone = EfficientNetLite(VARIANTS[variant])
        self.head = _head(2 * sum(self.backbone.widths), hidden, levels * style_dim)

    def forward(self, photo: Tensor) -> Tensor:
        size = [max(1, round(side / STRIDE)) * STRIDE for side in photo.shape[2:]]
        if size != list(photo.shape[2:]):
            photo = F.interpolate(photo, size, mode="bilinear", antialias=True)
        features = self.backbone((photo.flip((2, 3)) + 1) / 2)  # it takes turned pictures
        statistics = [s for x in features for s in (x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-8).sqrt())]
        return _for_both(self.head(torch.cat(statistics, 1)), self.levels)

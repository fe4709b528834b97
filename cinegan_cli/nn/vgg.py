"""How alike two pictures look to networks that learned to name things: DeepLandscape's perceptual loss.

VGG-19 (Simonyan & Zisserman 2015) up to relu5_1 with averages in place of its max pools; and, where its weights are not
at hand, an EfficientNet-Lite encoder with the same contract. Both give L1 means by layer, unweighted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.backbone import BackboneConfig, EfficientNetLite

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pictures in [0, 1]
WIDTHS = (64, 128, 256, 512, 512)  # of VGG's five sizes
LAYERS = 30  # of torchvision's list that are passed: up to relu5_1
_REPEATS = (2, 2, 4, 4, 4)
USUAL = (0.65, 5.0, 7.9, 6.5, 5.7, 5.8, 8.1, 2.4)  # mean difference of two photos in each layer of the shipped encoder


class Perceptual(nn.Module):
    """`(images, target [B, 3, H, W] in [-1, 1]) -> [B, layers]`: the mean absolute difference of each layer.

    In place of the target its layers may be given, as `activations(target)` has them: what stays is passed once.
    """

    def forward(self, images: Tensor, target: Tensor | Sequence[Tensor]) -> Tensor:
        wanted = self.activations(target) if isinstance(target, Tensor) else target
        pairs = zip(self.activations(images), wanted, strict=True)
        return torch.stack([(one - other).abs().mean((1, 2, 3)) for one, other in pairs], 1)

    def activations(self, images: Tensor) -> list[Tensor]:
        """The layers [B, C, h, w] of images [B, 3, H, W] in [-1, 1]."""
        raise NotImplementedError


class Vgg(Perceptual):
    """VGG-19's convolutions, numbered as torchvision's; the 13 layers are the ReLUs up to relu5_1.

    `widths` are the channels of its five sizes. The three convolutions behind relu5_1 are held, and not run.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, repeats in zip(widths, _REPEATS, strict=True):
            for _ in range(repeats):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.AvgPool2d(2))
        self.features = nn.Sequential(*layers)

    def activations(self, images: Tensor) -> list[Tensor]:
        mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
        x = ((images + 1) / 2 - mean) / deviation
        found = []
        for layer in list(self.features)[:LAYERS]:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(x)
        return found


class LiteFeatures(Perceptual):
    """The stages of an EfficientNet-Lite encoder, for want of VGG. H and W are 32 or more.

    Stages end without an activation, at all magnitudes: layers are scaled so that two photos differ by about 1 in each.
    """

    def __init__(self, config: BackboneConfig | None = None) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(config or BackboneConfig())

    def activations(self, images: Tensor) -> list[Tensor]:
        turned = (images.flip((2, 3)) + 1) / 2
        x = F.relu6(self.encoder.stem((turned * 255 - 127) / 128))
        found = [x]
        for stage in self.encoder.stages:
            x = stage(x)
            found.append(x)
        return [layer / usual for layer, usual in zip(found, USUAL, strict=True)]

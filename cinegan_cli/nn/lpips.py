"""LPIPS (Zhang et al. 2018, version 0.1): distance of two pictures in the features of AlexNet or VGG-16.

Features after five ReLUs, each position's vector scaled to length 1; squared differences, weighted by channel by
learned heads that are not negative, averaged over the picture, summed over the five layers.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Backbone = Literal["alex", "vgg"]
SHIFT = (-0.030, -0.088, -0.188)  # of pictures in [-1, 1], before the backbone
SCALE = (0.458, 0.448, 0.450)
TAPS: dict[Backbone, tuple[int, ...]] = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}  # the five ReLUs
WIDTHS: dict[Backbone, tuple[int, ...]] = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
SMALLEST_SIDE = 64  # px: below it AlexNet's last layers see less than two cells
EPSILON = 1e-10


class Lpips(nn.Module):
    """`(a, b [B, 3, H, W] in [0, 1], weight [H, W] or None) -> [B]`."""

    def __init__(self, backbone: Backbone = "alex"):
        super().__init__()
        self.backbone = backbone
        self.features = _alexnet() if backbone == "alex" else _vgg16()
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in WIDTHS[backbone])
        self.requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor, weight: Tensor | None = None) -> Tensor:
        """Raises ValueError when a side is under 64 px. NaN when `weight` is 0 everywhere."""
        if min(a.shape[2:]) < SMALLEST_SIDE:
            raise ValueError(f"need pictures of {SMALLEST_SIDE} px or more, got {tuple(a.shape)}")
        shift, scale = (a.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
        x, y = ((2 * image - 1 - shift) / scale for image in (a, b))
        total = torch.zeros(len(a), device=a.device)
        heads = iter(self.heads)
        for k, layer in enumerate(self.features):
            x, y = layer(x), layer(y)
            if k in TAPS[self.backbone]:
                squares = (_unit(x) - _unit(y)).square()
                total = total + _mean((squares * next(heads).view(1, -1, 1, 1)).sum(1), weight)
        return total


def _unit(feature: Tensor) -> Tensor:
    return feature / (feature.square().sum(1, keepdim=True).sqrt() + EPSILON)


def _mean(distance: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over the places of [B, h, w]."""
    if weight is None:
        return distance.mean(dim=(1, 2))
    counted = F.interpolate(weight[None, None].float(), distance.shape[1:], mode="area")[0]
    return (distance * counted).sum(dim=(1, 2)) / counted.sum()


def _alexnet() -> nn.Sequential:
    """The convolutions of torchvision's AlexNet, layer by layer as they are numbered there."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


def _vgg16() -> nn.Sequential:
    """The convolutions of torchvision's VGG-16, numbered as there."""
    layers: list[nn.Module] = []
    channels = 3
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1])

"""The motion network, photo → flow, and the discriminator it is trained against (pix2pixHD, Wang et al. 2018).

`GlobalGenerator` is the released variant under the released names: upsampling is bilinear and a convolution, and its
output is linear. Norms are instance norms without parameters, so a single picture is normalised by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

INITIAL_DEVIATION = 0.02  # of convolution weights (pix2pixHD)
MOST_CHANNELS = 512  # of the discriminator


@dataclass(frozen=True)
class GlobalGeneratorConfig:
    """Shape of the motion network; stored beside the weights. The defaults are the release's."""

    inputs: int = 3  # channels of the photo
    outputs: int = 2  # channels of the flow
    ngf: int = 64  # channels at full resolution; each downsampling doubles them
    n_down: int = 4  # downsamplings
    n_blocks: int = 9  # residual blocks at the coarsest resolution

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < (0 if name.startswith("n_") else 1):
                raise ValueError(f"{name} must be positive, got {value}")


class ResnetBlock(nn.Module):
    """Two 3 × 3 convolutions with reflected borders, added to their input. [B, C, h, w] → same"""

    def __init__(self, channels: int):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_block(x)
        return x + y


class GlobalGenerator(nn.Module):
    """`(photo [B, inputs, H, W] in [-1, 1]) -> [B, outputs, H, W]`, unbounded; in the release normalised speeds (x, y).

    H and W are multiples of 2^n_down, two of them or more.
    """

    def __init__(self, config: GlobalGeneratorConfig | None = None):
        super().__init__()
        self.config = config = config or GlobalGeneratorConfig()
        widths = [config.ngf * 2**k for k in range(config.n_down + 1)]
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(config.inputs, config.ngf, 7), *_norm(config.ngf)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), *_norm(after)]
        layers += [ResnetBlock(widths[-1]) for _ in range(config.n_blocks)]
        for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True):
            layers += [_double(), nn.Conv2d(before, after, 3, padding=1), *_norm(after)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(config.ngf, config.outputs, 7)]
        self.model = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, photo: Tensor) -> Tensor:
        """Raises ValueError for other sizes than the class allows."""
        cell = 2**self.config.n_down
        if any(side % cell or side < 2 * cell or side < 4 for side in photo.shape[2:]):
            sides = " × ".join(map(str, photo.shape[2:]))
            raise ValueError(f"photo must have sides that are multiples of {cell}, from {2 * cell} on, got {sides}")
        flow: Tensor = self.model(photo)
        return flow


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)


def _double() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)


@dataclass(frozen=True)
class MultiScaleDiscriminatorConfig:
    """Shape of the discriminator. The defaults are pix2pixHD's, for a photo with its flow."""

    inputs: int = 5  # channels of the photo and of the flow, together
    ndf: int = 64  # channels of the first layer; each further one doubles them, to at most 512
    n_layers: int = 3  # layers of stride 2
    num_d: int = 3  # discriminators, each at half the resolution of the one before


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches: 4 × 4 convolutions with instance norm, the last of them to one channel."""

    def __init__(self, inputs: int, ndf: int, n_layers: int):
        super().__init__()
        widths = [min(ndf * 2**k, MOST_CHANNELS) for k in range(n_layers + 1)]
        layers: list[nn.Module] = [nn.Sequential(_conv4(inputs, ndf, 2), nn.LeakyReLU(0.2))]
        for k, (before, after) in enumerate(pairwise(widths), 1):
            convolution = _conv4(before, after, 2 if k < n_layers else 1)
            layers.append(nn.Sequential(convolution, nn.InstanceNorm2d(after), nn.LeakyReLU(0.2)))
        layers.append(_conv4(widths[-1], 1, 1))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:  # [B, inputs, H, W] → each layer's output
        outputs: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


def _conv4(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, stride, padding=2)


class MultiScaleDiscriminator(nn.Module):
    """`(picture [B, inputs, H, W]) -> [scale][layer] feature`: the full resolution first, then halves.

    The last feature of each scale is its judgement [B, 1, h', w'], unbounded (least-squares loss); the ones before are
    for the feature-matching loss.
    """

    def __init__(self, config: MultiScaleDiscriminatorConfig | None = None):
        super().__init__()
        self.config = config = config or MultiScaleDiscriminatorConfig()
        self.scales = nn.ModuleList(
            PatchDiscriminator(config.inputs, config.ndf, config.n_layers) for _ in range(config.num_d)
        )
        self.apply(_initialise)

    def forward(self, picture: Tensor) -> list[list[Tensor]]:
        results: list[list[Tensor]] = []
        for scale in self.scales:
            results.append(scale(picture))
            picture = F.avg_pool2d(picture, 3, stride=2, padding=1, count_include_pad=False)
        return results

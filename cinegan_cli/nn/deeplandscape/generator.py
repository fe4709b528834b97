"""DeepLandscape's generator: a StyleGAN whose noise maps say where things are, some of them fixed, some moving.

Paper, section 3.1. Level i has the side 4 · 2^i. A level takes one static and one dynamic map, which feed both of its
convolutions, and two styles. All maps and the latent z have unit variance.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape.layers import (
    SLOPE,
    AdaIN,
    Blur,
    Conv,
    DoubledConv,
    Linear,
    NoiseGain,
    PixelNorm,
    UpConv,
)

CHANNELS = (512, 512, 512, 512, 256, 128, 64, 32, 16)  # of level 0 (4 px) to 8 (1024 px), at multiplier 1
FUSED = 5  # first level that grows by a transposed convolution


def channels_of(levels: int, multiplier: float, most: int) -> tuple[int, ...]:
    """Channels of the features of each level, coarse to fine."""
    return tuple(max(1, min(most, round(count * multiplier))) for count in CHANNELS[:levels])


class Generator(nn.Module):
    """`levels` levels: pictures of up to 4 · 2^(levels - 1) px; the released ones have 9.

    z has `style_dim` numbers, the last `dynamic_dim` of which change with the light. `channels` bounds the channels of
    a level, which are the paper's times `multiplier`.
    """

    def __init__(
        self,
        *,
        levels: int = 9,
        style_dim: int = 512,
        dynamic_dim: int = 3,
        multiplier: float = 1.0,
        channels: int = 512,
        mapping_layers: int = 8,
    ) -> None:
        super().__init__()
        self.levels, self.style_dim, self.dynamic_dim = levels, style_dim, dynamic_dim
        counts = channels_of(levels, multiplier, channels)
        self.generator = nn.ModuleDict(
            {
                "progression": nn.ModuleList(
                    Level(i, counts[max(0, i - 1)], counts[i], style_dim) for i in range(levels)
                ),
                "to_rgb": nn.ModuleList(Conv(count, 3, 1) for count in counts),
            }
        )
        layers: list[nn.Module] = [PixelNorm()]
        for _ in range(mapping_layers):
            layers += [Linear(style_dim, style_dim), nn.LeakyReLU(SLOPE)]
        self.style = nn.Sequential(*layers)

    def mapping(self, z: Tensor) -> Tensor:
        """z [B, style_dim] → w [B, style_dim]."""
        made: Tensor = self.style(z)
        return made

    def features(self, w: Tensor, static: Sequence[Tensor], dynamic: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the features [B, C_i, h_i, w_i] of every level for which there are maps, coarse to fine."""
        x = None
        for i, (fixed, moving) in enumerate(zip(static, dynamic, strict=True)):
            x = self._level(i)(x, w[:, i], fixed, moving)
            yield x

    def synthesize(self, w: Tensor, static: Sequence[Tensor], dynamic: Sequence[Tensor], alpha: float = 1.0) -> Tensor:
        """The picture [B, 3, H, W] for w [B, N, 2, style_dim] (level, AdaIN); nominal range [-1, 1], not clipped.

        `static` and `dynamic` are the maps [B, 1, h_i, w_i] of N levels, each level twice the size of the last. The
        first is 4 × 4 in a square picture; for other shapes it is longer one way. With `alpha` below 1 the finest level
        is faded in over the one before. Raises ValueError where the maps do not fit.
        """
        _require_maps(static, dynamic, w, self.levels)
        last = len(static) - 1
        finest = deque(self.features(w, static, dynamic), maxlen=2)
        picture: Tensor = self._to_rgb(last)(finest[-1])
        if last > 0 and alpha < 1:
            coarse = F.interpolate(self._to_rgb(last - 1)(finest[0]), scale_factor=2.0, mode="nearest")
            picture = torch.lerp(coarse, picture, alpha)
        return picture

    def _level(self, i: int) -> Level:
        return cast(Level, cast(nn.ModuleList, self.generator["progression"])[i])

    def _to_rgb(self, i: int) -> Conv:
        return cast(Conv, cast(nn.ModuleList, self.generator["to_rgb"])[i])


class Level(nn.Module):
    """Two convolutions, each followed by noise, leaky ReLU and AdaIN; the first doubles the size."""

    def __init__(self, index: int, inputs: int, outputs: int, style_dim: int) -> None:
        super().__init__()
        self.conv1 = _first(index, inputs, outputs)
        self.noise1, self.noise12 = NoiseGain(outputs), NoiseGain(outputs)  # of the static and of the dynamic map
        self.adain1 = AdaIN(outputs, style_dim)
        self.conv2 = Conv(outputs, outputs, 3)
        self.noise2, self.noise22 = NoiseGain(outputs), NoiseGain(outputs)
        self.adain2 = AdaIN(outputs, style_dim)

    def forward(self, x: Tensor | None, w: Tensor, static: Tensor, dynamic: Tensor) -> Tensor:
        """x [B, inputs, h, w], None at level 0; w [B, 2, style_dim]; maps [B, 1, 2 h, 2 w] → [B, outputs, 2 h, 2 w]."""
        x = self.conv1(static if x is None else x)
        x = F.leaky_relu(self.noise12(self.noise1(x, static), dynamic), SLOPE)
        x = self.conv2(self.adain1(x, w[:, 0]))
        x = F.leaky_relu(self.noise22(self.noise2(x, static), dynamic), SLOPE)
        made: Tensor = self.adain2(x, w[:, 1])
        return made


class Constant(nn.Module):
    """The learned input of level 0. For a picture that is not square it is stretched to the size of the maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, like: Tensor) -> Tensor:
        """`like` [B, 1, h, w] → [B, channels, h, w]"""
        constant: Tensor = self.input
        if like.shape[2:] != constant.shape[2:]:
            constant = F.interpolate(constant, like.shape[2:], mode="bilinear", align_corners=False)
        return constant.expand(len(like), -1, -1, -1)


def _first(index: int, inputs: int, outputs: int) -> nn.Module:
    if index == 0:
        return Constant(outputs)
    if index < FUSED:
        return DoubledConv(inputs, outputs)
    return nn.Sequential(UpConv(inputs, outputs), Blur(outputs))


def _require_maps(static: Sequence[Tensor], dynamic: Sequence[Tensor], w: Tensor, levels: int) -> None:
    count = len(static)
    if not 1 <= count <= levels or len(dynamic) != count or w.ndim != 4 or w.shape[1] < count:
        raise ValueError(
            f"needed are as many static as dynamic maps and styles, at most {levels}; got {count}, {len(dynamic)} and "
            f"w {tuple(w.shape)}"
        )
    for i in range(count):
        wanted = (static[0].shape[2] << i, static[0].shape[3] << i)
        for maps in (static[i], dynamic[i]):
            if tuple(maps.shape[1:]) != (1, *wanted):
                raise ValueError(f"level {i}: maps must be [B, 1, {wanted[0]}, {wanted[1]}], got {tuple(maps.shape)}")

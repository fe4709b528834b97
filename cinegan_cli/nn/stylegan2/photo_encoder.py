"""A small encoder for generators trained together with it: photo → (w+ offsets, D_k).

Unlike the released one (`encoder.py`) it reads the photo at the generator's full size, because all detail has to
pass through D_k, and it reads D_k knowing w: a matrix read from w first takes the photo's colours to common ones, and
only what remains is kept. So another look's codes can replace the photo's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.stylegan2.layers import Activation, EqualConv2d, EqualLinear, without_autocast

WAVE_GAIN = 8.0  # brings the waves of a 4 x 4 block in [-1, 1] to a deviation of about 1
THUMBNAIL = 128  # px, both sides: what w is read from, whatever the photo's shape


@dataclass(frozen=True)
class PhotoEncoderConfig:
    """Shape of the encoder; stored beside the weights. `style_dim` and `channels` are the generator's."""

    style_dim: int = 128
    n_styles: int = 18
    channels: int = 64  # of D_k
    width: int = 64  # channels at 1/4 of the photo's size; 2 and 4 times as many at 1/8 and 1/16
    index: int = 14  # k: 14 has 1/4 of the photo's size, 12 has 1/8, 10 has 1/16

    def __post_init__(self) -> None:
        if self.index not in (10, 12, 14):
            raise ValueError(f"index must be 10, 12 or 14, got {self.index}")


class _Modulated(nn.Module):
    """Convolution, then every channel scaled and shifted by w, then a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, stride: int = 1):
        super().__init__()
        self.conv = EqualConv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.scale = EqualLinear(style_dim, outputs, bias=1.0)
        self.shift = EqualLinear(style_dim, outputs)
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:  # [B, inputs, h, w], [B, style_dim] → [B, outputs, h/s, w/s]
        made = self.conv(x)
        scale, shift = (part(w)[:, :, None, None].to(made.dtype) for part in (self.scale, self.shift))
        y: Tensor = self.activate(made * scale + shift)
        return y if y.shape != x.shape else (x + y) * math.sqrt(0.5)


class PhotoEncoder(nn.Module):
    """`(photo [B, 3, H, W] in [-1, 1]) -> (w offsets [B, n_styles, style_dim], D_k [B, C, h, w])`."""

    pixels_per_cell = 16  # of the photo it reads, for one cell of D10

    @property
    def index(self) -> int:
        """k of the D_k that it gives."""
        return self.config.index

    def __init__(self, config: PhotoEncoderConfig):
        super().__init__()
        self.config = config
        dim, width = config.style_dim, config.width
        sizes = (32, 64, 96, 128)
        self.look = nn.ModuleList(
            nn.Sequential(EqualConv2d(a, b, 3, stride=2, padding=1), Activation(b))
            for a, b in zip((3, *sizes[:-1]), sizes, strict=True)
        )
        pooled = 2 * (3 + sum(sizes))
        self.code = nn.Sequential(EqualLinear(pooled, 256, activate=True), EqualLinear(256, dim, activate=True))
        self.styles = EqualLinear(dim, config.n_styles * dim)
        self.colours = EqualLinear(dim, 12)  # a matrix and a shift; as a deviation from the identity
        halvings = (14 - config.index) // 2
        widths = tuple(width << n for n in range(halvings + 1))
        blocks = [_Modulated(48, width, dim), _Modulated(width, width, dim)]
        for before, after in pairwise(widths):
            blocks += [_Modulated(before, after, dim, stride=2), _Modulated(after, after, dim)]
        self.blocks = nn.ModuleList([*blocks, _Modulated(widths[-1], widths[-1], dim)])
        self.last = EqualConv2d(widths[-1], config.channels, 3, padding=1)
        step = 1 << halvings
        self.direct = EqualConv2d(48, config.channels, step, stride=step)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """H and W must be multiples of 16."""
        code = self.read_look(photo)
        return self.offsets(code), self.read_layout(photo, code)

    def read_look(self, photo: Tensor) -> Tensor:
        """The photo's look [B, style_dim], from means and deviations of colours and simple features of a thumbnail."""
        x = F.interpolate(photo, (THUMBNAIL, THUMBNAIL), mode="bilinear", antialias=True)
        statistics = [x.mean((2, 3)), x.std((2, 3))]
        for layer in self.look:
            x = layer(x)
            statistics += [x.mean((2, 3)), x.std((2, 3))]
        code: Tensor = self.code(torch.cat([s.float() for s in statistics], 1))
        return code

    def offsets(self, code: Tensor) -> Tensor:
        """[B, style_dim] → [B, n_styles, style_dim]."""
        rows: Tensor = self.styles(code)
        return rows.view(len(code), self.config.n_styles, self.config.style_dim)

    def read_layout(self, photo: Tensor, code: Tensor) -> Tensor:
        """D_k, given the look that the photo has."""
        change = self.colours(code)
        matrix = change[:, :9].view(-1, 3, 3) + torch.eye(3, device=change.device)
        with without_autocast(photo):  # waves of amplitude 1 / 255 beside those of 1: in bf16 a look lost 10 dB more
            common = torch.einsum("bij,bjhw->bihw", matrix.to(photo.dtype), photo) + change[:, 9:, None, None]
            x = waves = F.conv2d(common, cosine_waves().to(common), stride=4)  # [B, 48, H/4, W/4]
            direct = self.direct(waves)
        for block in self.blocks:
            x = block(x, code)
        layout: Tensor = self.last(x) + direct
        return layout


def cosine_waves(side: int = 4) -> Tensor:
    """Filters [3 side², 3, side, side] of a block's cosine transform, each colour alone, the waves made equally strong.

    Photographs have amplitudes of 1 / frequency. Given pixels as they are, the networks learned the blocks' means and,
    in thousands of steps, hardly anything finer.
    """
    n = torch.arange(side, dtype=torch.float32)
    basis = torch.cos(math.pi * (n[None] + 0.5) * n[:, None] / side) * math.sqrt(2 / side)
    basis[0] /= math.sqrt(2)
    frequency = torch.hypot(n[:, None], n[None]).clamp(min=1 / 16)
    filters = torch.einsum("uy,vx,uv->uvyx", basis, basis, frequency * WAVE_GAIN).reshape(side**2, side, side)
    return torch.einsum("cd,kyx->ckdyx", torch.eye(3), filters).reshape(3 * side**2, 3, side, side)

"""A small encoder for generators trained together with it: photo → (w+ offsets, D10).

Unlike the released one (`nn/encoder.py`) it reads the photo at the generator's full size, because all detail has to
pass through D10, and it reads D10 knowing w: colours are told to be those of the photo's own look, and only what
remains is kept. So another look's codes can replace them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.nn.stylegan2_layers import Activation, EqualConv2d, EqualLinear

THUMBNAIL = 128  # px, both sides: what w is read from, whatever the photo's shape


@dataclass(frozen=True)
class PhotoEncoderConfig:
    """Shape of the encoder; stored beside the weights. `style_dim` and `channels` are the generator's."""

    style_dim: int = 128
    n_styles: int = 18
    channels: int = 256  # of D10
    width: int = 64  # channels at 1/4 of the photo's size; 2 and 4 times as many at 1/8 and 1/16


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
    """`(photo [B, 3, H, W] in [-1, 1]) -> (w offsets [B, n_styles, style_dim], D10 [B, C, H/16, W/16])`."""

    pixels_per_cell = 16  # of the photo it reads, for one cell of D10

    def __init__(self, config: PhotoEncoderConfig):
        super().__init__()
        self.config = config
        dim, width = config.style_dim, config.width
        widths = (32, 64, 96, 128)
        self.look = nn.ModuleList(
            nn.Sequential(EqualConv2d(a, b, 3, stride=2, padding=1), Activation(b))
            for a, b in zip((3, *widths[:-1]), widths, strict=True)
        )
        pooled = 2 * (3 + sum(widths))
        self.code = nn.Sequential(EqualLinear(pooled, 256, activate=True), EqualLinear(256, dim, activate=True))
        self.styles = EqualLinear(dim, config.n_styles * dim)
        self.blocks = nn.ModuleList(
            [
                _Modulated(48, width, dim),
                _Modulated(width, 2 * width, dim, stride=2),
                _Modulated(2 * width, 2 * width, dim),
                _Modulated(2 * width, 4 * width, dim, stride=2),
                _Modulated(4 * width, 4 * width, dim),
                _Modulated(4 * width, 4 * width, dim),
            ]
        )
        self.last = EqualConv2d(4 * width, config.channels, 3, padding=1)

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
        """D10, given the look that the photo has."""
        x = F.pixel_unshuffle(photo, 4)  # [B, 48, H/4, W/4]
        for block in self.blocks:
            x = block(x, code)
        layout: Tensor = self.last(x)
        return layout

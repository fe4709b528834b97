"""A compact network for motion: photo, what moves, and optional arrows → where everything moves and how fast.

It sees the whole picture in a square of 256 px. Absolute speeds cannot be seen in a photo, so all speeds are relative:
to the arrows' mean speed where there are arrows, else to the mean speed of what moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32  # sides of the input are multiples of this
CHANNELS = 13  # of the input, see `MotionNet`


@dataclass(frozen=True)
class MotionNetConfig:
    """Shape of the network; stored beside the weights."""

    widths: tuple[int, ...] = (24, 40, 64, 80, 104)  # channels at 1/2, 1/4, 1/8, 1/16, 1/32 of the input
    side: int = 256  # of the square input


class MotionNet(nn.Module):
    """`(scene [B, 8, s, s], hints [B, 3, s, s]) -> velocity [B, 2, s, s]`, +x right, +y down, relative speeds.

    `scene`: R, G, B in [0, 1], sky, water (shares of what moves), inside (0 where the square is padded), and x in
    [-1, 1] and y from 0 at the top to 1 at the bottom of the picture. `hints`: the arrows' (dx, dy), and 1 where they
    are, else 0.
    """

    def __init__(self, config: MotionNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MotionNetConfig()
        half, *widths = config.widths
        self.stem = nn.Sequential(nn.Conv2d(CHANNELS, half, 5, stride=2, padding=2), nn.SiLU())
        befores = [half, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Sequential(_conv(a, b, stride=2), _Residual(b)) for a, b in zip(befores, widths, strict=True)
        )
        self.context = nn.Sequential(nn.Linear(widths[-1], widths[-1]), nn.SiLU(), nn.Linear(widths[-1], widths[-1]))
        joints = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.Sequential(_conv(a + b, b), _Residual(b)) for a, b in joints)
        self.head = nn.Conv2d(widths[0], 2, 3, padding=1)
        nn.init.zeros_(self.head.weight)

    def forward(self, scene: Tensor, hints: Tensor) -> Tensor:
        carried, near = spread(hints)  # [B, 2, s, s], [B, 1, s, s]
        told = hints[:, 2:].amax((2, 3), keepdim=True).expand_as(near)
        x = self.stem(torch.cat((scene, carried, near, told, hints[:, 2:]), 1))  # [B, half, s/2, s/2]
        levels: list[Tensor] = []
        for stage in self.down:
            x = stage(x)
            levels.append(x)
        x = levels.pop()
        x = x + self.context(x.mean((2, 3)))[:, :, None, None]
        for stage in self.up:
            finer = levels.pop()
            x = F.interpolate(x, size=finer.shape[2:], mode="bilinear", align_corners=False)
            x = stage(torch.cat((x, finer), 1))
        flow = F.interpolate(self.head(x), size=scene.shape[2:], mode="bilinear", align_corners=False)  # from s/4
        return carried + flow


def spread(hints: Tensor) -> tuple[Tensor, Tensor]:
    """Arrows [B, 3, s, s] carried over the whole picture: velocity [B, 2, s, s] and nearness [B, 1, s, s] in [0, 1].

    Push and pull over halved pictures: near an arrow its own velocity, far away the mean of all; 0 without arrows.
    """
    levels = [torch.cat((hints[:, :2] * hints[:, 2:], hints[:, 2:]), 1)]
    while min(levels[-1].shape[2:]) > 1:
        levels.append(4 * F.avg_pool2d(levels[-1], 2))
    coarse = levels[-1].sum((2, 3), keepdim=True)
    value = coarse[:, :2] / coarse[:, 2:].clamp(min=1e-6)
    near = torch.zeros_like(coarse[:, 2:])
    for number, level in reversed(list(enumerate(levels))):
        weight = level[:, 2:].clamp(max=1)
        size = level.shape[2:]
        value = F.interpolate(value, size=size, mode="bilinear", align_corners=False)
        near = F.interpolate(near, size=size, mode="bilinear", align_corners=False)
        own = level[:, :2] / level[:, 2:].clamp(min=1e-6)
        value = value + weight * (own - value)
        near = torch.maximum(near, weight * (1 - number / len(levels)))
    return value, near


class _Residual(nn.Module):
    """[B, C, h, w] → same"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, channels), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.GroupNorm(8, outputs), nn.SiLU())

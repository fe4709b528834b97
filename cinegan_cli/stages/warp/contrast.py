"""Contrast that blending two moments takes away, measured once, and the gain that returns it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.stages.warp.origins import Origins

LIKENESS_SIDE = 64  # cells on the long side of the grid on which two textures are compared
LIKENESS_SIGMA = 4.0  # cells of the Gaussian over which they are: finer maps print their noise on the picture
ROWS = 4  # of a band that are looked at in each cell: all of them tell the same, at four times the cost and more
LARGEST_LOSS = 0.8  # the least part of a band's strength that is made good: sharp sampling of noise keeps as much
NOISE = 0.02 / 255  # mean strength under which a texture counts as the same in both sources


@dataclass(frozen=True)
class Contrast:
    """What a band loses on its way into a frame, measured once.

    `likeness` [*cells] in [0, 1] is the ρ of what the two directions of time bring to a place. `losses` are what is
    left of the band's strength after 0, 1/4, 1/2, 3/4 and all of the cycle's travel: sharp sampling between pixels
    takes some at once, and what flows in from beyond the mask, smooth, takes more the longer it flows. `whole` is the
    mean travel of the cycle, as a share of the grid's width; 0 for what goes to and fro, where losses are all alike.
    """

    likeness: Tensor
    losses: tuple[float, ...]
    whole: float
    kept: float = 1.0  # share of its strength in the photo that the band has from the start

    def gain(self, origins: Origins, width: int) -> Tensor:
        """What the average (1 - a) A + a B must be multiplied by to be as strong as the photo's band, [*cells].

        The average has the strength of the root of (1 - a)² + a² + 2 a (1 - a) ρ: for independent textures (ρ = 0) the
        root of the spec; where the flow has hardly moved the texture (ρ → 1) nothing is lost and nothing amplified.
        `width` is the band's. The losses set in with the first half pixel of travel, so that frame 0 is the photo.
        """
        a = origins.weight
        first, second = (self._left(travel, width) for travel in origins.mean_offsets)
        left = ((1 - a) * first + a * second) * (self.kept if origins.mean_offsets[0] > 0 else 1.0)
        return torch.rsqrt((1 - a) ** 2 + a**2 + 2 * a * (1 - a) * self.likeness) / left

    def _left(self, travel: float, width: int) -> float:
        """What is left of a source's strength after it has travelled so far: a share of the grid's width."""
        place = min(travel / max(self.whole, 1e-9), 1.0) * (len(self.losses) - 1)
        k = min(int(place), len(self.losses) - 2)
        left = self.losses[k] + (place - k) * (self.losses[k + 1] - self.losses[k])
        return 1 + (left - 1) * min(1.0, 2 * travel * width)


def measure_contrast(
    textures: tuple[Tensor, ...], needed: tuple[Tensor, ...], moments: Iterable[Origins]
) -> list[Contrast]:
    """One `Contrast` per band in `textures` [1, H_k, W_k], in grey, at 1/4, 1/2 and 3/4 of a cycle.

    `needed` uint8 [H_k, W_k] is 1 where a band is seen. `moments` are the origins there, after those of frame 0. Kept
    for all frames, so that the gain never flickers: travel over one whole cycle separates the two sources at any moment
    of it.
    """
    strengths: list[list[Tensor]] = [[] for _ in textures]
    sampled = (*textures[:-1], ops.omoms_coefficients(textures[-1]))
    whole = 0.0
    for origins in islice(moments, 1, None):
        h, w = origins.offsets.shape[2:]
        cells = (max(1, LIKENESS_SIDE * h // max(h, w)), max(1, LIKENESS_SIDE * w // max(h, w)))
        for k, (of_band, seen) in enumerate(zip(strengths, needed, strict=True)):
            kernel: Literal["omoms", "bicubic"] = "omoms" if k + 1 == len(textures) else "bicubic"
            of_band.append(_strengths(textures[k], sampled[k], seen, origins, cells, kernel))
        whole = origins.mean_offsets[0] / origins.weight if origins.weight > 0 else 0.0
    return [_contrast(torch.stack(of_band), whole) for of_band in strengths]


def _strengths(
    texture: Tensor,
    sampled: Tensor,
    needed: Tensor,
    origins: Origins,
    cells: tuple[int, int],
    kernel: Literal["omoms", "bicubic"],
) -> Tensor:
    """Means over each cell of |A|, |B|, |A + B| / 2 of the two sources and of |texture|: [4, *cells].

    The sources are `sampled` by `kernel`, as `ops.render` samples the finest band, or one of the others.
    """
    step = max(1, texture.shape[1] // (ROWS * cells[0]))
    rows = slice(step // 2, None, step)
    region = torch.zeros_like(needed)
    region[rows] = needed[rows]
    sources = (ops.joint_sample(sampled, origins.offsets, phase, region=region, kernel=kernel) for phase in (0.0, 1.0))
    a, b = (source[:, rows] for source in sources)
    parts = torch.stack([a, b, (a + b) / 2, texture[:, rows] * needed[rows]]).abs_()
    return F.interpolate(parts, size=cells, mode="bilinear", antialias=True)[:, 0]


def _contrast(strengths: Tensor, whole: float) -> Contrast:
    """From the mean strengths [3 moments, 4, *cells]: the losses, and the ρ that restores what is lost half way.

    Strength is the mean absolute value: from the deviation, which sparse textures lose more of, the gain would be too
    large (`docs/measurements.md`, Contrast gain).
    """
    mean = strengths.mean(0)
    radius = math.ceil(3 * LIKENESS_SIGMA)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=strengths.device) / LIKENESS_SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    pooled = F.pad(mean[:3, None], (radius,) * 4, mode="replicate")
    pooled = F.conv2d(F.conv2d(pooled, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))  # [3, 1, *cells]
    a, b, mixed = pooled[:, 0] + NOISE
    likeness = torch.clamp(2 * (2 * mixed / (a + b)) ** 2 - 1, 0, 1)
    losses = _losses(strengths.mean(dim=(2, 3)) + NOISE)
    return Contrast(likeness, losses if whole > 0 else (sum(losses[1:4]) / 3,) * len(losses), whole)


def _losses(strengths: Tensor) -> tuple[float, ...]:
    """What is left after 0, 1/4, 1/2, 3/4 and all of the travel, from the means [3 moments, 4].

    The source that time carries backward has gone 3/4 of its way when the other one has gone 1/4. A curve, because
    with a single figure for the cycle falls, into which much flows, would pulse.
    """
    first, second, _, unmoved = strengths.T.tolist()
    quarter, half, three = ((first[k] + second[2 - k]) / (2 * unmoved[k]) for k in range(3))
    curve = (2 * quarter - half, quarter, half, three, 2 * three - half)
    return tuple(min(max(left, LARGEST_LOSS), 1.0) for left in curve)


def _needed_at(region: Tensor, band: Tensor) -> Tensor:
    """`region` at a band's size, one pixel wider there: bilinear upsampling reads the neighbours. uint8."""
    if region.shape == band.shape[1:]:
        return region
    soft = F.adaptive_max_pool2d(region[None].to(torch.float32), (band.shape[1], band.shape[2]))
    return F.max_pool2d(soft, 3, stride=1, padding=1)[0].to(torch.uint8)

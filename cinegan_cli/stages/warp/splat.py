"""The paper's own warp: every band is splatted from both ends of the cycle with one normalisation (Eq. 3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.bands import collapse
from cinegan_cli.stages.warp.holes import HOLE, fill_holes
from cinegan_cli.types import Bands, Displacement


def splat_bands(bands: Bands, displacement: Displacement, *, grid: tuple[int, int], config: RenderConfig) -> Tensor:
    """The warped picture [3, H, W] of one frame. `grid` (h, w) is the motion's, without the displacement's padding."""
    if displacement.weight == 0 and not bool(displacement.forward.any()):
        return collapse(bands)
    warped = []
    for k, band in enumerate(bands.levels):
        keep_contrast = config.blend == "contrast" and k > 0  # the coarsest is averaged: it is not zero-mean
        warped.append(splat_band(band, displacement, grid, keep_contrast, config.fill))
    return collapse(Bands(tuple(warped)))


def splat_band(band: Tensor, d: Displacement, grid: tuple[int, int], keep_contrast: bool, fill: str) -> Tensor:
    """Σ w f / Σ w over both directions, holes filled, [3, H_k, W_k] like `band`."""
    size = (band.shape[1], band.shape[2])
    pads = tuple(math.ceil(p * s / g) for p, s, g in zip(d.pad, size, grid, strict=True))
    source = _reflect(band, pads)
    sources = [(1 - d.weight, d.forward), (d.weight, d.backward)]
    total, votes = torch.zeros_like(source), []
    for weight, field in sources:
        if weight > 0:
            moved = at_level(field, d.pad, grid, size, pads)
            share = torch.full_like(moved[None, :1], weight)
            numerator, denominator = ops.splat(source[None], moved[None], share)
            total = total + numerator[0]
            votes.append(denominator[0, 0])
    count = torch.stack(votes).sum(0)
    mixed = total / count.clamp(min=HOLE)
    if keep_contrast:  # the root of `docs/spec/stylecinegan.md`, section 3.5, by this very pixel's votes
        mixed = mixed * (count / torch.stack([v**2 for v in votes]).sum(0).sqrt().clamp(min=HOLE)).clamp(
            max=math.sqrt(2)
        )
    mixed = fill_holes(mixed, count > HOLE, fill)
    return mixed[:, pads[0] : pads[0] + size[0], pads[1] : pads[1] + size[1]]


def at_level(
    field: Tensor, pad: tuple[int, int], grid: tuple[int, int], size: tuple[int, int], pads: tuple[int, ...]
) -> Tensor:
    """A padded displacement on the padded pixels of a level, in its pixels: resized bilinearly, u by W/w, v by H/h."""
    axes = []
    for side, points, margin, before in zip(size, grid, pads, pad, strict=True):
        at = (torch.arange(-margin, side + margin, device=field.device) + 0.5) * points / side - 0.5 + before
        axes.append(at * (2 / (points + 2 * before - 1)) - 1)
    y, x = torch.meshgrid(*axes, indexing="ij")
    at_points = torch.stack([x, y], dim=-1)[None].to(field.dtype)
    resized = F.grid_sample(field[None], at_points, mode="bilinear", padding_mode="border", align_corners=True)[0]
    return resized * torch.tensor([size[1] / grid[1], size[0] / grid[0]], device=field.device)[:, None, None]


def _reflect(image: Tensor, pads: tuple[int, ...]) -> Tensor:
    """Mirror at the border pixels, any width: [C, H + 2 pads[0], W + 2 pads[1]]."""
    for axis, pad in enumerate(pads, start=1):
        side = image.shape[axis]
        period = max(2 * (side - 1), 1)
        index = torch.arange(-pad, side + pad, device=image.device).remainder(period)
        image = image.index_select(axis, torch.where(index < side, index, period - index))
    return image

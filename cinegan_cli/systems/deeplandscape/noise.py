"""Noise maps moved as the release moves them (DeepLandscape, section 3.4), and where the horizon is.

`movers` does better: what comes in at the borders is new, the horizon does not tear, and frame 0 is the photo's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.systems.deeplandscape.homography import homographies, homography_power, project

SMALLEST = 1e-12  # least std that is divided by
SKIRT = 0.95  # share of the columns whose sky ends above the horizon


def warp(maps: Tensor, shifts: Tensor, horizon: float, n: float) -> Tensor:
    """`maps` [B, 1, h, w] moved by `n` times the homographies of `shifts` [4, 2], at their own size.

    Bilinear; borders are mirrored; the ground begins at row ⌊h · horizon⌋. Nothing is re-standardised. Differentiable.
    """
    height, width = maps.shape[2:]
    lines = [torch.linspace(-1, 1, side, device=maps.device) for side in (height, width)]
    y, x = torch.meshgrid(*lines, indexing="ij")
    grid = torch.stack((x, y), -1)  # [h, w, 2]
    cut = int(height * horizon)
    sky, ground = (homography_power(side, n).to(maps.dtype) for side in homographies(shifts, horizon))
    origins = torch.cat((project(sky, grid[:cut]), project(ground, grid[cut:])))
    origins = origins.expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps, origins, mode="bilinear", padding_mode="reflection", align_corners=True)


def move_noise(maps: Tensor, shifts: Tensor, horizon: float, n: float, size: int) -> Tensor:
    """`maps` [B, 1, s, s] moved at `size` × `size` px, where they keep their mean and std, and brought down again.

    Bicubic both ways, without anti-aliasing, as the release has it. Differentiable.
    """
    large = F.interpolate(maps, (size, size), mode="bicubic", align_corners=False)
    moved = restandardised(warp(large, shifts, horizon, n), large)
    return F.interpolate(moved, maps.shape[2:], mode="bicubic", align_corners=False)


def restandardised(maps: Tensor, like: Tensor, share: Tensor | None = None) -> Tensor:
    """`maps` [B, 1, h, w], each with the mean and std of the one in `like`; one that is constant takes its mean.

    With `share` [h, w] in [0, 1] cells count, and are changed, by that much.
    """
    mean, std = moments(maps, share)
    wanted, spread = moments(like, share)
    changed = (maps - mean) * (spread / std.clamp_min(SMALLEST)) + wanted
    return changed if share is None else torch.lerp(maps, changed, share)


def moments(maps: Tensor, share: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and std [B, 1, 1, 1] of maps [B, 1, h, w], whose cells count by `share` [h, w]; 0 where none does."""
    if share is None:
        share = maps.new_ones(maps.shape[2:])
    total = share.sum().clamp_min(SMALLEST)
    mean = (maps * share).sum((1, 2, 3), keepdim=True) / total
    variance = ((maps - mean).square() * share).sum((1, 2, 3), keepdim=True) / total
    return mean, variance.clamp_min(SMALLEST**2).sqrt()


def find_horizon(sky: Tensor) -> float:
    """Where the sky ends, in [0, 1] from the top: 0 without a sky, 1 where there is nothing else.

    `sky` [H, W] is a mask or a probability. Specks do not count, nor do the few columns in which the sky reaches
    lowest.
    """
    height, width = sky.shape
    size = 2 * (max(height, width) // 64) + 3
    smooth = F.avg_pool2d(sky[None, None].float(), size, stride=1, padding=size // 2, count_include_pad=False)[0, 0]
    rows = torch.arange(1, height + 1, device=sky.device)[:, None]
    lowest = ((smooth > 0.5) * rows).amax(0)  # [W], rows of sky from the top
    lowest = lowest[lowest > 0].float()
    return float(lowest.quantile(SKIRT)) / height if len(lowest) >= max(1, 0.02 * width) else 0.0

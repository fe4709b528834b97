"""The guided filter (He, Sun & Tang 2013): a picture takes on the edges of another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def guided_filter(guide: Tensor, source: Tensor, radius: int, eps: float) -> Tensor:
    """`source` as locally linear functions of `guide`, channel by channel: [B, C, H, W] twice → the same shape.

    Windows are squares of 2 radius + 1 pixels, cut at the border; `eps` is the variance of the guide below which a
    window counts as flat. Raises ValueError for two shapes, or a radius below 0.
    """
    slope, offset = guided_lines(guide, source, radius, eps)
    return slope * guide + offset


def guided_lines(guide: Tensor, source: Tensor, radius: int, eps: float) -> tuple[Tensor, Tensor]:
    """Slope and offset [B, C, H, W] of the functions of `guided_filter`, to be used at another size too."""
    if guide.shape != source.shape:
        raise ValueError(f"guide and source must have one shape, got {tuple(guide.shape)} and {tuple(source.shape)}")
    means = window_means(torch.cat((guide, source, guide * source, guide * guide)), radius)
    mean, level, cross, square = means.chunk(4)
    slope = (cross - mean * level) / (square - mean * mean + eps)
    smooth = window_means(torch.cat((slope, level - slope * mean)), radius)
    return smooth[: len(guide)], smooth[len(guide) :]


def window_means(x: Tensor, radius: int) -> Tensor:
    """The mean of [B, C, H, W] around each place, over the pixels of its window that are inside."""
    if radius < 0:
        raise ValueError(f"radius must be 0 or more, got {radius}")
    down, across = (_counts(side, radius, x) for side in x.shape[2:])
    return _window_sums(_window_sums(x, radius, 2), radius, 3) / (down[:, None] * across)


def _window_sums(x: Tensor, radius: int, dim: int) -> Tensor:
    """Differences of running sums, so that the radius costs nothing."""
    border = [0, 0] * (x.ndim - 1 - dim) + [radius + 1, radius]
    running = F.pad(x, border).cumsum(dim)
    return running.narrow(dim, 2 * radius + 1, x.shape[dim]) - running.narrow(dim, 0, x.shape[dim])


def _counts(side: int, radius: int, like: Tensor) -> Tensor:
    """How many of a window's 2 radius + 1 pixels are inside, by place: [side]."""
    place = torch.arange(side, device=like.device)
    inside = (place + radius).clamp(max=side - 1) - (place - radius).clamp(min=0) + 1
    return inside.to(like.dtype)

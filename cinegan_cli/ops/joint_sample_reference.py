"""joint_sample in plain PyTorch: a composition of F.interpolate and a sampler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def joint_sample_reference(
    image: Tensor,
    origins: Tensor,
    phase: float,
    gain: Tensor | None,
    base: Tensor | None,
    region: Tensor | None,
    sampler: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Arguments and result are those of `joint_sample`; `sampler(image, positions)` is `sample` with its options."""
    height, width = image.shape[1:]
    h, w = origins.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, dtype=image.dtype, device=image.device),
        torch.arange(width, dtype=image.dtype, device=image.device),
        indexing="ij",
    )
    scale = torch.tensor([width / w, height / h], dtype=image.dtype, device=image.device).view(2, 1, 1)
    out = torch.zeros_like(image)
    for share, origin in zip((1 - phase, phase), origins, strict=True):
        if share != 0:
            positions = torch.stack([x, y]) + scale * _resize(origin, (height, width))  # [2, H, W]
            out = out + share * sampler(image[None], positions[None])[0]
    if gain is not None:
        out = out * _resize(gain[None], (height, width))
    if base is not None:
        out = out + _resize(base, (height, width))
    return out if region is None else out.where(region != 0, 0)


def _resize(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, h, w] to [n, *size], bilinear, half-pixel centres."""
    return F.interpolate(planes[None], size=size, mode="bilinear", align_corners=False)[0]

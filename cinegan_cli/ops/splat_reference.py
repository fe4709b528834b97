"""splat in plain PyTorch, from its equation: the measure of the native kernels, and what runs where there are none."""

from __future__ import annotations

import torch
from torch import Tensor


def splat_reference(features: Tensor, displacement: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Forward splatting with bilinear votes, as four flattened `index_add`s (one per corner).

    numerator[q] = sum over p of vote(q, p) weight[p] features[p], and denominator likewise with features = 1, where
    vote(q, p) = max(0, 1 - |q_x - t_x|) max(0, 1 - |q_y - t_y|) and t = p + displacement[p]. Arguments and result are
    those of `splat`; all of one float type.
    """
    b, c, h, w = features.shape
    y, x = torch.meshgrid(
        torch.arange(h, dtype=features.dtype, device=features.device),
        torch.arange(w, dtype=features.dtype, device=features.device),
        indexing="ij",
    )
    target_x, target_y = x + displacement[:, :1], y + displacement[:, 1:]  # [B, 1, H, W]
    lands = (target_x > -1) & (target_x < w) & (target_y > -1) & (target_y < h)  # False for NaN
    target_x, target_y = target_x.where(lands, 0), target_y.where(lands, 0)
    left, top = target_x.detach().floor(), target_y.detach().floor()
    right, down = target_x - left, target_y - top
    source = torch.cat([features, torch.ones_like(weight)], dim=1)  # [B, C + 1, H, W]
    plane = torch.arange(b * (c + 1), device=features.device).view(b, c + 1, 1, 1) * (h * w)
    sums = source.new_zeros(b * (c + 1) * h * w)
    for corner_x, corner_y, vote in (
        (left, top, (1 - right) * (1 - down)),
        (left + 1, top, right * (1 - down)),
        (left, top + 1, (1 - right) * down),
        (left + 1, top + 1, right * down),
    ):
        inside = lands & (corner_x >= 0) & (corner_x < w) & (corner_y >= 0) & (corner_y < h)
        pixel = torch.where(inside, corner_y * w + corner_x, 0).long()
        # Dropped votes are chosen away, not multiplied by 0: what is dropped may be NaN.
        share = torch.where(inside, vote * weight, 0)
        sums = sums.index_add(0, (plane + pixel).flatten(), (source.where(inside, 0) * share).flatten())
    sums = sums.view(b, c + 1, h, w)
    return sums[:, :c].contiguous(), sums[:, c:].contiguous()

"""advect in plain PyTorch, from Eq. 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def advect_reference(velocity: Tensor, displacement: Tensor, corner: tuple[int, int]) -> Tensor:
    """Arguments and result are those of `advect`."""
    if displacement.numel() == 0:
        return displacement.clone()
    (h, w), (rows, columns) = velocity.shape[1:], displacement.shape[1:]
    y = torch.arange(rows, device=velocity.device, dtype=velocity.dtype)[:, None] + corner[0]
    x = torch.arange(columns, device=velocity.device, dtype=velocity.dtype) + corner[1]
    at = torch.stack([x + displacement[0], y + displacement[1]], dim=-1)  # [H, W, 2], px
    size = torch.tensor([max(w - 1, 1), max(h - 1, 1)], device=velocity.device, dtype=velocity.dtype)
    unit = at * (2 / size) - 1  # what `grid_sample` with `align_corners=True` calls [-1, 1]
    return (
        displacement
        + F.grid_sample(velocity[None], unit[None], mode="bilinear", padding_mode="border", align_corners=True)[0]
    )

"""advect in plain PyTorch, from Eq. 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def advect_reference(velocity: Tensor, displacement: Tensor) -> Tensor:
    """Arguments and result are those of `advect`."""
    h, w = velocity.shape[1:]
    y = torch.arange(h, device=velocity.device, dtype=velocity.dtype)[:, None]
    x = torch.arange(w, device=velocity.device, dtype=velocity.dtype)
    at = torch.stack([x + displacement[0], y + displacement[1]], dim=-1)  # [H, W, 2], px
    size = torch.tensor([max(w - 1, 1), max(h - 1, 1)], device=velocity.device, dtype=velocity.dtype)
    unit = at * (2 / size) - 1  # what `grid_sample` with `align_corners=True` calls [-1, 1]
    return (
        displacement
        + F.grid_sample(velocity[None], unit[None], mode="bilinear", padding_mode="border", align_corners=True)[0]
    )

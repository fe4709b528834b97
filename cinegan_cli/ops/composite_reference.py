"""composite in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def composite_reference(photo: Tensor, alpha: Tensor, warped: Tensor, unmoved: Tensor) -> Tensor:
    """Arguments and result are those of `composite`."""
    change = (255 * alpha * (warped - unmoved)).permute(1, 2, 0)  # [H, W, 3]
    mixed = (photo + change).nan_to_num(0.0, posinf=255, neginf=0).clamp(0, 255).round().to(torch.uint8)
    return torch.where(alpha[:, :, None] == 0, photo, mixed)

"""yuv420 in plain PyTorch, in float64."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.2126, 0.7152, 0.0722)
FILTER = (-1 / 16, 9 / 16, 9 / 16, -1 / 16)


def yuv420_reference(frame: Tensor) -> Tensor:
    """Arguments and result are those of `yuv420`."""
    if frame.numel() == 0:
        return frame.new_empty(0)
    shares, taps = (torch.tensor(values, dtype=torch.float64) for values in (LUMA, FILTER))
    rgb = frame.permute(2, 0, 1).double() / 255  # [3, H, W]
    luma = torch.tensordot(shares, rgb, dims=1)  # [H, W]
    h, w = luma.shape
    padded = F.pad(rgb[:, None], (1, 1 + w % 2, 1, 1 + h % 2), mode="replicate")
    few = F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, 4), stride=(1, 2)), taps.view(1, 1, 4, 1), stride=(2, 1))[:, 0]
    mean = torch.tensordot(shares, few, dims=1)  # [h, w]
    planes = (16 + 219 * luma, 128 + 224 * (few[2] - mean) / 1.8556, 128 + 224 * (few[0] - mean) / 1.5748)
    return torch.cat([(plane + 0.5).floor().clamp(0, 255).to(torch.uint8).flatten() for plane in planes])

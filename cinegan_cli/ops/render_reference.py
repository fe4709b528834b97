"""render in plain PyTorch: a composition of joint_sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.ops._native import Backend
from cinegan_cli.ops.joint_sample import joint_sample
from cinegan_cli.types import RenderPart


def render_reference(
    levels: Sequence[Tensor],
    parts: Sequence[RenderPart],
    photo: Tensor | None,
    anchor: Tensor | None,
    backend: Backend,
) -> Tensor:
    """Arguments and result are those of `render`, but for `anchor`: float32, in levels."""
    pictures = [level[..., :3].permute(2, 0, 1) for level in levels]
    total = torch.zeros_like(pictures[-1], memory_format=torch.contiguous_format)
    for part in parts:
        first = len(pictures) - 1 if part.gains is None else 0  # the others count only with gains
        base = None
        for k in range(first, len(pictures)):
            gain = None if part.gains is None else part.gains[k]
            base = joint_sample(
                pictures[k],
                part.origins,
                part.phase,
                gain=gain,
                base=base,
                region=part.regions[k],
                kernel="omoms" if k + 1 == len(pictures) else "bicubic",
                backend=backend,
            )
        assert base is not None
        if part.weight is not None:
            size = (base.shape[1], base.shape[2])
            base = base * F.interpolate(part.weight[None, None], size, mode="bilinear", align_corners=False)[0]
        total = total + base
    if photo is None or anchor is None:
        return total
    mixed = anchor[..., :3] + anchor[..., 3:] * total.permute(1, 2, 0)
    mixed = mixed.nan_to_num(0.0, posinf=255, neginf=0).clamp(0, 255).round().to(torch.uint8)
    return torch.where(anchor[..., 3:] == 0, photo, mixed)

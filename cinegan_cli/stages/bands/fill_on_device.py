"""The pull-push fill where the tensors are: nothing is copied to the host, and nothing is asked of the device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pull_push_on_device(values: Tensor, weight: Tensor) -> Tensor:
    """As `pull_push`, but on the device of `values`; its filters are others, so the fill differs a little.

    `values` float [C, H, W], `weight` [H, W] in [0, 1]. Always goes down to one pixel: to stop where all is known would
    be to wait for the answer.
    """
    weights = [weight.to(values.dtype).clamp(0, 1)[None]]
    levels = [values.where(weights[0] > 0, 0)]
    while max(levels[-1].shape[1:]) > 1:
        total, sums = _down(weights[-1]), _down(levels[-1] * weights[-1])
        levels.append((sums / total).where(total > 0, 0))
        weights.append((4 * total).clamp(max=1))
    out = levels.pop()
    for level, known in zip(reversed(levels), reversed(weights[:-1]), strict=True):
        up = F.interpolate(out[None], size=level.shape[1:], mode="bilinear", align_corners=False)[0]
        out = torch.where(known >= 1, level, up + known * (level - up))
    return out


def _down(planes: Tensor) -> Tensor:
    """[n, h, w] at half the size, rounded up: binomial over four pixels, the border's repeated."""
    h, w = planes.shape[1:]
    padded = F.pad(planes, (1, 1 + w % 2, 1, 1 + h % 2), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(padded, 2, 1), 2, 1), 2)

"""How alike two pictures look: LPIPS where its weights are at hand, else edges at several scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.models import find_lpips
from cinegan_cli.nn.lpips import SMALLEST_SIDE

SCALES = 3  # as many as the release takes of LPIPS
SOFT = 0.05  # of pictures in [-1, 1]: contrast below which a place counts as flat

Distance = Callable[[Tensor, Tensor], Tensor]


def perceptual_distance(paths: Sequence[Path], device: torch.device) -> Distance:
    """`(a, b [B, 3, H, W] in [-1, 1]) -> scalar`: LPIPS from the files of `paths`, else the one installed.

    `edge_distance` where there is none, or `paths` is "none". Raises InputError when they are not weights of LPIPS.
    """
    found, _ = find_lpips(paths)
    if found is None:
        return edge_distance
    network = found.to(device)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        total = a.new_zeros(())
        for k in range(SCALES):
            if k:
                a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
            if min(a.shape[2:]) >= SMALLEST_SIDE:
                total = total + network(a.float() / 2 + 0.5, b.float() / 2 + 0.5).mean()
        return total

    return distance


def edge_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean difference of locally normalised gradients over three scales; 0 for equal pictures.

    As LPIPS it asks whether edges are where they belong rather than how strong they are: gradients are divided by the
    root mean square of both pictures' around. It knows nothing of meaning, and needs no weights.
    """
    total = a.new_zeros(())
    for k in range(SCALES):
        if k:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        if min(a.shape[2:]) < 4:
            break
        for axis in (2, 3):
            one, two = a.diff(dim=axis), b.diff(dim=axis)
            energy = F.avg_pool2d((one.square() + two.square()) / 2, 3, stride=1, padding=1, count_include_pad=False)
            total = total + ((one - two).abs() * torch.rsqrt(energy.mean(1, keepdim=True) + SOFT**2)).mean()
    return total / (2 * SCALES)

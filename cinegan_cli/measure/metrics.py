"""Distances between two pictures: RMSE, PSNR, MS-SSIM. Pictures are float tensors [3, H, W] in [0, 1].

Each takes a `weight` [H, W] >= 0 that says how much every pixel counts, None for all alike.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of the five scales (Wang et al. 2003)
WINDOW = 11  # px; a Gaussian of sigma 1.5 (Wang et al. 2004)
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


def rmse(a: Tensor, b: Tensor, weight: Tensor | None = None) -> float:
    """Root of the mean squared difference, in levels (0 to 255). NaN when nothing counts."""
    squares = (a.double() - b.double()).square()
    if weight is None:
        return 255 * float(squares.mean().sqrt())
    counted = weight.double()
    return 255 * float(((squares.mean(0) * counted).sum() / counted.sum()).sqrt())


def psnr(a: Tensor, b: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal to noise ratio in dB; infinite for equal pictures."""
    error = rmse(a, b, weight)
    return math.inf if error == 0 else 20 * math.log10(255 / error)


def ssim(a: Tensor, b: Tensor, weight: Tensor | None = None) -> float:
    """Structural similarity (Wang et al. 2004), 1 for equal pictures; mean over the channels and the windows inside.

    `weight` and errors as of `ms_ssim`.
    """
    if a.shape != b.shape or min(a.shape[1:]) < WINDOW:
        raise ValueError(f"need two pictures of one size, 11 px or more, got {tuple(a.shape)} and {tuple(b.shape)}")
    luminance, structure = _similarity(a[:, None].float(), b[:, None].float())
    return float(_mean(luminance * structure, None if weight is None else weight[None, None].float()).mean())


def ms_ssim(a: Tensor, b: Tensor, weight: Tensor | None = None) -> float:
    """Multi-scale structural similarity (Wang et al. 2003), 1 for equal pictures; mean over the channels.

    Contrast and structure at every scale, luminance at the coarsest; a negative mean counts as 0. Windows lie wholly
    inside the picture; with `weight` each counts as much as its centre. Pictures under 176 px are compared at fewer
    scales, the exponents scaled to the same sum. NaN when nothing counts.
    Raises ValueError when the sizes differ or a side is under 11 px.
    """
    if a.shape != b.shape or min(a.shape[1:]) < WINDOW:
        raise ValueError(f"need two pictures of one size, 11 px or more, got {tuple(a.shape)} and {tuple(b.shape)}")
    count = min(len(SCALES), int(math.log2(min(a.shape[1:]) / WINDOW)) + 1)
    total = sum(SCALES[:count])
    x, y = a[:, None].float(), b[:, None].float()  # [3, 1, H, W]
    counted = None if weight is None else weight[None, None].float()
    result = torch.ones(3, device=a.device)
    for k in range(count):
        luminance, structure = _similarity(x, y)
        part = structure if k < count - 1 else luminance * structure
        result = result * _mean(part, counted).clamp_min(0) ** (SCALES[k] / total)
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        counted = None if counted is None else F.avg_pool2d(counted, 2)
    return float(result.mean())


def _mean(part: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of [3, 1, h, w] over the places; `weight` [1, 1, h + 10, w + 10] is the picture's."""
    if weight is None:
        return part.mean(dim=(1, 2, 3))
    half = WINDOW // 2
    counted = weight[:, :, half:-half, half:-half]
    return (part * counted).sum(dim=(1, 2, 3)) / counted.sum()


def _similarity(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and contrast-structure terms of SSIM at every place of [3, 1, H, W]."""
    if torch.equal(x, y):  # as static areas are: nothing to compute
        one = torch.ones_like(x[:, :, WINDOW - 1 :, WINDOW - 1 :])
        return one, one
    mx, my = _blur(x), _blur(y)
    vx, vy, vxy = _blur(x * x) - mx * mx, _blur(y * y) - my * my, _blur(x * y) - mx * my
    return (2 * mx * my + C1) / (mx * mx + my * my + C1), (2 * vxy + C2) / (vx + vy + C2)


def _blur(x: Tensor) -> Tensor:
    """[3, 1, H, W] → [3, 1, H - 10, W - 10]."""
    # a sum of shifted pictures: MS-SSIM at 640x360 takes 0.04 s of one core, 0.41 with conv2d
    weights = [math.exp(-0.5 * ((k - WINDOW // 2) / SIGMA) ** 2) for k in range(WINDOW)]
    for axis in (2, 3):
        size = x.shape[axis] - WINDOW + 1
        total = torch.zeros_like(x.narrow(axis, 0, size))
        for k, weight in enumerate(weights):
            total.add_(x.narrow(axis, k, size), alpha=weight / sum(weights))
        x = total
    return x

"""Pixels no vote reached: filled smoothly from around, or as the paper does."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.bands import pull_push, pull_push_on_device

HOLE = 1e-3  # a pixel with fewer votes is empty
MEDIAN_SIDE = 7  # supplement A.a
LARGE_SHARE = 0.03  # holes over this share of the area are inpainted instead (supplement A.a)
INPAINT_RADIUS = 3.0  # px


def fill_holes(values: Tensor, known: Tensor, fill: str) -> Tensor:
    """`values` float32 [C, H, W] where `known` bool [H, W] is false replaced from their surroundings.

    `fill="smooth"`: pull-push, no edges of its own. `fill="paper"`: 7×7 median of known pixels, and Telea's inpainting
    when holes cover more than 3 % (and for holes too wide for the median), as StyleCineGAN's supplement, A.a.
    """
    if fill == "smooth" and values.is_cuda:  # to ask whether there is a hole would be to wait for all before
        return torch.where(known, values, pull_push_on_device(values, known))
    if bool(known.all()):
        return values
    if fill == "smooth":
        return torch.where(known, values, pull_push(values, known.to(values.dtype)).to(values.device))
    if float((~known).float().mean()) <= LARGE_SHARE:
        values, known = _fill_median(values, known)
    return values if bool(known.all()) else _inpaint(values, known)


def _fill_median(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Median of the known neighbours of each hole; also returns what is known afterwards."""
    half = MEDIAN_SIDE // 2
    ys, xs = torch.nonzero(~known, as_tuple=True)  # [n]
    unknown = values.masked_fill(~known, torch.nan)
    padded = F.pad(unknown, (half,) * 4, value=torch.nan)
    offsets = torch.arange(MEDIAN_SIDE, device=values.device)
    window = padded[:, (ys[:, None] + offsets)[:, :, None], (xs[:, None] + offsets)[:, None, :]]  # [C, n, 7, 7]
    median = window.flatten(2).nanmedian(dim=2).values  # [C, n]
    found = ~median[0].isnan()
    out, now_known = values.clone(), known.clone()
    out[:, ys[found], xs[found]] = median[:, found]
    now_known[ys[found], xs[found]] = True
    return out, now_known


def _inpaint(values: Tensor, known: Tensor) -> Tensor:
    """Telea's fast marching, one channel at a time (OpenCV takes float32 only so), kept within the known values.

    By itself it extrapolates gradients beyond them.
    """
    holes = (~known).to(torch.uint8).cpu().numpy()
    channels = values.masked_fill(~known, 0.0).cpu().numpy()
    filled = [cv2.inpaint(np.ascontiguousarray(c), holes, INPAINT_RADIUS, cv2.INPAINT_TELEA) for c in channels]
    low, high = values[:, known].amin(1), values[:, known].amax(1)
    return torch.from_numpy(np.stack(filled)).to(values.device).clamp(low[:, None, None], high[:, None, None])

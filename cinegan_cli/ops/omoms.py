"""The coefficients that `sample` reads with the kernel "omoms", from a picture.

An o-Moms is a piecewise cubic kernel, 4 pixels wide, that like a spline reads coefficients instead of pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from cinegan_cli.ops._checks import check_tensor
from cinegan_cli.ops.sample_reference import _border_index

POLE = (105**0.5 - 13) / 8  # of 21 / (4 z + 13 + 4 / z), the inverse of the kernel's values at integers
REACH = 16  # px: |POLE| ** 17 is under float32's last bit
_RESPONSE = POLE ** np.abs(np.arange(-REACH, REACH + 1, dtype=np.float64))
TAPS = (_RESPONSE / _RESPONSE.sum()).astype(np.float32)  # what the inverse filter makes of a single pixel


def omoms_coefficients(picture: Tensor) -> Tensor:
    """c with sum over p of k(q - p) c[p] = picture[q] at every pixel q, for the cubic o-Moms k; mirrored at the border.

    Blu, Thévenaz and Unser, "MOMS: maximal-order interpolation of minimal support", IEEE Trans. Image Processing
    10(7), 2001. One filter along both axes.

    Args:
        picture: [C, H, W] float32, H and W at least 1, on any device. No gradients.

    Returns:
        [C, H, W] float32.

    Raises:
        TypeError, ValueError: an argument of the wrong type or shape.
    """
    check_tensor("picture", picture, ("C", "H", "W"), (torch.float32,))
    if picture.device.type != "cpu":
        return _on_device(picture)
    out = torch.empty(picture.shape)
    for plane, filtered in zip(picture.detach().numpy(), out.numpy(), strict=True):
        cv2.sepFilter2D(plane, -1, TAPS, TAPS, dst=filtered, borderType=cv2.BORDER_REFLECT_101)
    return out


def _on_device(picture: Tensor) -> Tensor:
    """By sums of shifted pictures: a convolution on a card may round what it multiplies to 10 bits (TF32)."""
    for axis in (2, 1):
        size = picture.shape[axis]
        places = torch.arange(-REACH, size + REACH, device=picture.device)
        longer = picture.detach().index_select(axis, _border_index(places, size, "reflect"))
        picture = torch.zeros_like(picture, memory_format=torch.contiguous_format)
        for i, tap in enumerate(TAPS.tolist()):
            picture.add_(longer.narrow(axis, i, size), alpha=tap)
    return picture

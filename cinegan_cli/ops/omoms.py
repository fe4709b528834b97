"""The coefficients that `sample` reads with the kernel "omoms", from a picture."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.ops._checks import check_tensor
from cinegan_cli.ops.sample_reference import _border_index

POLE = (105**0.5 - 13) / 8  # of 21 / (4 z + 13 + 4 / z), the inverse of the kernel's values at integers
REACH = 16  # px: |POLE| ** 17 is under float32's last bit
_ANSWER = POLE ** np.abs(np.arange(-REACH, REACH + 1, dtype=np.float64))
TAPS = (_ANSWER / _ANSWER.sum()).astype(np.float32)  # what the inverse filter makes of a single pixel


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
    if picture.is_cuda:
        return _on_device(picture)
    out = torch.empty(picture.shape)
    for plane, filtered in zip(picture.detach().numpy(), out.numpy(), strict=True):
        cv2.sepFilter2D(plane, -1, TAPS, TAPS, dst=filtered, borderType=cv2.BORDER_REFLECT_101)
    return out


def _on_device(picture: Tensor) -> Tensor:
    """By PyTorch's convolution, which takes 12 times as long on a CPU."""
    taps = torch.from_numpy(TAPS).to(picture.device)
    with torch.no_grad():
        planes = F.conv2d(_mirrored(picture[:, None], 3), taps.view(1, 1, 1, -1))
        return F.conv2d(_mirrored(planes, 2), taps.view(1, 1, -1, 1))[:, 0]


def _mirrored(planes: Tensor, axis: int) -> Tensor:
    """Longer by `REACH` at both ends of an axis."""
    size = planes.shape[axis]
    places = torch.arange(-REACH, size + REACH, device=planes.device)
    return planes.index_select(axis, _border_index(places, size, "reflect"))

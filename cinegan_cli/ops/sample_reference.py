"""sample in plain PyTorch, from its equation: the measure of the native kernels, and what runs where there are none."""

from __future__ import annotations

import torch
from torch import Tensor


def lanczos3(x: Tensor) -> Tensor:
    """sinc(x) sinc(x / 3) for |x| < 3, else 0."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), 0)


def bicubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -1/2 (Catmull-Rom): exact for quadratic pictures."""
    a = x.abs()
    near, far = (1.5 * a - 2.5) * a * a + 1, ((-0.5 * a + 2.5) * a - 4) * a + 2
    return torch.where(a <= 1, near, torch.where(a < 2, far, 0))


def omoms(x: Tensor) -> Tensor:
    """The cubic o-Moms (Blu, Thévenaz and Unser 2001, Table I), of what `omoms_coefficients` makes of a picture."""
    a = x.abs()
    near, far = ((0.5 * a - 1) * a + 1 / 14) * a + 13 / 21, ((-a / 6 + 1) * a - 85 / 42) * a + 29 / 21
    return torch.where(a <= 1, near, torch.where(a < 2, far, 0))


# The function, and its radius in px.
KERNELS = {"lanczos3": (lanczos3, 3), "bicubic": (bicubic, 2), "omoms": (omoms, 2)}


def sample_reference(image: Tensor, positions: Tensor, kernel: str, border: str) -> Tensor:
    """out[q] = sum over pixels p of k(q_x - p_x) k(q_y - p_y) image[p], with k normalised to sum 1 along each axis.

    Arguments and result are those of `sample`; both tensors of one float type.
    """
    b, c, height, width = image.shape
    finite = positions.isfinite().all(dim=1, keepdim=True)  # [B, 1, h, w]
    positions = positions.where(finite, 0)
    columns, across = _taps(positions[:, 0], width, kernel, border)  # [B, K, h, w] each
    rows, along = _taps(positions[:, 1], height, kernel, border)
    pixels = image.flatten(2)  # [B, C, H W]
    out = image.new_zeros(b, c, *positions.shape[2:])
    for row, vertical in zip(rows.unbind(1), along.unbind(1), strict=True):
        line = torch.zeros_like(out)
        for column, horizontal in zip(columns.unbind(1), across.unbind(1), strict=True):
            index = (row * width + column).flatten(1)[:, None].expand(-1, c, -1)
            line = line + horizontal[:, None] * pixels.gather(2, index).view_as(out)
        out = out + vertical[:, None] * line
    return out.where(finite, 0)


def _taps(position: Tensor, size: int, kernel: str, border: str) -> tuple[Tensor, Tensor]:
    """The pixels [B, K, h, w] that positions [B, h, w] along one axis of `size` pixels read, and their weights."""
    function, radius = KERNELS[kernel]
    position = _near(position, size, border)
    whole = position.detach().floor()
    part = position - whole
    offsets = torch.arange(1 - radius, radius + 1, device=position.device).view(1, -1, 1, 1)
    weights = function(part[:, None] - offsets)
    weights = weights / weights.sum(dim=1, keepdim=True)
    if kernel == "lanczos3":  # sinc is not exactly 0 at integers; there the value is set, and the derivative kept
        exact = (offsets == 0).to(weights.dtype)
        weights = weights + torch.where(part[:, None] == 0, exact - weights, 0).detach()
    return _border_index(whole.long()[:, None] + offsets, size, border), weights


def _near(position: Tensor, size: int, border: str) -> Tensor:
    """Finite positions brought within reach of integers without changing what is read there; `fmod` is exact."""
    if border == "clamp":
        return position.clamp(-4, size + 3)
    return position.fmod(2 * (size - 1)) if size > 1 else position * 0


def _border_index(index: Tensor, size: int, border: str) -> Tensor:
    """The pixel that stands for one outside: the nearest ("clamp"), or mirrored about the edge pixels ("reflect")."""
    if border == "clamp":
        return index.clamp(0, size - 1)
    if size == 1:
        return torch.zeros_like(index)
    index = index.remainder(2 * (size - 1))
    return torch.minimum(index, 2 * (size - 1) - index)

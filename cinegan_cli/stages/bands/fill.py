"""Fill what is unknown from what is known around it, smoothly: the pull-push pyramid."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]


def pull_push(values: Tensor, weight: Tensor) -> Tensor:
    """Extend `values` from where `weight` is high to everywhere (`docs/spec/stylecinegan.md`, section 3.6).

    `values[c, y, x]` float [C, H, W] is known as far as `weight[y, x]` [H, W] in [0, 1] says; the result, float32
    [C, H, W] on the CPU, is `weight * values + (1 - weight) * fill`, so known pixels keep their bits. The fill is a
    convex combination of known values (nothing overshoots). Values of weight 0, NaN included, are never looked at.
    With no weight at all the result is 0. Raises ValueError when the shapes do not fit.
    """
    if values.ndim != 3 or weight.shape != values.shape[1:]:
        raise ValueError(
            f"values must be [C, H, W] and weight [H, W], got {tuple(values.shape)}, {tuple(weight.shape)}"
        )
    planes: Array = values.detach().to("cpu", torch.float32).numpy()
    known: Array = np.clip(weight.detach().to("cpu", torch.float32).numpy(), 0.0, 1.0)
    weights, sums = _weight_pyramid(known)
    filled = np.empty(planes.shape, np.float32)
    for channel, plane in enumerate(planes):  # one at a time: a third of the memory for a 3840x2160 picture
        filled[channel] = _fill_plane(plane, weights, sums)
    return torch.from_numpy(filled)


def _weight_pyramid(known: Array) -> tuple[list[Array], list[Array]]:
    """Weights of each level, and of each coarser level the weight sums that its values are divided by.

    A cell that saw a quarter of a known one counts as known: nearby values then win over distant averages. Stops when
    all is known, or at one pixel.
    """
    weights, sums = [known], []
    while weights[-1].min() < 1.0 and max(weights[-1].shape) > 1:
        sums.append(_down(weights[-1]))
        weights.append(np.minimum(4.0 * sums[-1], 1.0))
    return weights, sums


def _fill_plane(plane: Array, weights: list[Array], sums: list[Array]) -> Array:
    """One channel [H, W]: pull averages to the coarse levels, push them back into the gaps."""
    levels = [np.where(weights[0] > 0.0, plane, np.float32(0.0))]
    for weight, total in zip(weights, sums, strict=False):
        average = _down(levels[-1] * weight)
        levels.append(np.divide(average, total, out=np.zeros_like(average), where=total > 0.0))
    out = levels[-1] if weights[-1].max() > 0.0 else np.zeros_like(levels[-1])
    for level, weight in zip(levels[-2::-1], weights[-2::-1], strict=True):
        up = _up(out, level.shape)
        out = np.where(weight >= 1.0, level, up + weight * (level - up))
    return out


def _down(image: Array) -> Array:
    """Half the size, rounded up: 5-tap binomial, smooth where a box would leave blocks."""
    result: Any = cv2.pyrDown(image)
    return np.asarray(result, np.float32).reshape(-(-image.shape[0] // 2), -(-image.shape[1] // 2))


def _up(image: Array, shape: tuple[int, ...]) -> Array:
    """Twice the size (`shape`), the inverse sampling of `_down`."""
    result: Any = cv2.pyrUp(image, dstsize=(shape[1], shape[0]))
    return np.asarray(result, np.float32).reshape(shape)

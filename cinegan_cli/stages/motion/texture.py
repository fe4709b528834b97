"""What the texture of a picture says about motion: the direction of its streaks, per cell of the motion grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.stages.bands import pull_push

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Texture:
    """All float32 [h, w]. `cos2`, `sin2`: the streaks' angle doubled, times the coherence (0 none to 1 parallel lines);
    angle 0 = horizontal, 90 degrees = vertical, measured towards +y (down).
    """

    cos2: Array
    sin2: Array

    @property
    def upright(self) -> Array:
        """Share of vertical structure, -1 (all lines horizontal) to 1 (all lines vertical)."""
        return -self.cos2


def structure(luminance: Array, inside: Array, sigma: float) -> Texture:
    """Smoothed structure tensor of `luminance` [h, w] over the area `inside` [h, w] in [0, 1]; `sigma` in cells.

    What lies outside is first filled from inside, so that the silhouette of a rock does not count as a streak, and the
    tensor is averaged with `inside` as weight, so that it does not fade towards the border.
    """
    sure = np.asarray(cv2.erode(inside, np.ones((3, 3), np.uint8)), np.float32)
    filled = pull_push(torch.from_numpy(luminance)[None], torch.from_numpy(sure))[0].numpy()
    smooth = blur(filled, 1.0)
    dx: Any = cv2.Scharr(smooth, cv2.CV_32F, 1, 0, scale=1 / 32)
    dy: Any = cv2.Scharr(smooth, cv2.CV_32F, 0, 1, scale=1 / 32)
    # a few glaring edges must not drown the many fine ones: compress the gradient to its square root
    size = np.sqrt(np.hypot(dx, dy) + 1e-8)
    gx, gy = dx / size, dy / size
    norm = blur(sure, sigma) + 1e-4
    xx, yy, xy = (blur(part * sure, sigma) / norm for part in (gx * gx, gy * gy, gx * gy))
    trace = xx + yy + 2e-3  # a floor: noise in flat areas has no orientation
    # the streak runs across the gradient: rotate by 90 degrees, so both doubled components change sign
    cos2, sin2 = np.asarray((yy - xx) / trace, np.float32), np.asarray(-2 * xy / trace, np.float32)
    return Texture(cos2, sin2)


def luminance_of(colours: Array) -> Array:
    """Rec. 601 luma [h, w] of [h, w, 3] (R, G, B)."""
    return np.asarray(colours @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def blur(image: Array, sigma: float) -> Array:
    """Gaussian, [h, w]. Wide ones are made at a reduced size, for speed."""
    height, width = image.shape
    step = min(int(sigma // 3), height // 4, width // 4)
    if step < 2:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
    small: Any = cv2.resize(image, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def blur_inside(image: Array, inside: Array, sigma: float) -> Array:
    """Gaussian average of [h, w] over `inside` [h, w] in [0, 1] only; what lies outside is not mixed in."""
    return np.asarray(blur(image * inside, sigma) / (blur(inside, sigma) + 1e-4), np.float32)

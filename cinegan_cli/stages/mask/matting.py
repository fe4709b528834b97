"""From the network's coarse probabilities to a mask with the photo's own edges.

First the paper's clean-up (Supplement A.a and the release: dilate, erode twice, drop specks and fill holes by contour,
but of 1 % and not 3 % of the picture: falls and ponds are that small, and held-out photos gain 0.3 % of IoU). Then, in
a band around the outline, a local linear model of "moves" on colour (guided filter, He et al. 2013), fitted at a small
size on the pixels the network is sure of and applied at the photo's size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]  # float32
Bytes = npt.NDArray[Any]  # uint8
_GUIDE_SIDE = 768  # long side at which the colour model is fitted
_REACH = 0.02  # half width of the refined band, as a part of the long side
_WINDOW = 0.02  # radius of the colour model's window, likewise
_NOISE = 1e-3  # variance of colour (in [0, 1]²) below which two colours count as one
_OPINION = 0.15  # least weight of the network's probability beside the colour model's value
_GRAIN = 2e-3  # variance of colour that is granted to any surface
_STEEPNESS = 3.0  # contrast of the final edge: one soft pixel where the photo has a sharp edge


def refine(photo: Bytes, outline: Bytes, moving: Floats) -> Floats:
    """Alpha [H, W] in [0, 1] with the photo's edges; exactly 0 or 1 outside the band around `outline`.

    photo [H, W, 3] RGB; outline [h, w] 0 or 1 from `clean`; moving [·, ·] the network's probabilities.
    """
    height, width = photo.shape[:2]
    scale = min(1.0, _GUIDE_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    side = max(size)
    guide = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    binary = (cv2.resize(outline.astype(np.float32), size) > 0.5).astype(np.uint8)
    if binary.min() == binary.max():
        return np.full((height, width), float(binary.max()), np.float32)
    distance = _signed_distance(binary)
    network = cv2.resize(moving, size, interpolation=cv2.INTER_LINEAR)
    reach = _REACH * side
    band = np.abs(distance) < reach
    # the network's opinion, but for what clean-up has dropped, filled or rounded off
    opinion = np.where((network > 0.5) == (binary > 0), network, 0.25 + 0.5 * binary).astype(np.float32)
    target = np.where(band, opinion, binary).astype(np.float32)
    # first learn the two sides' colours away from the outline, then again from what that model makes of the band:
    # the network's outline runs through branches, and half wrong labels would teach that colour means nothing
    weight = np.where(band, 0.01, 1).astype(np.float32)
    slopes, offset, trust = _evidence(guide, target, weight, 2 * _WINDOW * side, opinion)
    seen = np.clip(((slopes * guide).sum(2) + offset - 0.5) * _STEEPNESS + 0.5, 0, 1)
    target = np.where(band, trust * seen + (1 - trust) * opinion, target).astype(np.float32)
    slopes, offset, trust = _evidence(guide, target, np.ones_like(target), _WINDOW * side, opinion)
    # where colours do not tell the sides apart, the clean outline is better than a blurred edge
    edge = np.clip(0.5 + distance / (0.006 * side), 0, 1)
    alpha = _apply(photo, slopes * trust[:, :, None], trust * offset + (1 - trust) * edge)
    alpha = np.clip((alpha - 0.5) * _STEEPNESS + 0.5, 0, 1)
    outer = cv2.resize(distance / reach, (width, height), interpolation=cv2.INTER_LINEAR)
    alpha[outer >= 1] = 1
    alpha[outer <= -1] = 0
    return alpha


def _evidence(
    guide: Floats, target: Floats, weight: Floats, radius: float, opinion: Floats
) -> tuple[Floats, Floats, Floats]:
    """Slopes [h, w, 3] and offset [h, w] of alpha on colour, the network's opinion in it, and how far to trust them.

    Where a colour lies on the moving side of the local model but is no mixture of what is on the two sides (a snow cap
    against blue sky, a lit window), the opinion weighs fully; else colours overrule it, or branches would stay a lump.
    """
    pixels = max(2, round(radius))
    slopes, offset, fit = _colour_model(guide, target, weight, pixels)
    strange = _strangeness(guide, target, weight, pixels) * ((slopes * guide).sum(2) + offset > 0.5)
    offset = offset + (_OPINION + (1 - _OPINION) * strange) * (opinion - 0.5)
    return slopes, offset, np.clip((fit - 0.2) / 0.4, 0, 1)


def _strangeness(guide: Floats, target: Floats, weight: Floats, radius: int) -> Floats:
    """How far each colour is from every mixture of the two sides' local mean colours: 0 to 1, [h, w].

    A pixel half branch, half sky lies on the line between the means; a snow cap lies off it.
    """
    window = (2 * radius + 1, 2 * radius + 1)
    means, spreads = [], []
    for share in (weight * (1 - target) ** 4, weight * target**4):
        norm = cv2.boxFilter(share, -1, window)[:, :, None] + 1e-6
        mean = cv2.boxFilter(guide * share[:, :, None], -1, window) / norm
        square = cv2.boxFilter(guide * guide * share[:, :, None], -1, window) / norm
        means.append(mean)
        spreads.append(np.maximum(square - mean * mean, 0).sum(2))
    line = means[1] - means[0]
    along = ((guide - means[0]) * line).sum(2) / ((line * line).sum(2) + 1e-6)
    nearest = means[0] + np.clip(along, 0, 1)[:, :, None] * line
    apart = np.sqrt(((guide - nearest) ** 2).sum(2) / (spreads[1] + _GRAIN))
    strangeness: Floats = np.clip((apart - 1) / 2, 0, 1)
    return strangeness


def _signed_distance(binary: Bytes) -> Floats:
    """Distance to the outline in pixels, positive inside."""
    inside = cv2.distanceTransform(binary, cv2.DIST_L2, 3)
    outside = cv2.distanceTransform(1 - binary, cv2.DIST_L2, 3)
    return cv2.GaussianBlur(inside - outside, (0, 0), 1.5)  # the outline's steps would show where it is the edge


def _colour_model(guide: Floats, target: Floats, weight: Floats, radius: int) -> tuple[Floats, Floats, Floats]:
    """Weighted local regression of `target` [h, w] on colour `guide` [h, w, 3] in windows of `radius`.

    Returns slopes [h, w, 3], offset [h, w], and the part of the target's variance that colour explains [h, w].
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(x: Floats) -> Floats:
        return cv2.boxFilter(x, -1, window, borderType=cv2.BORDER_REFLECT_101)

    norm = mean(weight)
    colour = mean(guide * weight[:, :, None]) / norm[:, :, None]
    level = mean(target * weight) / norm
    cross = mean(guide * (target * weight)[:, :, None]) / norm[:, :, None] - colour * level[:, :, None]
    spread = np.maximum(mean(target * target * weight) / norm - level * level, 1e-4)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    covariance = [
        mean(guide[:, :, i] * guide[:, :, j] * weight) / norm - colour[:, :, i] * colour[:, :, j] + (i == j) * _NOISE
        for i, j in pairs
    ]
    slopes = _solve(covariance, cross)
    fit = np.clip((slopes * cross).sum(2) / spread, 0, 1)
    offset = level - (slopes * colour).sum(2)
    return mean(slopes), mean(offset), mean(fit.astype(np.float32))


def _solve(symmetric: list[Floats], right: Floats) -> Floats:
    """Cramer's rule per pixel: [xx, xy, xz, yy, yz, zz] maps and right [h, w, 3] → [h, w, 3]."""
    xx, xy, xz, yy, yz, zz = symmetric
    a, b, c = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    d, e, f = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * a + xy * b + xz * c
    x, y, z = right[:, :, 0], right[:, :, 1], right[:, :, 2]
    return np.asarray(
        np.dstack((a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z)) / determinant[:, :, None]
    )


def _apply(photo: Bytes, slopes: Floats, offset: Floats) -> Floats:
    """The colour model at the photo's own size, channel by channel to keep memory at three planes."""
    size = (photo.shape[1], photo.shape[0])
    alpha: Floats = cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR)
    for c in range(3):
        slope: Floats = cv2.resize(np.ascontiguousarray(slopes[:, :, c]), size, interpolation=cv2.INTER_LINEAR)
        slope *= photo[:, :, c] * np.float32(1 / 255)
        alpha += slope
    return alpha

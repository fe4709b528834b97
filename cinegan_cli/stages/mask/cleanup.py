"""Clean-up of a network's probabilities into one outline: specks and holes go, as in StyleCineGAN's supplement, A.a.

Theirs are 3 % of the picture, after opening and closing; a network that is right more often needs less
(`docs/measurements.md`, Clean-up).
"""

from __future__ import annotations

import cv2
import numpy as np

from cinegan_cli.stages.mask.matting import Bytes, Floats

_CLEAN_SIDE = 512  # clean-up works at the paper's size
_SPECK = 0.002  # smallest moving part, as a part of the picture
_HOLE = 0.001  # largest static part that is filled, likewise
_PATCH = 0.03  # largest patch of sky in water, or of water in sky, that is taken for a mistake
_PATCH_RIM = 0.3


def clean(moving: Floats) -> Bytes:
    """Binary outline of what moves, 0 or 1, from probabilities [h, w], at 512 px on the long side."""
    scale = _CLEAN_SIDE / max(moving.shape)
    size = (max(1, round(moving.shape[1] * scale)), max(1, round(moving.shape[0] * scale)))
    mask: Bytes = (cv2.resize(moving, size, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    mask = _without_small(mask, _SPECK * mask.size)
    return np.asarray(1 - _without_small(1 - mask, _HOLE * mask.size), np.uint8)


def _without_small(mask: Bytes, area: float) -> Bytes:
    """Drop the connected parts of fewer than `area` pixels; their own holes do not count as part of them."""
    contours, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    kept = mask.copy()
    for k in range(len(contours)):
        if tree[0][k][3] >= 0:  # the outline of a hole
            continue
        part = np.zeros_like(mask)
        cv2.drawContours(part, contours, k, 1, cv2.FILLED, hierarchy=tree, maxLevel=1)
        part &= mask
        if part.sum() < area:
            kept[part > 0] = 0
    return kept


def reassign_patches(sky: Floats, water: Floats, outline: Bytes) -> tuple[Floats, Floats]:
    """Exchange the probabilities [h, w] of small patches of one kind that lie in the other: no sky inside a fall.

    A patch counts when it is under 3 % of the picture and at least 30 % of its rim is of the other kind, not static.
    Returns new sky and water [h, w].
    """
    size = (sky.shape[1], sky.shape[0])
    inside = cv2.resize(outline, size, interpolation=cv2.INTER_NEAREST)
    kinds = [((sky >= water) & (inside > 0)).astype(np.uint8), ((sky < water) & (inside > 0)).astype(np.uint8)]
    exchanged: Bytes = np.zeros_like(inside)
    for kind, other in (kinds, kinds[::-1]):
        count, patches, stats, _ = cv2.connectedComponentsWithStats(kind, connectivity=4)
        for k in range(1, count):
            if stats[k, cv2.CC_STAT_AREA] > _PATCH * kind.size:
                continue
            patch = (patches == k).astype(np.uint8)
            rim = cv2.dilate(patch, np.ones((3, 3), np.uint8)) - patch
            if (rim & other).sum() >= _PATCH_RIM * rim.sum():
                exchanged = np.maximum(exchanged, patch)
    return np.where(exchanged > 0, water, sky), np.where(exchanged > 0, sky, water)

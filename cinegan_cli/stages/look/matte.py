"""The sky's matte for the style stage: finer than what moves needs, since a night sky shows every gap it missed.

The mask stage decides what moves, and may leave out twigs and gaps; here colours decide in a wide zone around whatever
the network is not sure of: a pixel is as much sky as it lies on the way from the land's colour to the sky's.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.mask import clean, refine

Floats = npt.NDArray[Any]  # float32
Bytes = npt.NDArray[Any]  # uint8

SIDE = 768  # px, long side at which zones and the two sides' colours are found
ZONE = 0.012  # half width of the zone beside any outline, as a part of the long side
LEVEL = 0.6  # sky beside water over sky above it, from which on it is no water
ALIKE = (0.03, 0.12)  # share of land near by that looks like sky: from none of colour's say to all of it lost (snow)
FINE = 0.008  # half width of a piece that colours may give to the other side, likewise
THIN = 0.03  # width of a mast or a tower that the network may have missed, likewise
THIN_CONTRAST = 0.13  # how much darker than the sky around it such a thing is (sRGB)
APART = (0.08, 0.22)  # difference of the sides' colours (sRGB): below colour says nothing, above it decides
OFF_LINE = 0.45  # distance from the line between both colours, in its lengths, at which a pixel is neither


def disentangled(sky: Floats, water: Floats) -> tuple[Floats, Floats]:
    """Sky and water [h, w] where the network wavers between them: what most of the surroundings are.

    Seen under a tree, pale sky has something of a lake. But a lake's border with the sky is level: water with sky
    beside it, not only above it, is sky.
    """
    either = sky + water
    reach = 0.06 * max(sky.shape)
    norm = cv2.GaussianBlur(sky * sky + water * water, (0, 0), reach) + 1e-6
    around = cv2.GaussianBlur(sky * sky, (0, 0), reach) / norm
    sure = np.clip((np.maximum(sky, water) / np.maximum(either, 1e-6) - 0.65) / 0.2, 0, 1)
    share = sure * (sky > water) + (1 - sure) * (around > 0.4)
    is_sky = ((share >= 0.5) & (either > 0.3)).astype(np.uint8)
    count, parts = cv2.connectedComponents(((share < 0.5) & (either > 0.3)).astype(np.uint8), connectivity=4)
    step = max(1, round(0.01 * max(sky.shape)))
    aside = np.roll(is_sky, step, 1) | np.roll(is_sky, -step, 1)
    aside[:, :step] = aside[:, -step:] = 0
    above = np.roll(is_sky, step, 0)
    above[:step] = 0
    for k in range(1, count):
        part = parts == k
        if aside[part].sum() > max(LEVEL * above[part].sum(), 4 * step * step):
            share = np.where(part, 1.0, share)
    return either * share, either * (1 - share)


def sky_matte(photo: Bytes, sky: Floats) -> Floats:
    """Share of sky [H, W] of the photo uint8 [H, W, 3], from the network's probability `sky` [h, w]."""
    height, width = photo.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    probability = cv2.resize(sky, size, interpolation=cv2.INTER_LINEAR)
    base = refine(photo, clean(sky), sky)
    small_base = cv2.resize(base, size, interpolation=cv2.INTER_AREA)
    zone = _zone(small, small_base, probability)
    sides = [_side(small, (share * (zone == 0)).astype(np.float32)) for share in (small_base, 1 - small_base)]
    if min(float(known) for _, known in sides) == 0:
        return base
    sure_land = ((1 - small_base) * (zone == 0)).astype(np.float32)
    colours = [colours for colours, _ in sides]
    zone = zone * _telling(small, sure_land, *colours)
    tried = _decided((small * 255).astype(np.uint8), small_base, zone, *colours)
    return _decided(photo, base, zone * _fine(tried, small_base), *colours)


def _fine(matte: Floats, base: Floats) -> Floats:
    """Where colours correct no more than fine structure, 0 to 1 [h, w].

    Twigs, masts and the gaps between leaves are what the network misses; a large piece that changes sides is snow under
    clouds, or a waterfall under a pale sky.
    """
    reach = max(1, round(FINE * max(base.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    changed = (np.abs(matte - base) > 0.4).astype(np.uint8)
    large = cv2.morphologyEx(changed, cv2.MORPH_OPEN, disc)
    _, parts = cv2.connectedComponents(changed, connectivity=8)
    whole = np.isin(parts, np.unique(parts[large > 0])) & (changed > 0)  # with its ragged rims
    near = whole.astype(np.uint8) & cv2.dilate(large, disc, iterations=2)
    return np.asarray(1 - cv2.GaussianBlur(cv2.dilate(near, disc).astype(np.float32), (0, 0), reach), np.float32)


def _telling(small: Floats, sure_land: Floats, sky: Floats, land: Floats) -> Floats:
    """How far colour tells land from sky near by, 0 to 1 [h, w]: not where much of the sure land looks like sky."""
    line = sky - land
    along, off = _placed(small - land, line, (line * line).sum(2) + 1e-4)
    alike = _matte_of(along, off) * sure_land
    reach = 0.06 * max(sure_land.shape)
    norm = cv2.GaussianBlur(sure_land, (0, 0), reach) + 1e-4
    found = cv2.GaussianBlur(alike, (0, 0), reach) / norm
    return np.asarray(1 - np.clip((found - ALIKE[0]) / (ALIKE[1] - ALIKE[0]), 0, 1), np.float32)


def _placed(away: Floats, line: Floats, length: Floats) -> tuple[Floats, Floats]:
    """How far along the line from land's colour to sky's, and how far off it (squared, in its lengths): [h, w] each."""
    along = (away * line).sum(2) / length
    rest = away - np.clip(along, 0, 1)[:, :, None] * line
    return along, (rest * rest).sum(2) / length


def _matte_of(along: Floats, off: Floats) -> Floats:
    return np.asarray(np.clip((along - 0.1) / 0.75, 0, 1) * np.exp(-off / OFF_LINE**2))


def _zone(small: Floats, base: Floats, probability: Floats) -> Floats:
    """Where colours decide, 0 to 1 with soft rims: beside outlines, where the network wavers, and in thin things."""
    side = max(base.shape)
    reach = max(1, round(ZONE * side))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    land = (base < 0.5).astype(np.uint8)
    rim = cv2.morphologyEx(land, cv2.MORPH_GRADIENT, disc)
    wavers = cv2.dilate(((probability > 0.02) & (probability < 0.9)).astype(np.uint8), disc)
    zone = np.maximum(np.maximum(rim, wavers), _thin(small, land, side, disc)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(zone, (0, 0), max(0.5, reach / 4)), np.float32)


def _thin(small: Floats, land: Bytes, side: int, disc: Bytes) -> Bytes:
    """Dark narrow things that stand on the land and reach into the sky: 0 or 1 [h, w]."""
    width = max(1, round(THIN * side))
    grey = small.mean(2)
    closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((1, 2 * width + 1), np.uint8))
    dark = ((closed - grey > THIN_CONTRAST) & (land == 0)).astype(np.uint8)
    _, parts = cv2.connectedComponents(np.maximum(dark, land), connectivity=8)
    standing = np.isin(parts, np.unique(parts[land > 0])) & (dark > 0)
    return np.asarray(cv2.dilate(standing.astype(np.uint8), disc[::2, ::2].copy()))


def _side(small: Floats, known: Floats) -> tuple[Floats, float]:
    """The colours of one side, continued smoothly everywhere [h, w, 3], and how much of it there is."""
    planes = torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))
    filled = pull_push(planes, torch.from_numpy((known > 0.9).astype(np.float32))).numpy().transpose(1, 2, 0)
    return np.ascontiguousarray(cv2.GaussianBlur(filled, (0, 0), 2)), float((known > 0.9).sum())


def _decided(photo: Bytes, base: Floats, zone: Floats, sky: Floats, land: Floats) -> Floats:
    """The matte in the zone, in strips to keep memory down; `base` elsewhere."""
    height, width = photo.shape[:2]
    line = sky - land
    length = (line * line).sum(2)
    trust = np.clip((np.sqrt(length) - APART[0]) / (APART[1] - APART[0]), 0, 1) * zone
    out = base.copy()
    maps = [np.ascontiguousarray(m, np.float32) for m in (*cv2.split(land), *cv2.split(line), length + 1e-4, trust)]
    for first in range(0, height, 128):
        last = min(first + 128, height)
        shift = np.array([[width / length.shape[1], 0, 0], [0, height / length.shape[0], -first]])
        shift[:, 2] += (shift[:, 0] + [0, shift[1, 1]]) / 2 - 0.5
        here = cv2.merge(
            [
                cv2.warpAffine(m, shift, (width, last - first), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                for m in maps
            ]
        )
        if here[:, :, 7].max() == 0:
            continue
        away = photo[first:last] * np.float32(1 / 255) - here[:, :, :3]
        matte = _matte_of(*_placed(away, here[:, :, 3:6], here[:, :, 6]))
        out[first:last] += here[:, :, 7] * (matte - out[first:last])
    return out

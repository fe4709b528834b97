"""Photos with arrows become motion samples: along the arrows as drawn, and smoothly in between (`stages.motion`).

Arrows are labelme's lines (NAME.json), or those of the shared file arrows.json: {NAME: {"regions": [{"kind": "river",
"sure": 0.9, "still": false, "arrows": [[x0, y0, x1, y1], ...]}, ...]}}, each one second's travel from its tail to its
head, in thousandths of the photo's width on both axes; `sure` is the probability that its way is right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import FRAME_RATE_OF_FILES, MaskConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.files import read_text
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.motion import Stroke, arrows_velocity, read_hints
from cinegan_cli.training.data.folder import MotionSample, Pixels, stored
from cinegan_cli.types import FOG, IGNORE, KINDS, LABEL_OF_KIND, SKY, STATIC, WATER, Photo

UNITS = 1000  # of arrows.json, to the width of the photo
LEAST_SURE = 0.5  # of a water's direction; a sky's is taken anyway, since training turns skies to one side
ARROWS = "arrows.json"  # name of the shared file

Regions = tuple[Mapping[str, Any], ...]


@lru_cache(maxsize=8)
def read_shared(path: Path, stamp: str) -> Mapping[str, Regions]:
    """The regions of each photo in arrows.json, as it is at `stamp`. Raises InputError."""
    try:
        photos = json.loads(read_text(path))
        return {str(name): tuple(entry["regions"]) for name, entry in photos.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no arrows ({error!r}); it is {{NAME: {{regions: [...]}}}}") from error


def drawn_sample(
    photo: Pixels, labels: Pixels | None, source: Path, regions: Regions | None, session: Session
) -> MotionSample:
    """A sample of a photo [h, w, 3] with arrows: `regions` of the shared file, or None where `source` is labelme's.

    What moves is sky or water as `labels` [h, w] say (0 static, 1 sky, 2 water, 255 unknown), else as the mask network
    sees it; where nothing was drawn nothing is learned. Raises InputError where no arrow lies on what moves.
    """
    height, width = photo.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(photo))
    rgb = pixels.permute(2, 0, 1).float().div(255).contiguous()
    picture = Photo(rgb, pixels, (width, height), (0.0, 0.0, width, height), (), source.name)
    kinds = _seen(picture, session) if labels is None else np.where(labels == IGNORE, STATIC, labels).astype(np.uint8)
    if regions is None:
        velocity = _along(read_hints(source, (width, height)), picture, kinds != STATIC)
    else:
        velocity = np.zeros((2, height, width), np.float32)
        for kind in (SKY, WATER):
            velocity += _along(_strokes(regions, kind, width, source), picture, kinds == kind)
    moves = np.hypot(*velocity) > 0
    if not moves.any():
        raise InputError(f"{source}: no arrow of {picture.name} lies where sky or water is")
    kinds = np.where(moves, kinds, STATIC).astype(np.uint8)
    field = stored(np.asarray(velocity / np.float32(FRAME_RATE_OF_FILES), np.float32))
    return MotionSample(photo, moves.astype(np.uint8) * np.uint8(255), field, kinds)


def _seen(photo: Photo, session: Session) -> Pixels:
    """Static, sky or water [h, w] as the mask network sees it. Raises CineganError where it does not run."""
    mask = make_mask(photo, MaskConfig(), session=session)
    assert mask.sky is not None
    assert mask.water is not None
    kinds = torch.where(mask.alpha < 0.5, STATIC, torch.where(mask.sky > mask.water, SKY, WATER))
    return np.asarray(kinds.numpy(), np.uint8)


def _strokes(regions: Regions, wanted: int, width: int, source: Path) -> list[Stroke]:
    """The arrows on sky or on water, in px of a photo that is `width` px wide. Raises InputError."""
    strokes = []
    try:
        for region in regions:
            label = LABEL_OF_KIND[KINDS.index(region["kind"])]
            kind = SKY if label in (SKY, FOG) else WATER
            if kind != wanted or (kind == WATER and region.get("sure", 1.0) < LEAST_SURE):
                continue
            for arrow in region["arrows"]:
                x0, y0, x1, y1 = (float(value) * width / UNITS for value in arrow)
                if np.isfinite([x0, y0, x1, y1]).all():
                    strokes.append(Stroke((x0, y0), (x1, y1), (x1 - x0, y1 - y0), f"an arrow of {source.name}"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{source}: a region is damaged ({error!r}); kinds are {', '.join(KINDS)}") from error
    return strokes


def _along(strokes: list[Stroke], photo: Photo, moving: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Velocity [2, h, w], px per second, along the strokes and in the parts of `moving` that they touch; else 0."""
    none = np.zeros((2, *moving.shape), np.float32)
    if not strokes or not moving.any():
        return none
    try:
        velocity, _ = arrows_velocity(strokes, photo, moving.astype(np.float32))
    except UsageError:  # none touches what moves
        return none
    return np.where(moving, velocity.numpy(), none)

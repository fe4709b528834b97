"""Photos with arrows become motion samples: along the arrows as drawn, and smoothly in between (`stages.motion`).

Arrows are labelme's lines (NAME.json), or those of the shared file (`training.data.arrows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import FRAME_RATE_OF_FILES, MaskConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.motion import Stroke, arrows_velocity, read_hints
from cinegan_cli.training.data.arrows import Arrow
from cinegan_cli.training.data.folder import MotionSample, Pixels, stored
from cinegan_cli.types import IGNORE, SKY, STATIC, WATER, Photo

LEAST_SURE = 0.5  # of a water's direction; a sky's is taken anyway, since training turns skies to one side


def drawn_sample(
    photo: Pixels, labels: Pixels | None, source: Path, arrows: Sequence[Arrow] | None, session: Session
) -> MotionSample:
    """A sample of a photo [h, w, 3] with arrows: `arrows` of the shared file, or None where `source` is labelme's.

    What moves is sky or water as `labels` [h, w] say (0 static, 1 sky, 2 water, 255 unknown), else as the mask network
    sees it; where nothing was drawn nothing is learned. Raises InputError where no arrow lies on what moves.
    """
    height, width = photo.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(photo))
    rgb = pixels.permute(2, 0, 1).float().div(255).contiguous()
    picture = Photo(rgb, pixels, (width, height), (0.0, 0.0, width, height), (), source.name)
    kinds = _seen(picture, session) if labels is None else np.where(labels == IGNORE, STATIC, labels).astype(np.uint8)
    if arrows is None:
        velocity = _along(read_hints(source, (width, height)), picture, kinds != STATIC)
    else:
        velocity = np.zeros((2, height, width), np.float32)
        for kind in (SKY, WATER):
            velocity += _along(_strokes(arrows, kind, width, source), picture, kinds == kind)
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


def _strokes(arrows: Sequence[Arrow], wanted: int, width: int, source: Path) -> list[Stroke]:
    """The arrows on sky or on water, in px of a photo that is `width` px wide."""
    strokes = []
    for arrow in arrows:
        kind = SKY if arrow.kind in ("sky", "fog") else WATER
        if kind == wanted and (kind == SKY or arrow.sure >= LEAST_SURE):
            start, travel = ((part[0] * width, part[1] * width) for part in (arrow.start, arrow.travel))
            end = (start[0] + travel[0], start[1] + travel[1])
            strokes.append(Stroke(start, end, travel, f"an arrow of {source.name}"))
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

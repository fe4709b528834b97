"""Intersection over union of labelled pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cinegan_cli.types import IGNORE


@dataclass(frozen=True)
class Scores:
    """Intersection over union on a set of photos, each photo weighted alike.

    `moving` is the mean IoU of moving and static from one confusion matrix over all photos; `per_photo` the mean of
    the photos' own; `classes` the IoU of static, sky, water; `photos` the moving / static mean of each photo.
    """

    moving: float
    per_photo: float
    classes: tuple[float, ...]
    photos: tuple[float, ...]


def score(pairs: Iterable[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]) -> Scores:
    """Scores of (prediction, truth) label pictures of equal size; truth 255 is not counted."""
    total = np.zeros((3, 3))
    photos = []
    for prediction, truth in pairs:
        counted = truth != IGNORE
        cells = truth[counted].astype(int) * 3 + prediction[counted]
        matrix = np.bincount(cells, minlength=9).reshape(3, 3) / max(1, counted.sum())
        total += matrix
        photos.append(float(_iou(_two(matrix)).mean()))
    moving = float(_iou(_two(total)).mean())
    return Scores(moving, float(np.mean(photos)), tuple(float(v) for v in _iou(total)), tuple(photos))


def _two(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Confusion of static / sky / water → of static / moving."""
    return np.array([[matrix[0, 0], matrix[0, 1:].sum()], [matrix[1:, 0].sum(), matrix[1:, 1:].sum()]])


def _iou(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Per class; a class that is nowhere, neither seen nor true, counts as 1."""
    both = np.diag(matrix)
    either = matrix.sum(0) + matrix.sum(1) - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), 1.0)

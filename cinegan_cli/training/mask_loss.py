"""What the mask network is trained to lower, and the figures it is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.training.mask_data import IGNORE, STATIC

_SMOOTH = 20.0  # pixels added to both sides of the soft IoU, so that absent classes do not dominate


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft IoU of moving and of static, each photo alike.

    logits [B, 3, h, w]; labels int64 [B, H, W], H a multiple of h: 0, 1, 2, 3 = sky or water (their probabilities are
    added), 255 = not counted. Returns a scalar.
    """
    every = labels.shape[1] // logits.shape[2]
    labels = labels[:, every // 2 :: every, every // 2 :: every]  # [B, h, w]
    log_p = F.log_softmax(logits.float(), 1)
    log_moving = torch.logsumexp(log_p[:, 1:], 1, keepdim=True)
    counted = (labels != IGNORE).float()
    chosen = torch.cat((log_p, log_moving), 1).gather(1, labels.clamp_max(3)[:, None])[:, 0]
    cross_entropy = -(chosen * counted).sum() / counted.sum().clamp_min(1)
    moving, truth = log_moving[:, 0].exp(), (labels != STATIC).float()
    overlap = _soft_iou(moving, truth, counted) + _soft_iou(1 - moving, 1 - truth, counted)
    return cross_entropy + 1 - overlap.mean() / 2


def _soft_iou(p: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """[B, h, w] each → [B]."""
    both = (p * truth * counted).sum((1, 2))
    either = ((p + truth - p * truth) * counted).sum((1, 2))
    return (both + _SMOOTH) / (either + _SMOOTH)


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


def score(pairs: list[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]) -> Scores:
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

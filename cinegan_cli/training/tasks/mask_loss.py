"""What the mask network is trained to lower, and the figures it is judged by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.types import IGNORE, STATIC

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

"""What the seer is trained to lower."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.seer import Seen
from cinegan_cli.types import IGNORE, KINDS, LABEL_OF_KIND, LAKE, MOVING, REFLECTION, STATIC, WATER

_SMOOTH = 5.0  # cells added to both sides of the soft IoU, so that absent classes do not dominate
_MOTION = 0.5  # weight of heading, axis and pace together
_COARSE = 0.3
_WEIGHT = {"river": 2.5, "rapids": 3.0, "falls": 3.5, "surf": 1.5, "fog": 1.5, "reflection": 1.5}  # rare kinds


def allowed_kinds() -> Tensor:
    """Which kinds each label allows: bool [256, 10]. WATER: any water; MOVING: all but static."""
    table = torch.zeros(256, len(KINDS), dtype=torch.bool)
    for kind, label in enumerate(LABEL_OF_KIND):
        table[label, kind] = True
        if LAKE <= label <= REFLECTION:
            table[WATER, kind] = True
        if label != STATIC:
            table[MOVING, kind] = True
    table[IGNORE] = True
    return table


def seer_loss(seen: Seen, labels: Tensor, motion: Tensor, learns: Sequence[str]) -> dict[str, Tensor]:
    """`loss` of what `learns` names, and its parts.

    labels uint8 [B, h, w]; motion [B, 6, h, w] from `motion_targets`; both at 1/4 of the pictures.
    """
    kinds = kinds_loss(seen.kinds, labels)
    coarse = kinds_loss(seen.coarse, labels[:, 2::4, 2::4])
    moves = motion_loss(seen, motion)
    loss = ("kinds" in learns) * (kinds + _COARSE * coarse) + ("moves" in learns) * _MOTION * moves
    return {"loss": loss, "kinds": kinds.detach(), "moves": moves.detach()}


def kinds_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the set of kinds that a label allows, plus one minus the soft IoU of moving and of static."""
    labels = labels[:, : logits.shape[2], : logits.shape[3]]
    allowed = allowed_kinds().to(logits.device)[labels.long()].permute(0, 3, 1, 2)  # [B, 10, h, w]
    log_p = F.log_softmax(logits.float(), 1)
    chosen = torch.logsumexp(log_p.masked_fill(~allowed, -1e4), 1)
    counted = (labels != IGNORE).float()
    usual = torch.tensor([_WEIGHT.get(kind, 1.0) for kind in KINDS], device=logits.device)
    weight = counted * (usual[None, :, None, None] * allowed).sum(1) / allowed.sum(1)
    cross_entropy = -(chosen * weight).sum() / weight.sum().clamp_min(1)
    moving, truth = 1 - log_p[:, 0].exp(), (labels != STATIC).float()
    overlap = _soft_iou(moving, truth, counted) + _soft_iou(1 - moving, 1 - truth, counted)
    known = (counted.mean((1, 2)) > 0.2).float()  # photos of which only spots are known have no outline
    return cross_entropy + ((1 - overlap / 2) * known).sum() / known.sum().clamp_min(1)


def motion_loss(seen: Seen, motion: Tensor) -> Tensor:
    """Mean square of heading and axis (so their length becomes how sure they are) and deviation of ln pace."""
    weight = motion[:, 5]
    there = (weight > 0).float()
    direction = there * (2 * weight - 1).clamp(0.0, 1.0)
    heading = (seen.heading.float() - motion[:, :2]).square().sum(1)
    axis = (seen.axis.float() - motion[:, 2:4]).square().sum(1)
    pace = F.smooth_l1_loss(seen.pace[:, 0].float(), motion[:, 4], reduction="none", beta=0.5)
    return (
        (heading * direction).sum() / direction.sum().clamp_min(1)
        + 0.5 * (axis * there).sum() / there.sum().clamp_min(1)
        + (pace * there).sum() / there.sum().clamp_min(1)
    )


def _soft_iou(p: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """[B, h, w] each → [B]."""
    both = (p * truth * counted).sum((1, 2))
    either = ((p + truth - p * truth) * counted).sum((1, 2))
    return (both + _SMOOTH) / (either + _SMOOTH)

"""Names and groups of the labels of pictures (`types.py`), and which of them was found where."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.types import FOG, IGNORE, KINDS, LABEL_OF_KIND, MOVING, SKY, STATIC, WATER, Mask

Labels = NDArray[np.uint8]

NAMES = {**dict(zip(LABEL_OF_KIND, KINDS, strict=True)), WATER: "water", MOVING: "moving"}  # label → word
LABELS = {name: label for label, name in NAMES.items()}
WATERS = tuple(name for name, label in LABELS.items() if label not in (STATIC, SKY, FOG, WATER, MOVING))

_COARSE = np.full(256, WATER, np.uint8)
_COARSE[[STATIC, SKY, FOG, MOVING, IGNORE]] = STATIC, SKY, SKY, MOVING, IGNORE


def coarse(labels: Labels) -> Labels:
    """Label pictures without kinds: fog counts as sky, all kinds of water as water."""
    return np.asarray(_COARSE[labels], np.uint8)


def coarse_labels(mask: Mask) -> Labels:
    """uint8 [H, W]: 0 static, 1 sky, 2 water of a mask; 3 moving where no network told them apart."""
    kind = torch.tensor(MOVING)
    if mask.sky is not None and mask.water is not None:
        kind = torch.where(mask.sky >= mask.water, SKY, WATER)
    return torch.where(mask.alpha > 0.5, kind, STATIC).to(torch.uint8).numpy()


def kind_labels(mask: Mask) -> Labels | None:
    """uint8 [H, W]: the most likely kind of each pixel that moves, 0 elsewhere; None where nobody saw kinds."""
    if mask.sight is None:
        return None
    moving = mask.sight.kinds[None, 1:].float()  # [1, 9, h, w]
    size = (mask.alpha.shape[0], mask.alpha.shape[1])
    best = torch.nn.functional.interpolate(moving, size, mode="bilinear", align_corners=False)[0].argmax(0)
    labels = torch.tensor(LABEL_OF_KIND[1:])[best]
    return torch.where(mask.alpha > 0.5, labels, STATIC).to(torch.uint8).numpy()

"""What the paper's classifiers see in a generator's features: each pixel's votes for static, sky and water."""

from __future__ import annotations

import torch
from torch import Tensor

from cinegan_cli.models import Models
from cinegan_cli.nn.classifier import ClassifierEnsemble
from cinegan_cli.nn.stylegan2 import Features

FIRST_INDEX = 10  # D10 … D18, 1472 channels together (supplement A.a)
VOTE_SIDE = 512  # px of the short side of the map they vote on


def fits(models: Models, features: Features) -> bool:
    """Whether the set has classifiers for these features: not where the layout feature is a later one than D10."""
    if not models.has("mask"):
        return False
    channels = sum(level.shape[1] for k, level in features.levels.items() if k >= FIRST_INDEX)
    return channels == int(models.config["mask"]["network"]["channels"])


def votes(classifiers: ClassifierEnsemble, features: Features) -> Tensor:
    """Share of the classifiers that vote for (static, sky, water), float32 [3, h, w] on the CPU, 512 on the short side.

    Raises ValueError when the features are not those that the classifiers were made for.
    """
    used = [features.levels[k] for k in sorted(features.levels) if k >= FIRST_INDEX]
    rows, columns = used[0].shape[2:]
    scale = VOTE_SIDE / min(rows, columns)
    with torch.inference_mode():
        logits = classifiers(used, (round(rows * scale), round(columns * scale)))
        _, share = classifiers.vote(logits)
    return share.float().cpu()

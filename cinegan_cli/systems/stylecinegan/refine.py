"""Optimisation of latents for one photo."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.stylegan2 import Generator
from cinegan_cli.stages.bands import low_pass
from cinegan_cli.systems.stylecinegan.latents import Latents
from cinegan_cli.types import Progress

RATE = 0.01  # of Adam, for w+; features move in units of their own deviation
EDGE_SHARE = 0.2  # of the bands' distance in the loss, the weight that the paper gives to LPIPS


def refine(generator: Generator, latents: Latents, picture: Tensor, *, steps: int, progress: Progress) -> Latents:
    """The best of `steps` steps of Adam on w+ and D_k towards `picture` [1, 3, rows, columns] in [-1, 1].

    The loss is L2 on pixels and, for the detail that LPIPS would watch, L1 on two finer bands. Never worse than where
    it started.
    """
    if steps == 0:
        return latents
    w_plus = latents.w_plus.detach().clone().requires_grad_()
    feature = latents.feature.detach().clone().requires_grad_()
    scale = float(latents.feature.std())
    optimiser = torch.optim.Adam([{"params": [w_plus], "lr": RATE}, {"params": [feature], "lr": RATE * scale}])
    best, least = latents, math.inf
    for done in range(steps + 1):  # the last one only looks
        progress("refining the inversion", done, steps)
        loss = _distance(generator.synthesize_from(feature, w_plus, latents.index), picture)
        if float(loss.detach()) < least:
            least = float(loss.detach())
            best = Latents(w_plus.detach().clone(), feature.detach().clone(), latents.index)
        if done < steps:
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return best


def _distance(made: Tensor, wanted: Tensor) -> Tensor:
    difference = (made - wanted)[0]
    total = difference.square().mean()
    for _ in range(2):
        size = (difference.shape[1] // 2, difference.shape[2] // 2)
        if min(size) < 1:
            break
        low = low_pass(difference, size)
        fine = difference - F.interpolate(low[None], difference.shape[1:], mode="bilinear")[0]
        total = total + EDGE_SHARE * fine.abs().mean()
        difference = low
    return total

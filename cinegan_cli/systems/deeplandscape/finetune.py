"""The generator fitted to one photo, once its latents are found (DeepLandscape, section 4.1: the letter F)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.systems.deeplandscape.codes import Codes, require_finite_loss
from cinegan_cli.systems.deeplandscape.objective import Objective
from cinegan_cli.systems.deeplandscape.plateau import STALE, Plateau

RATE = 1e-3
PERCEPTUAL = 0.1  # weight of the perceptual distance beside L1


def fine_tune(
    G: Generator, objective: Objective, codes: Codes, *, steps: int, tell: Callable[[int, float], None]
) -> Generator:
    """A copy of G after at most `steps` steps of Adam towards the photo of `objective`; the codes stay as they are.

    Ends when the loss gets no better any more. `tell` is called before every step with its number and the loss.
    Raises InputError when the loss is not finite.
    """
    tuned = copy.deepcopy(G).requires_grad_(True)
    adam = torch.optim.Adam(tuned.parameters(), lr=RATE, fused=True)
    watched = Plateau(RATE, steps)
    for done in range(steps):
        tell(done, watched.last)
        watched.see(tuning_step(tuned, objective, codes))
        if watched.stale >= STALE:
            break
        adam.step()
    return tuned.requires_grad_(False)


def tuning_step(tuned: Generator, objective: Objective, codes: Codes) -> float:
    """The loss, whose gradients are then in the parameters: None in those that the picture does not depend on."""
    tuned.zero_grad()
    with torch.enable_grad():
        distance, seen = objective.losses(tuned.synthesize(*codes))
        loss = distance + PERCEPTUAL * seen
        torch.autograd.backward(loss)
    return require_finite_loss(loss)


def changes(tuned: Generator, base: Generator) -> dict[str, Tensor]:
    """What fine-tuning has added, by the names of the tensors that have changed."""
    before = base.state_dict()
    return {name: value - before[name] for name, value in tuned.state_dict().items() if not value.equal(before[name])}


def with_changes(base: Generator, added: Mapping[str, Tensor]) -> Generator:
    """A copy of `base` with `changes` added; `base` itself where there are none.

    Raises KeyError or ValueError where they are those of another generator.
    """
    if not added:
        return base
    tuned = copy.deepcopy(base)
    state = tuned.state_dict()
    for name, value in added.items():
        if state[name].shape != value.shape:
            raise ValueError(f"{name} has shape {tuple(value.shape)}, not {tuple(state[name].shape)}")
        state[name].add_(value.to(state[name].device))
    return tuned

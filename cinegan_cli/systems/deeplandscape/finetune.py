"""The generator fitted to one photo, once its latents are found (DeepLandscape, section 4.1: the letter F)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.systems.deeplandscape.codes import Codes, require_finite_loss
from cinegan_cli.systems.deeplandscape.noise import restandardised
from cinegan_cli.systems.deeplandscape.objective import Objective
from cinegan_cli.systems.deeplandscape.plateau import STALE, Plateau

RATE = 1e-3
PERCEPTUAL = 0.1  # weight of the perceptual distance beside L1
SPREAD = 16  # colours are averaged over so many parts of the short side, either way
FARTHEST = 0.3  # of the picture's side: how far noise is moved there, at most


def fine_tune(
    G: Generator,
    objective: Objective,
    codes: Codes,
    *,
    steps: int,
    tell: Callable[[int, float], None],
    still: Tensor | None = None,
) -> Generator:
    """A copy of G after at most `steps` steps of Adam towards the photo of `objective`; the codes stay as they are.

    With `still` [1, 1, H, W], 1 where nothing may move, a `steadying_step` follows each. Ends when the loss gets no
    better any more. `tell` is called before every step with its number and the loss. Raises InputError
    when the loss is not finite.
    """
    random = torch.Generator().manual_seed(0)
    tuned = copy.deepcopy(G).requires_grad_(True)
    adam = torch.optim.Adam(tuned.parameters(), lr=RATE, fused=True)
    watched = Plateau(RATE, steps)
    for done in range(steps):
        tell(done, watched.last)
        watched.see(tuning_step(tuned, objective, codes))
        if watched.stale >= STALE:
            break
        adam.step()
        if still is not None:
            steadying_step(tuned, objective.photo, codes, still, random)
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


def steadying_step(tuned: Generator, photo: Tensor, codes: Codes, still: Tensor, random: torch.Generator) -> None:
    """Gradients of how far the picture is from the photo [1, 3, H, W] once its noise has moved, as far as it matters.

    Beyond the paper: a generator fitted to a photo with one noise alone paints strange colours with any other. Here the
    noise moves somewhere at random; what is `still` must look as before, and what moves have its colours on average.
    """
    tuned.zero_grad()
    reach = max(1, min(photo.shape[2:]) // SPREAD)
    with torch.enable_grad():
        away = tuned.synthesize(codes.w, codes.static, moved_anywhere(codes.dynamic, random)) - photo
        around = F.avg_pool2d(away, 2 * reach + 1, 1, reach, count_include_pad=False)
        torch.autograd.backward((away.abs() * still).mean() + (around.abs() * (1 - still)).mean())


def moved_anywhere(dynamic: Sequence[Tensor], random: torch.Generator) -> list[Tensor]:
    """Maps as they may be within a loop: two shifted copies, mixed, with their own mean and deviation."""
    shifts = (2 * torch.rand(2, 2, generator=random) - 1) * FARTHEST
    angle = float(torch.rand((), generator=random)) * math.pi / 2
    made = []
    for maps in dynamic:
        size = torch.tensor(maps.shape[2:])
        a, b = (maps.roll(tuple((shift * size).round().long().tolist()), (2, 3)) for shift in shifts)
        mean = maps.mean()
        made.append(restandardised(math.cos(angle) * (a - mean) + math.sin(angle) * (b - mean), maps))
    return made


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

"""Photo → W and S of DeepLandscape's generator, by Adam (DeepLandscape, section 4.1 and Algorithm 1).

`invert` and `latent_gradients` do what the authors' release does; `search` mends what it gets wrong with two regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.systems.deeplandscape.codes import Codes, require_finite_loss
from cinegan_cli.systems.deeplandscape.objective import Objective, objectives_of
from cinegan_cli.systems.deeplandscape.plateau import STALE, Plateau
from cinegan_cli.systems.deeplandscape.variants import Variant, variant_named

NOISE_GRADIENTS = 1e-3  # on those of S: fine maps fall to Adam's epsilon (1e-8) and hardly move, coarse ones do


def latent_penalty(w: Tensor, w_start: Tensor) -> Tensor:
    """Mean squared distance of each style from its start, summed over the styles: [B, N, 2, D] twice → scalar."""
    return (w - w_start).square().mean(dim=(0, 3)).sum()


def latent_gradients(
    G: Generator,
    P: Perceptual,
    photo: Tensor,
    w: Tensor,
    w_start: Tensor,
    static: Sequence[Tensor],
    dynamic: Sequence[Tensor],
    *,
    variant: str,
    iteration: int,
    still: Tensor | None = None,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The gradients (w, static, dynamic) that Adam gets in that iteration (0, 1, ...) of the released configuration.

    `photo` [1, 3, H, W] in [-1, 1]; `still` [1, 1, H, W] is 1 where nothing may move: EOIFS needs it, and turns to what
    moves in even iterations and to what stays in odd ones. Zeros where an iteration moves nothing.
    Raises ValueError for an unknown variant, for EOIFS without `still`, and where shapes do not fit.
    """
    way = variant_named(variant)
    objectives = objectives_of(P, photo, way, still)
    codes = Codes(w, list(static), list(dynamic)).copies()
    _, found = _gradients(G, objectives[iteration % len(objectives)], way, codes, w_start.detach())
    whole = [torch.zeros_like(x) if g is None else g for x, g in zip(codes.tensors(), found, strict=True)]
    return whole[0], whole[1 : 1 + len(static)], whole[1 + len(static) :]


def invert(
    G: Generator,
    P: Perceptual,
    photo: Tensor,
    w: Tensor,
    static: Sequence[Tensor],
    dynamic: Sequence[Tensor],
    *,
    variant: str,
    steps: int,
    still: Tensor | None = None,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """`steps` iterations of the released configuration from (w, static, dynamic), which stay as they are.

    As there, one plateau schedule watches both objectives of EOIFS, and Adam's momentum moves maps on in iterations
    that give them no gradient. E has no iterations. Arguments and errors as of `latent_gradients`.
    """
    way = variant_named(variant)
    search = Search(G, objectives_of(P, photo, way, still), way, Codes(w, list(static), list(dynamic)), released=True)
    for _ in range(steps if way.steps else 0):
        search.step()
    return search.codes.copies()


def search(
    G: Generator,
    objectives: Sequence[Objective],
    way: Variant,
    start: Codes,
    *,
    steps: int,
    tell: Callable[[int, float], None],
) -> Codes:
    """The best codes of at most `steps` steps from `start`; ends when no objective gets better any more.

    What an objective must not touch stays exactly as it was, and each has its own plateau schedule. `tell` is called
    before every step with its number and the loss. Raises InputError when the loss is not finite.
    """
    running = Search(G, objectives, way, start)
    for done in range(steps):
        tell(done, running.loss)
        running.step()
        if running.settled:
            break
    return running.best


class Search:
    """Adam on `codes`, step by step, each for the next of the objectives."""

    def __init__(
        self, G: Generator, objectives: Sequence[Objective], way: Variant, start: Codes, *, released: bool = False
    ) -> None:
        self._generator, self._objectives, self._way, self._released = G, objectives, way, released
        self._start = start.w.detach().clone()
        self.codes = start.copies()
        self.best = self.codes.copies()
        self._least = float("inf")
        self._done = 0
        self._adam = torch.optim.Adam([x for x in self.codes.tensors()], lr=way.rate)
        shared = Plateau(way.rate, way.patience)
        apart = (Plateau(way.rate, way.patience // len(objectives)) for _ in objectives)
        self._plateaus = [shared] * len(objectives) if released else list(apart)

    @property
    def loss(self) -> float:
        """L1 and weighted perceptual distance, the last of each objective added up; infinite before the first."""
        return sum(plateau.last for plateau in self._plateaus)

    @property
    def settled(self) -> bool:
        """Whether no objective has got better in its share of `STALE` steps."""
        return all(plateau.stale >= STALE // len(self._objectives) for plateau in self._plateaus)

    def step(self) -> None:
        """One step for the next objective."""
        turn = self._done % len(self._objectives)
        plateau = self._plateaus[turn]
        loss, gradients = _gradients(self._generator, self._objectives[turn], self._way, self.codes, self._start)
        if not self._released:
            self._keep(turn, loss)
        for tensor, gradient in zip(self.codes.tensors(), gradients, strict=True):
            idle = torch.zeros_like(tensor) if self._released and self._way.moves_noise else None
            tensor.grad = idle if gradient is None else gradient
        for group in self._adam.param_groups:
            group["lr"] = plateau.rate
        self._adam.step()
        plateau.see(loss)
        self._done += 1

    def _keep(self, turn: int, loss: float) -> None:
        """Remember the codes when they are the best so far."""
        whole = loss + sum(other.last for k, other in enumerate(self._plateaus) if k != turn)
        if whole < self._least:
            self._least, self.best = whole, self.codes.copies()


def _gradients(
    G: Generator, objective: Objective, way: Variant, codes: Codes, w_start: Tensor
) -> tuple[float, list[Tensor | None]]:
    """L1 plus weighted perceptual distance, and the gradients of `codes.tensors()`; None for those that do not move."""
    static = [way.moves_noise and objective.static] * len(codes.static)
    dynamic = [way.moves_noise and objective.dynamic] * len(codes.dynamic)
    moves = [True, *static, *dynamic]
    leaves = [x.detach().requires_grad_(move) for x, move in zip(codes.tensors(), moves, strict=True)]
    count = len(codes.static)
    with torch.enable_grad():
        made = G.synthesize(leaves[0], leaves[1 : 1 + count], leaves[1 + count :])
        distance, seen = objective.losses(made)
        loss = distance + way.perceptual * seen
        total = loss + way.penalty * latent_penalty(leaves[0], w_start) if way.penalty else loss
        found = iter(torch.autograd.grad(total, [x for x, move in zip(leaves, moves, strict=True) if move]))
    gradients = [next(found) if move else None for move in moves]
    cells = [None, *objective.cells, *objective.cells] if objective.cells else [None] * len(moves)
    scaled = [
        g if g is None or k == 0 else g * NOISE_GRADIENTS * (1 if cell is None else cell)
        for k, (g, cell) in enumerate(zip(gradients, cells, strict=True))
    ]
    return require_finite_loss(loss), scaled

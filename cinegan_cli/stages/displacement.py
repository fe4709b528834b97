"""Motion → displacement of every frame: Eq. 1 of StyleCineGAN, both ways in time, integrated once and streamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.types import Displacement, Motion

STEPS_PER_SECOND = 30  # the paper's step is one frame at 30 fps; other frame rates never step further than that
SNAPSHOTS = 16  # fields kept on each level of recomputation in `descending`
PAD_MARGIN = 4  # grid points beyond the largest travel, for the bilinear votes
INVERSE_ROUNDS = 5  # of the fixed point that inverts one step, which changes the flow by a few per cent


@dataclass(frozen=True)
class Box:
    """Rows top … bottom-1 and columns left … right-1 of a grid."""

    top: int
    bottom: int
    left: int
    right: int


def displacements(
    motion: Motion,
    *,
    frames: int,
    fps: float,
    loop: str = "flow",
    substeps: int | None = None,
    cycles: int = 1,
    box: Box | None = None,
    inverse: bool = False,
) -> Iterator[Displacement]:
    """Yield the displacement of frame t = 0 … frames-1; frame `frames` would be frame 0 again.

    `loop="flow"` gives F_{0→t} and F_{N→t} (Eq. 1) with weight t / N (Eq. 3); `"crossfade"` gives the same fields, but
    dissolves only at the end of the cycle; `"pingpong"` goes to the middle of the cycle and back, forward field only.
    `substeps` Euler steps lead from frame to frame; by default none is longer than 1/30 s, the paper's. Unless the loop
    is "pingpong", the cycle may be run through `cycles` times, each in N / cycles frames, which need not be whole.
    `box` is the part of the grid that is wanted, all of it by default.

    With `inverse` the fields lead the other way: from a grid point in the frame to where its particle started. The flow
    is steady, so they are made step by step like the others (`inverse_of`), without padding.

    Memory is that of at most `2 * SNAPSHOTS` fields up to 256 steps, and of `SNAPSHOTS` more for each further 16-fold.
    """
    substeps = substeps or math.ceil(STEPS_PER_SECOND / fps)
    step = motion.velocity / (fps * substeps)  # [2, h, w], grid px per step
    span = frames // 2 if loop == "pingpong" else frames
    if inverse:
        way, pad = _Way(step, box or Box(0, step.shape[1], 0, step.shape[2]), substeps, inverse_of), (0, 0)
    else:
        pad = padding_for(motion, span / (fps * cycles))
        way = _Way(_padded(step, pad, box), None, substeps)
    if loop == "pingpong":
        yield from _there_and_back(way, span, pad)
        return
    for turn in range(cycles):
        for phase, forward, backward in _one_cycle(way, frames, cycles, turn):
            yield Displacement(forward, backward, dissolve(phase) if loop == "crossfade" else phase, pad)


def inverse_of(step: Tensor) -> Tensor:
    """The steps [2, h, w] that undo an Euler step along `step`: y + step(y) = x at y = x + inverse(x).

    Where the flow tears so much within a step that nothing undoes it, what comes nearest.
    """
    back = best = -step
    least = torch.full_like(step[:1], torch.inf)
    for _ in range(INVERSE_ROUNDS):
        missed = ops.advect(step, back)  # how far back and the step from there lead from the start
        length = torch.hypot(missed[:1], missed[1:])  # norm(dim=0) takes 70 times as long
        best = torch.where(length < least, back, best)
        least = torch.minimum(length, least)
        back = back - missed
    return best


@dataclass(frozen=True)
class _Way:
    """Euler steps of `substeps` to a frame along `step` [2, h, w], or along what `turned` makes of it.

    Of the particles within `box`, or of all.
    """

    step: Tensor
    box: Box | None
    substeps: int
    turned: Callable[[Tensor], Tensor] = torch.clone

    def start(self) -> Tensor:
        """No displacement yet."""
        if self.box is None:
            return torch.zeros_like(self.step)
        return self.step.new_zeros(2, self.box.bottom - self.box.top, self.box.right - self.box.left)

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the first particle."""
        return (0, 0) if self.box is None else (self.box.top, self.box.left)

    def after(self, part: float, sign: int) -> Tensor:
        """The displacement after `part` in [0, 1] of a frame, forward or backward in time."""
        if part <= 0:
            return self.start()
        *_, field = ascending(self.turned(sign * part * self.step), self.substeps, self.start(), self.corner)
        return field


def _padded(step: Tensor, pad: tuple[int, int], box: Box | None) -> Tensor:
    """[2, h + 2 pad, w + 2 pad], or what of it belongs to a box."""
    step = F.pad(step[None], (pad[1], pad[1], pad[0], pad[0]), mode="replicate")[0]
    if box is None:
        return step
    return step[:, box.top : box.bottom + 2 * pad[0], box.left : box.right + 2 * pad[1]].contiguous()


def _one_cycle(way: _Way, frames: int, cycles: int, turn: int) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Phase in [0, 1), forward and backward field of the frames within cycle number `turn` of `cycles`.

    Cycles begin between two frames: the first step from either end is a part of one.
    """
    first, last = (-(-(turn + i) * frames // cycles) for i in (0, 1))  # the first frame at or after either end
    steps = (last - first - 1) * way.substeps
    if steps < 0:
        return
    since, left = first - turn * frames / cycles, (turn + 1) * frames / cycles - (last - 1)  # in frames
    end = way.after(left, -1)
    ahead = ascending(way.turned(way.step), steps, way.after(since, 1), way.corner)
    behind = chain(descending(way.turned(-way.step), steps, end, way.corner), [end])
    for t in range(first, last):
        yield (cycles * t % frames) / frames, next(ahead), next(behind)
        for _ in range(way.substeps - 1):
            next(ahead, None), next(behind, None)


def padding_for(motion: Motion, seconds: float) -> tuple[int, int]:
    """Rows and columns to add on either side so that what flows in within `seconds` has a source; at most the grid."""
    columns, rows = (math.ceil(float(axis.abs().max()) * seconds) + PAD_MARGIN for axis in motion.velocity)
    h, w = motion.velocity.shape[1:]
    return min(rows, h), min(columns, w)


def dissolve(phase: float, share: float = 1 / 3) -> float:
    """Weight of the end of the cycle in a cross-fade over its last `share`."""
    return max(0.0, (phase - (1 - share)) / share)


def ascending(
    step: Tensor, count: int, start: Tensor | None = None, corner: tuple[int, int] = (0, 0)
) -> Iterator[Tensor]:
    """Yield the displacement after 0, 1, …, `count` Euler steps (Eq. 1), from `start` or zero. `step`: [2, h, w].

    `start` may be of a part of the grid that begins at the row and column `corner`.
    """
    field = torch.zeros_like(step) if start is None else start
    yield field
    for _ in range(count):
        field = ops.advect(step, field, corner=corner)
        yield field


def descending(
    step: Tensor, count: int, start: Tensor | None = None, corner: tuple[int, int] = (0, 0)
) -> Iterator[Tensor]:
    """Yield the displacement after `count`, `count` - 1, …, 1 Euler steps.

    Eq. 1 runs the other way, so snapshots are kept and the stretch between two of them is integrated again,
    recursively. Every field is bit for bit the one that `ascending` gives.
    """
    if count == 0:
        return
    stride = math.ceil(count / SNAPSHOTS)
    if stride == 1:
        fields = list(ascending(step, count, start, corner))
        while len(fields) > 1:
            yield fields.pop()
        return
    snapshots = [f for i, f in enumerate(ascending(step, count - 1, start, corner)) if i % stride == 0]
    while snapshots:
        yield from descending(step, min(stride, count - (len(snapshots) - 1) * stride), snapshots.pop(), corner)


def _there_and_back(way: _Way, span: int, pad: tuple[int, int]) -> Iterator[Displacement]:
    """0 … span and back to 1: 2 span frames, no two neighbours alike."""
    step, start = way.turned(way.step), way.start()
    there = ascending(step, (span - 1) * way.substeps, start, way.corner)
    back = descending(step, span * way.substeps, start, way.corner)
    for fields in (there, back):
        for i, field in enumerate(fields):
            if i % way.substeps == 0:
                yield Displacement(field, field, 0.0, pad)

"""Motion → displacement of every frame: Eq. 1 of StyleCineGAN, both ways in time, integrated once and streamed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.types import Displacement, Motion

STEPS_PER_SECOND = 30  # the paper's step is one frame at 30 fps; other frame rates never step further than that
SNAPSHOTS = 16  # fields kept on each level of recomputation in `descending`
PAD_MARGIN = 4  # grid points beyond the largest travel, for the bilinear votes


def displacements(
    motion: Motion, *, frames: int, fps: float, loop: str = "flow", substeps: int | None = None
) -> Iterator[Displacement]:
    """Yield the displacement of frame t = 0 … frames-1; frame `frames` would be frame 0 again.

    `loop="flow"` gives F_{0→t} and F_{N→t} (Eq. 1) with weight t / N (Eq. 3); `"crossfade"` gives the same fields, but
    dissolves only at the end of the cycle; `"pingpong"` goes to the middle of the cycle and back, forward field only.
    `substeps` Euler steps lead from frame to frame; by default none is longer than 1/30 s, the paper's.

    Memory is that of at most `2 * SNAPSHOTS` fields up to 256 steps, and of `SNAPSHOTS` more for each further 16-fold.
    """
    substeps = substeps or math.ceil(STEPS_PER_SECOND / fps)
    step = motion.velocity / (fps * substeps)  # [2, h, w], grid px per step
    span = frames // 2 if loop == "pingpong" else frames
    pad = padding_for(motion, span / fps)
    step = F.pad(step[None], (pad[1], pad[1], pad[0], pad[0]), mode="replicate")[0]  # [2, h + 2 pad, w + 2 pad]
    if loop == "pingpong":
        yield from _there_and_back(step, span, substeps, pad)
        return
    ahead = ascending(step, frames * substeps)
    behind = descending(-step, frames * substeps)
    for t in range(frames):
        forward, backward = next(ahead), next(behind)
        yield Displacement(forward, backward, dissolve(t / frames) if loop == "crossfade" else t / frames, pad)
        for _ in range(substeps - 1):
            next(ahead), next(behind)


def padding_for(motion: Motion, seconds: float) -> tuple[int, int]:
    """Rows and columns to add on either side so that what flows in within `seconds` has a source; at most the grid."""
    columns, rows = (math.ceil(float(axis.abs().max()) * seconds) + PAD_MARGIN for axis in motion.velocity)
    h, w = motion.velocity.shape[1:]
    return min(rows, h), min(columns, w)


def dissolve(phase: float, share: float = 1 / 3) -> float:
    """Weight of the end of the cycle in a cross-fade over its last `share`."""
    return max(0.0, (phase - (1 - share)) / share)


def ascending(step: Tensor, count: int, start: Tensor | None = None) -> Iterator[Tensor]:
    """Yield the displacement after 0, 1, …, `count` Euler steps (Eq. 1), from `start` or zero. `step`: [2, h, w]."""
    field = torch.zeros_like(step) if start is None else start
    yield field
    for _ in range(count):
        field = ops.advect(step, field)
        yield field


def descending(step: Tensor, count: int, start: Tensor | None = None) -> Iterator[Tensor]:
    """Yield the displacement after `count`, `count` - 1, …, 1 Euler steps.

    Eq. 1 runs the other way, so snapshots are kept and the stretch between two of them is integrated again,
    recursively. Every field is bit for bit the one that `ascending` gives.
    """
    stride = math.ceil(count / SNAPSHOTS)
    if stride == 1:
        fields = list(ascending(step, count, start))
        while len(fields) > 1:
            yield fields.pop()
        return
    snapshots = [f for i, f in enumerate(ascending(step, count - 1, start)) if i % stride == 0]
    while snapshots:
        yield from descending(step, min(stride, count - (len(snapshots) - 1) * stride), snapshots.pop())


def _there_and_back(step: Tensor, span: int, substeps: int, pad: tuple[int, int]) -> Iterator[Displacement]:
    """0 … span and back to 1: 2 span frames, no two neighbours alike."""
    for i, field in enumerate(ascending(step, (span - 1) * substeps)):
        if i % substeps == 0:
            yield Displacement(field, field, 0.0, pad)
    for i, field in enumerate(descending(step, span * substeps)):
        if i % substeps == 0:
            yield Displacement(field, field, 0.0, pad)

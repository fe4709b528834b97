"""Where each pixel of a frame comes from in the photo: by undoing the flow's steps, or by splatting coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.displacement import Box, displacements
from cinegan_cli.stages.warp.holes import HOLE, fill_holes
from cinegan_cli.types import Motion


@dataclass(frozen=True)
class Origins:
    """Where pixels come from: `offsets[s, :, y, x]` leads from grid point (x, y) to its place in the photo.

    float32 [2, 2, h, w], s = 0 for the source that time carries forward, 1 for backward; `weight` is the share of 1.
    """

    offsets: Tensor
    weight: float

    @cached_property
    def mean_offsets(self) -> tuple[float, float]:
        """Mean length of each source's offsets, as a share of the grid's width."""
        sparse = self.offsets[:, :, ::8, ::8]
        lengths = torch.hypot(sparse[:, 0], sparse[:, 1]).mean(dim=(1, 2)) / self.offsets.shape[3]
        return float(lengths[0]), float(lengths[1])


def origins_of_frames(
    motion: Motion,
    config: RenderConfig,
    *,
    frames: int,
    fps: float,
    substeps: int | None = None,
    cycles: int = 1,
    box: Box | None = None,
) -> Iterator[Origins]:
    """Yield the origins of frame t = 0 … frames-1, on the motion's own grid; outside of `box` they are 0."""
    if config.warp == "backward":  # where the reversed flow carries a pixel; its Euler steps bend the other way
        motion = replace(motion, velocity=-motion.velocity)
    steps = displacements(
        motion,
        frames=frames,
        fps=fps,
        loop=config.loop,
        substeps=substeps,
        cycles=cycles,
        box=box,
        inverse=config.warp == "inverse",
    )
    for d in steps:
        fields: tuple[Tensor, ...] = (d.forward, d.backward) if d.weight > 0 else (d.forward,)
        if config.warp == "coordinates":
            fields = tuple(splat_origins(field, d.pad, config.fill) for field in fields)
        else:
            fields = tuple(_crop(field, d.pad) for field in fields)
        both = torch.stack([fields[0], fields[-1]])
        yield Origins(both if box is None else _placed(both, box, _grid(motion)), d.weight)


def splat_origins(field: Tensor, pad: tuple[int, int], fill: str) -> Tensor:
    """Scatter -F along F and normalise: at each grid point, the offset to where its content started.

    `field` [2, h + 2 pad, w + 2 pad]; returns [2, h, w].
    """
    votes, count = ops.splat(field[None], field[None], torch.ones_like(field[None, :1]))
    votes, count = _crop(votes[0], pad), _crop(count[0], pad)
    if not count.is_cuda and float(count.min()) > HOLE:  # a card would have to be waited for
        return votes / -count
    return fill_holes(votes / -count.clamp(min=HOLE), count[0] > HOLE, fill)


def _crop(field: Tensor, pad: tuple[int, int]) -> Tensor:
    """The picture's part of a padded field."""
    return field[:, pad[0] : field.shape[1] - pad[0], pad[1] : field.shape[2] - pad[1]]


def _placed(offsets: Tensor, box: Box, grid: tuple[int, int]) -> Tensor:
    """`offsets` of a box [2, 2, *box] on the whole grid."""
    whole = offsets.new_zeros(2, 2, *grid)
    whole[:, :, box.top : box.bottom, box.left : box.right] = offsets
    return whole


def _grid(motion: Motion) -> tuple[int, int]:
    """(h, w) of the motion grid."""
    return motion.velocity.shape[1], motion.velocity.shape[2]

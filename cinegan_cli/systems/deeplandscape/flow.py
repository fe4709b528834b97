"""Dynamic noise maps in a closed loop along a motion field, with its short cycles, or along homographies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.warp import parts_of, upsampled
from cinegan_cli.systems.deeplandscape.movers import FieldMover, HomographyMover, grid_of, loop_maps
from cinegan_cli.systems.deeplandscape.noise import restandardised
from cinegan_cli.types import Motion

RELEASED_RATE = 30.0  # frames per second of the homographies

MapsAt = Callable[[int], list[Tensor]]  # of frame t


def flowing_maps(
    dynamic: Sequence[Tensor], motion: Motion, region: Tensor, render: RenderConfig
) -> Iterator[list[Tensor]]:
    """Yield the maps [1, 1, h_i, w_i] of frame t = 0 … N-1; frame 0 has `dynamic` itself, and so would frame N.

    `region` uint8 [H, W] is 1 where something moves. Calm water, whose waves pass under what they carry, keeps its
    noise. Mean and deviation of a map stay what they are.
    """
    movers, shares = [], []
    for part in parts_of(motion, region, render):
        count = render.frames / part.cycles
        movers.append(_still(dynamic) if part.waves is not None else _looping(dynamic, part.motion, count, render.fps))
        shares.append([_share(part.weight, maps) for maps in dynamic])
    for t in range(render.frames):
        moved = [maps_at(t) for maps_at in movers]
        if len(moved) == 1:
            yield moved[0]
            continue
        levels = zip(zip(*moved, strict=True), zip(*shares, strict=True), dynamic, strict=True)
        yield [_mixed(its_maps, its_shares, own) for its_maps, its_shares, own in levels]


def drifting_maps(mover: HomographyMover, speed: float, render: RenderConfig) -> Iterator[list[Tensor]]:
    """The same along homographies, `speed` times as fast as they say."""
    for t in range(render.frames):
        yield loop_maps(mover, t, render.frames, speed=speed * RELEASED_RATE / render.fps)


def drift(mover: HomographyMover, speed: float) -> Motion:
    """The motion that those maps have, on the grid of the finest."""
    still, moved = grid_of(mover.maps[-1]), mover(1).origins[-1]
    return Motion(((still - moved) * (speed * RELEASED_RATE)).permute(2, 0, 1).float().contiguous(), "given")


def _looping(dynamic: Sequence[Tensor], motion: Motion, count: float, fps: float) -> MapsAt:
    """Along a flow, in a cycle of `count` frames, which need not be whole."""
    mover = FieldMover(dynamic, motion)
    return lambda t: loop_maps(mover, math.fmod(t, count), count, speed=RELEASED_RATE / fps)


def _still(dynamic: Sequence[Tensor]) -> MapsAt:
    return lambda t: list(dynamic)


def _share(weight: Tensor | None, maps: Tensor) -> Tensor:
    return maps.new_ones(maps.shape[2:]) if weight is None else upsampled(weight, maps.shape[2:]).to(maps)


def _mixed(maps: Sequence[Tensor], shares: Sequence[Tensor], own: Tensor) -> Tensor:
    """Maps of several parts as one, each where its part is."""
    made = torch.stack([share * level for share, level in zip(shares, maps, strict=True)]).sum(0)
    return restandardised(made, own)

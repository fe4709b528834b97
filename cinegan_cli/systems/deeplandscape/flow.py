"""Dynamic noise maps in a closed loop, moved by a motion field or by a wind of homographies.

A map in frame t is a mixture of the photo's own map carried on from the loop's start and carried back from its end, as
the pixels of Eq. 3 are. The generator paints every mixture sharply, so no two pictures are ever dissolved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.warp import parts_of, upsampled
from cinegan_cli.systems.deeplandscape.movers import (
    LEAST_MOVING,
    HomographyMover,
    continued,
    grid_of,
    loop_maps,
    moving_of,
)
from cinegan_cli.systems.deeplandscape.noise import moments, restandardised
from cinegan_cli.systems.deeplandscape.worlds import Source, World, crossing, mixture
from cinegan_cli.types import Motion

RELEASED_RATE = 30.0  # frames per second of the release's homographies


def drifting_maps(mover: HomographyMover, speed: float, render: RenderConfig) -> Iterator[list[Tensor]]:
    """Yield the maps of frame t = 0 … N-1 in a wind, `speed` times as fast as its homographies say."""
    for t in range(render.frames):
        yield loop_maps(mover, t, render.frames, speed=speed * RELEASED_RATE / render.fps)


def drift(mover: HomographyMover, speed: float) -> Motion:
    """The motion that those maps have, on the grid of the finest of them."""
    shift = grid_of(mover.maps[-1]) - mover.origins(1)
    return Motion((shift * (speed * RELEASED_RATE)).permute(2, 0, 1).float().contiguous(), "given")


def flowing_maps(
    dynamic: Sequence[Tensor], motion: Motion, region: Tensor, render: RenderConfig
) -> Iterator[list[Tensor]]:
    """Yield the maps [1, 1, h_i, w_i] of frame t = 0 … N-1; frame 0 has `dynamic` itself, and so would frame N.

    `region` uint8 [H, W] is 1 where something moves: elsewhere maps stay as they are, and what comes from behind there
    is new. Mean and deviation of what moves stay what they are.
    """
    render = replace(render, warp="backward", loop="flow")
    parts = parts_of(motion, region, render)
    shares = [[_share(part.weight, maps) for maps in dynamic] for part in parts]
    levels = [_Level(maps, moving_of(maps, region.float()), seed) for seed, maps in enumerate(dynamic)]
    for t, origins in enumerate(zip(*(part.origins(render) for part in parts), strict=True)):
        if t == 0:
            yield list(dynamic)
            continue
        frame = []
        for i, level in enumerate(levels):
            sources = [
                source
                for its, share in zip(origins, shares, strict=True)
                for source in level.sources(its.offsets, its.weight, share[i] * level.moving)
            ]
            frame.append(level.finished(sources))
        yield frame


class _Level:
    """One dynamic map [1, 1, h, w], of which `moving` [h, w] moves."""

    def __init__(self, maps: Tensor, moving: Tensor, seed: int) -> None:
        self.maps, self.moving, self.grid = maps, moving, grid_of(maps)
        self.mean, deviation = moments(maps, moving)
        rows = deviation.expand(-1, -1, maps.shape[2], -1)
        self.world = World.around(continued(maps - self.mean, seed, rows, moving > LEAST_MOVING))

    def sources(self, offsets: Tensor, weight: float, share: Tensor) -> Iterator[Source]:
        """What comes from the start of the loop and from its end; `offsets` [2, 2, gh, gw], in px of their own grid."""
        places = [self.grid + _on_cells(way, self.maps) for way in (offsets if weight > 0 else offsets[:1])]
        sources = [Source(self.world.sample(place), place, share) for place in places]
        yield from crossing(sources[0], sources[1], weight) if weight > 0 else sources

    def finished(self, sources: list[Source]) -> Tensor:
        """What moves, mixed with what stays, with the mean and the std of the map."""
        still = Source(self.maps - self.mean, self.grid, 1 - self.moving)
        return restandardised(mixture([*sources, still]) + self.mean, self.maps, self.moving)


def _share(weight: Tensor | None, maps: Tensor) -> Tensor:
    return maps.new_ones(()) if weight is None else upsampled(weight, maps.shape[2:]).to(maps)


def _on_cells(offsets: Tensor, maps: Tensor) -> Tensor:
    """Offsets [2, gh, gw] in px of their grid, on the grid of a map and in its cells: [h, w, 2]."""
    rows, columns = maps.shape[2:]
    size = offsets.new_tensor([columns / offsets.shape[2], rows / offsets.shape[1]])
    shift = F.interpolate(offsets[None], (rows, columns), mode="bilinear", align_corners=False, antialias=True)[0]
    return (shift.permute(1, 2, 0) * size).to(maps)

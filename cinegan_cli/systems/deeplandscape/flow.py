"""Dynamic noise maps moved by a motion field instead of homographies, in a closed loop.

A map in frame t is a mixture of the photo's own map carried on from the loop's start and carried back from its end, as
the pixels of Eq. 3 are. The generator paints every mixture sharply, so no two pictures are ever dissolved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.warp import parts_of, upsampled
from cinegan_cli.types import Motion


def flowing_maps(
    dynamic: Sequence[Tensor], motion: Motion, region: Tensor, render: RenderConfig
) -> Iterator[list[Tensor]]:
    """Yield the maps [1, 1, h_i, w_i] of frame t = 0 … N-1; frame 0 has `dynamic` itself, and so would frame N.

    `region` uint8 [H, W] is 1 where something moves. Mean and deviation of a map stay what they are.
    """
    render = replace(render, warp="backward", loop="flow")
    parts = parts_of(motion, region, render)
    shares = [[_share(part.weight, maps) for maps in dynamic] for part in parts]
    for t, origins in enumerate(zip(*(part.origins(render) for part in parts), strict=True)):
        if t == 0:
            yield list(dynamic)
            continue
        frame = []
        for level, maps in enumerate(dynamic):
            mean = maps.mean()
            moved = torch.zeros_like(maps)
            for its, share in zip(origins, shares, strict=True):
                moved = moved + share[level] * _mixed(maps - mean, its.offsets, its.weight)
            frame.append(restandardised(moved, maps))
        yield frame


def restandardised(moved: Tensor, like: Tensor) -> Tensor:
    """`moved` with the mean and the deviation of `like`; as it is where it has no deviation."""
    deviation = moved.std(unbiased=False)
    if not float(deviation) > 1e-12:
        return moved - moved.mean() + like.mean()
    return (moved - moved.mean()) * (like.std(unbiased=False) / deviation) + like.mean()


def _share(weight: Tensor | None, maps: Tensor) -> Tensor:
    return maps.new_ones(()) if weight is None else upsampled(weight, maps.shape[2:]).to(maps)


def _mixed(maps: Tensor, offsets: Tensor, weight: float) -> Tensor:
    """Both sources of a map of mean 0, mixed so that independent noise keeps its variance. [1, 1, h, w] → same"""
    ahead = _sampled(maps, offsets[0])
    if weight == 0:
        return ahead
    angle = weight * math.pi / 2
    return math.cos(angle) * ahead + math.sin(angle) * _sampled(maps, offsets[1])


def _sampled(maps: Tensor, offsets: Tensor) -> Tensor:
    """A map [1, 1, h, w] at `offsets` [2, gh, gw], which are in px of their own grid; mirrored at the border."""
    h, w = maps.shape[2:]
    size = torch.tensor([offsets.shape[2], offsets.shape[1]], device=maps.device, dtype=maps.dtype)
    shift = F.interpolate(offsets[None].to(maps), (h, w), mode="bilinear", align_corners=False)[0]
    y = (torch.arange(h, device=maps.device, dtype=maps.dtype) + 0.5) * (2 / h) - 1
    x = (torch.arange(w, device=maps.device, dtype=maps.dtype) + 0.5) * (2 / w) - 1
    at = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1) + shift.permute(1, 2, 0) * (2 / size)
    return F.grid_sample(maps, at[None], mode="bicubic", padding_mode="reflection", align_corners=False)

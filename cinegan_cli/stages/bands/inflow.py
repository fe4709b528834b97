"""What flows into a region from beyond its edge: the region itself, mirrored at the edge, and farther out moved along.

A mirror joins at the edge, but turns the stripes of waves round where the flow meets a slanted one; a shift along the
flow keeps them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops

SIDE = 160  # cells on the long side of the grid on which the ways are followed, one cell a step
REACH = 0.18  # of the long side: what lies farther from the region stays as it is
SHIFT = 0.07  # of the long side: so far along the flow lies what is shown farther out
JOIN = 0.025  # of the long side: from the edge on, over which the mirror becomes the shift
OVERLAP = 0.15  # where a place lies about as far from the region up the flow as down, both are blended


def continue_inflow(layer: Tensor, known: Tensor, hidden: Tensor, velocity: Tensor) -> Tensor:
    """`layer` [3, H, W] with the texture of where `known` [H, W] is 1 carried on to where `hidden` [H, W] is 1.

    Only as far as the flow soon passes there; between the two, beside the edge, the layer stays as it is.

    A place from which the flow [2, h, w] (grid px, any unit of time) runs into the known region after a length L, or
    came out of it, shows what lies L farther inside where L is short, so that it joins at the edge; else what lies a
    whole number of `SHIFT` farther along the flow.
    """
    height, width = known.shape
    scale = min(1.0, SIDE / max(height, width))
    h, w = max(2, round(height * scale)), max(2, round(width * scale))
    inside = F.interpolate(known[None, None], (h, w), mode="area")[0]  # [1, h, w]
    flow = F.interpolate(velocity[None], (h, w), mode="bilinear", antialias=True)[0]
    flow = flow * torch.tensor([w / velocity.shape[2], h / velocity.shape[1]], device=flow.device)[:, None, None]
    field = torch.cat([flow / torch.hypot(*flow).clamp(min=1e-9), inside])
    steps, shift = round(REACH * max(h, w)), SHIFT * max(h, w)
    both = [field * torch.tensor([s, s, 1.0], device=flow.device)[:, None, None] for s in (1, -1)]
    mirrors = [_follow(one, steps, lambda length: 2 * length) for one in both]
    shifts = [_follow(one, steps, lambda length: shift * torch.ceil(length / shift)) for one in both]
    shares = _shares(*mirrors)
    out = layer.clone()
    for mirror, moved, share in zip(mirrors, shifts, shares, strict=True):
        far = (mirror.length.nan_to_num(posinf=0) / (JOIN * max(h, w))).clamp(0, 1)
        for way, part in ((mirror, share * (1 - far)), (moved, share * far)):
            wanted = F.interpolate(part[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
            wanted.mul_(hidden)
            region = (wanted > 0).view(torch.uint8)
            offsets = torch.stack([way.offsets, way.offsets])
            for plane, continued in zip(layer, out, strict=True):  # one channel at a time, for the memory
                shown = ops.joint_sample(plane[None], offsets, 0.0, region=region)[0]
                continued.addcmul_(wanted, shown.sub_(plane))
    return out


@dataclass(frozen=True)
class _Way:
    """`length` [h, w] to the region in cells, infinite where it is not reached, 0 inside; `offsets` [2, h, w] lead to
    what is shown instead."""

    length: Tensor
    offsets: Tensor


def _follow(field: Tensor, steps: int, whole: Callable[[Tensor], Tensor]) -> _Way:
    """Follow the unit vectors of `field` [3, h, w] (its last channel: how much is inside) into the region and on.

    `whole` says how long the way is in all, from the length to the region.
    """
    inside = field[2] > 0.5
    near = ops.dilate(inside, steps)
    at = torch.nonzero(near & ~inside)  # [n, 2]: the others are known, or too far away
    place = start = at.flip(1).T.to(field.dtype)  # [2, n], x and y
    length = torch.full_like(place[0], torch.inf)
    ahead = torch.ones_like(length)
    here = _read(field, place)
    for step in range(1, 2 * steps + 1):
        part = (whole(length) - (step - 1)).clamp(0, 1)  # of this step, that is left to go; infinite lengths: all of it
        walks = (part > 0) & (length.isfinite() | (step <= steps))
        if not bool(walks.any()):
            break
        there = place + here[:2] * ahead * part
        read = _read(field, there)
        within = read[2] > 0.5
        back = walks & length.isfinite() & ~within  # through the region and out again: turn round
        goes = walks & ~back
        enters = goes & within & length.isinf()
        before = (0.5 - here[2]) / (read[2] - here[2]).clamp(min=1e-6)  # the part of the step that lies outside
        length = torch.where(enters, step - 1 + before.clamp(0, 1), length)
        ahead = torch.where(back, -ahead, ahead)
        place, here = torch.where(goes, there, place), torch.where(goes, read, here)
    lengths, offsets = torch.where(inside, 0.0, torch.inf), torch.zeros_like(field[:2])
    lengths[at[:, 0], at[:, 1]] = length
    offsets[:, at[:, 0], at[:, 1]] = torch.where(length.isinf(), 0.0, place - start)
    return _Way(lengths, offsets)


def _read(field: Tensor, place: Tensor) -> Tensor:
    """`field` [C, h, w] at `place` [2, n] in its cells; 0 beyond the picture: [C, n]."""
    h, w = field.shape[1:]
    at = torch.stack([(place[0] + 0.5) * 2 / w - 1, (place[1] + 0.5) * 2 / h - 1], dim=-1)
    return F.grid_sample(field[None], at[None, None], mode="bilinear", padding_mode="zeros", align_corners=False)[
        0, :, 0
    ]


def _shares(down: _Way, up: _Way) -> tuple[Tensor, Tensor]:
    """How much of either way is shown: the shorter one, [h, w] each; their sum is 0 where neither is found."""
    longest = 1e6
    one, other = down.length.clamp(max=longest), up.length.clamp(max=longest)
    share = ((other / (one + other).clamp(min=1e-6) - 0.5) / OVERLAP + 0.5).clamp(0, 1)
    found = (torch.minimum(one, other) < longest).to(share.dtype)
    return share * found, (1 - share) * found

"""How often each place runs through its own cycle within the loop (`docs/spec/stylecinegan.md`, section 3.8).

In one cycle a texture is carried its speed times the cycle's length before it is blended out. Fast water would be
carried across the picture, so it runs through shorter cycles: their number is whole, and the loop still closes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.types import FOG, KINDS, LABEL_OF_KIND, SKY, Mask, Motion

SIDE = 128  # cells on the long side of the grid on which the numbers are found
TRAVEL, OF_SPEED, POWER = 0.16, 0.17, 0.4  # widths in one cycle, at so many widths per second; slower things: less
SKY_SHARE = 2.0  # skies may travel so much farther: their large forms change, those of fast water stay
EXTENT_SHARE = 0.5  # of the way that the flow has within the region
SHORTEST = 0.35  # seconds of one cycle
SHORTEST_TRAVEL = 0.01  # of the width: however small the region
SMOOTH = 0.04  # of the long side: over so much, speeds are averaged
PATCH = 0.1  # of the width: neighbouring patches have different numbers
PATCHED_FROM = 2.5  # cycles; where there are fewer, no beat is seen
SPREAD = 1.6  # the numbers of patches differ from the best by at most so much
MOST_VALUES, LEAST_AREA = 5, 0.04  # different numbers in one picture, each rendered by itself; of what moves
LARGEST = 100


def with_cycles(motion: Motion, mask: Mask, config: Config) -> Motion:
    """`motion` with the numbers of cycles that `--cycles` asks for; as it is where every place has one cycle.

    Only the default loop and origins of pixels know short cycles. The same at every frame rate, device and run.
    Raises UsageError as `parse_cycles` does.
    """
    everywhere, of_kinds = parse_cycles(config.motion.cycles)
    short = config.render.loop == "flow" and config.render.warp in ("inverse", "coordinates", "backward")
    if not short or config.inversion.mode == "deep":
        return motion
    if everywhere is None:
        cycles = cycles_of(motion, mask, config.render.frames / config.render.fps)
    else:
        cycles = torch.full(motion.velocity.shape[1:], everywhere)
    if motion.kinds is not None:
        for kind, number in of_kinds.items():
            cycles[motion.kinds == LABEL_OF_KIND[KINDS.index(kind)]] = number
    return replace(motion, cycles=cycles) if bool((cycles > 1).any()) else motion


def parse_cycles(text: str) -> tuple[int | None, dict[str, int]]:
    """What `--cycles` gives: a number for all, None for "auto"; and numbers for some kinds ("auto,falls=8").

    Raises UsageError for anything else.
    """
    first, *others = text.split(",")
    pairs = [part.partition("=")[::2] for part in others]
    numbers = [number for _, number in pairs] + ([] if first == "auto" else [first])
    if all(kind in KINDS[1:] for kind, _ in pairs) and all(map(_is_count, numbers)):
        return None if first == "auto" else int(first), {kind: int(number) for kind, number in pairs}
    raise UsageError(
        f"--cycles {text}: use auto, or a whole number from 1 to {LARGEST}, and after it numbers for kinds of "
        f"{', '.join(KINDS[1:])}: auto,falls=8"
    )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST


def cycles_of(motion: Motion, mask: Mask, seconds: float) -> Tensor:
    """The best numbers of cycles for a loop of `seconds`, int64 [h, w]; beyond the mask those of the nearest places."""
    size = motion.velocity.shape[1:]
    height, width = mask.alpha.shape
    scale = min(1.0, SIDE / max(size))
    cells = (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
    moving = functional.interpolate(mask.alpha[None, None].cpu(), cells, mode="area")[0, 0]
    if not bool((moving > 0.5).any()):
        return torch.ones(size, dtype=torch.int64)
    velocity = functional.interpolate(motion.velocity[None].cpu(), cells, mode="bilinear", antialias=True)[0]
    velocity = velocity * torch.tensor([1 / size[1], height / (size[0] * width)])[:, None, None]  # widths per second
    speed = velocity.norm(dim=0)
    fast = _mean(speed, moving * speed)  # weighted by itself: what is fast decides
    extent = _mean(_extent(velocity, moving > 0.5, height / width), moving)
    travel = TRAVEL * (fast / OF_SPEED).clamp(max=1) ** POWER
    if motion.kinds is not None:
        sky = (motion.kinds == SKY) | (motion.kinds == FOG)
        share = functional.interpolate(sky[None, None].float().cpu(), cells, mode="area")[0, 0]
        travel = travel * (1 + (SKY_SHARE - 1) * share)
    best = seconds * fast / torch.minimum(travel, EXTENT_SHARE * extent).clamp(min=SHORTEST_TRAVEL)
    best = pull_push(best[None], (moving > 0.5).float())[0]
    best = functional.interpolate(best[None, None], size, mode="bilinear")[0, 0]
    best = best + SPREAD * _patches(size, height / width) * ((best - PATCHED_FROM + 1).clamp(0, 1))
    whole = best.round().clamp(1, max(1, int(seconds / SHORTEST))).to(torch.int64)
    return _few_values(whole, functional.interpolate(moving[None, None], size)[0, 0] > 0.5)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The local mean of `values` [h, w], which count as `weights` say, over `SMOOTH`."""
    both = torch.stack([values * weights, weights])
    sigma = SMOOTH * max(values.shape)
    radius = math.ceil(2 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    padded = functional.pad(both[:, None], (radius,) * 4)
    total = functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]
    return total[0] / total[1].clamp(min=1e-9)


def _extent(velocity: Tensor, moving: Tensor, aspect: float) -> Tensor:
    """How long the flow through each cell runs within the region, in widths, at most 1: both ways along its line.

    `velocity` float32 [2, h, w] is in widths per second; `aspect` is the picture's height over its width.
    """
    h, w = moving.shape
    unit = velocity / velocity.norm(dim=0).clamp(min=1e-9) / w  # one cell a step
    to_grid = torch.tensor([2.0, 2.0 / aspect])[:, None, None]  # widths to grid_sample's [-1, 1]
    x, y = ((torch.arange(n) + 0.5) * 2 / n - 1 for n in (w, h))
    start = torch.stack([x.expand(h, w), y[:, None].expand(h, w)])
    fields = torch.cat([unit * to_grid, moving[None].float()])[None]
    length = torch.zeros(h, w)
    for sign in (1, -1):
        place, within = start, moving.clone()
        for _ in range(w // 2):
            found = functional.grid_sample(
                fields, place.permute(1, 2, 0)[None], padding_mode="border", align_corners=False
            )[0]
            within &= (found[2] > 0.5) & (place.abs().amax(0) <= 1)
            length += within / w
            place = place + sign * found[:2]
    return length


def _patches(size: tuple[int, int] | torch.Size, aspect: float) -> Tensor:
    """Smooth noise in [-1, 1] of the scale `PATCH`, [h, w]: the same for every photo of one shape."""
    across = math.ceil(1 / PATCH)
    seeds = torch.rand(1, 1, max(2, round(across * aspect)), across, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(2 * seeds - 1, size, mode="bicubic", antialias=True)[0, 0].clamp(-1, 1)


def _few_values(whole: Tensor, moving: Tensor) -> Tensor:
    """`whole` int64 [h, w] with few different numbers, none of them rare: those take that of their neighbours."""
    while True:
        values, counts = torch.unique(whole[moving], return_counts=True)
        rare = int(counts.argmin())
        if len(values) == 1 or (len(values) <= MOST_VALUES and counts[rare] > LEAST_AREA * counts.sum()):
            break
        near = (values - values[rare]).abs().float()
        near[rare] = torch.inf
        whole = torch.where(whole == values[rare], values[near.argmin()], whole)
    nearest = (whole[None] - values[:, None, None]).abs().argmin(0)  # also beyond the region
    few: Tensor = values[nearest]
    return few

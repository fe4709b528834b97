"""Bands + displacement → warped picture: joint splatting of both directions of time (Eq. 3), blend, holes.

The default does not splat colours but *where they come from*: two channels on the motion grid, splatted once per
direction; then the picture is sampled sharply there (`spec/stylecinegan.md`, section 3). A pixel of the frame is

    g_0 ((1 - a) I(p_0) + a I(p_1)) + sum_k (g_k - g_0) ((1 - a) B_k(p_0) + a B_k(p_1)),     a = t / N,

with p_0, p_1 its two origins, I the picture, B_k the bands below the finest, and g_k the gains that give back the
contrast which averaging two textures takes away. Written so, the picture itself is sampled once per direction and the
pyramid carries only the differences of the gains: collapsing bands that each moved by a fraction of their own pixels
would shimmer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import LoopConfig
from cinegan_cli.stages.displacement import displacements
from cinegan_cli.stages.holes import HOLE, fill_holes
from cinegan_cli.stages.warp_splat import splat_bands
from cinegan_cli.types import Bands, Motion

LIKENESS_SIDE = 64  # cells on the long side of the grid on which two textures are compared
LIKENESS_SIGMA = 4.0  # cells of the Gaussian over which they are: finer maps print their noise on the sky as a plaid
LIKENESS_FRAMES = 4  # the textures are compared at 1/4, 1/2 and 3/4 of the cycle
LIKENESS_STEPS = 8  # Euler steps between two of those; their statistics need no more
LARGEST_LOSS = 0.8  # of a band's strength that is made good: white noise read half way between pixels keeps 0.79
NOISE = 0.02 / 255  # mean strength under which a texture counts as the same in both sources


@dataclass(frozen=True)
class Origins:
    """Where pixels come from: `offsets[s, :, y, x]` leads from grid point (x, y) to its place in the photo.

    float32 [2, 2, h, w], s = 0 for the source that time carries forward, 1 for backward; `weight` is the share of 1.
    """

    offsets: Tensor
    weight: float

    @cached_property
    def travel(self) -> tuple[float, float]:
        """Mean length of each source's offsets, as a share of the grid's width."""
        sparse = self.offsets[:, :, ::8, ::8]
        lengths = torch.hypot(sparse[:, 0], sparse[:, 1]).mean(dim=(1, 2)) / self.offsets.shape[3]
        return float(lengths[0]), float(lengths[1])


def warped_frames(
    picture: Tensor,
    bands: Bands,
    motion: Motion,
    region: Tensor,
    config: LoopConfig,
    *,
    kept: float = 1.0,
    changing: Callable[[int], tuple[Tensor, Bands]] | None = None,
) -> Iterator[Tensor]:
    """Yield the warped moving layer, float32 [3, H, W], of frame t = 0 … N-1.

    `picture` [3, H, W] is what the bands add up to (`inversion.collapse`). `region` uint8 [H, W] is 0 where no pixel is
    needed (the default leaves 0 there). `config.warp` is "coordinates" (above), "backward" (origins by integrating
    backward, nothing splatted), "splat" (every band splatted, Eq. 3) or "rgb" (the picture splatted, no bands).
    `kept` is the share of the photo's finest texture that `picture` still has; the gain brings it back, once it moves.
    `changing` gives the picture and its bands of frame t, where a style changes them over the loop.
    """
    if config.warp in ("splat", "rgb"):
        steps = displacements(motion, frames=config.frames, fps=config.fps, loop=config.loop)
        for t, displacement in enumerate(steps):
            if changing is not None:
                picture, bands = changing(t)
            bands = Bands((picture,)) if config.warp == "rgb" else bands
            yield splat_bands(bands, displacement, grid=_grid(motion), config=config)
        return
    keeps_contrast = config.blend == "contrast" and config.loop != "pingpong"
    contrasts = measure_contrast(bands.levels[1:], region, motion, config) if keeps_contrast else []
    if contrasts:
        contrasts[-1] = replace(contrasts[-1], kept=max(kept, LARGEST_LOSS))
    widths = [band.shape[2] for band in bands.levels[1:]]
    needed = [_needed_at(region, band) for band in bands.levels[:-1]]
    bands = Bands(bands.levels[:-1])  # the finest is as large as the picture, and was needed only for its contrast
    for t, origins in enumerate(origins_of_frames(motion, config, frames=config.frames, fps=config.fps)):
        if changing is not None:
            picture, bands = changing(t)
        coarser = list(zip(bands.levels, needed, strict=False))  # but for the finest
        gains = [contrast.gain(origins, width) for contrast, width in zip(contrasts, widths, strict=False)]
        yield _sample_frame(picture, region, coarser, origins, gains)


def _sample_frame(
    picture: Tensor, region: Tensor, coarser: list[tuple[Tensor, Tensor]], origins: Origins, gains: list[Tensor]
) -> Tensor:
    """The formula at the top of this file: coarse to fine, each band adding to what lies under it."""
    base, finest = None, None
    if gains:
        finest = gains[-1]
        for (band, needed), gain in zip(coarser, [torch.ones_like(finest), *gains[:-1]], strict=True):
            base = ops.joint_sample(band, origins.offsets, origins.weight, gain=gain - finest, base=base, region=needed)
    return ops.joint_sample(picture, origins.offsets, origins.weight, gain=finest, base=base, region=region)


@dataclass(frozen=True)
class Contrast:
    """What a band loses on its way into a frame, measured once.

    `likeness` [*cells] in [0, 1] is the ρ of what the two directions of time bring to a place. `losses` are what is
    left of the band's strength after 0, 1/4, 1/2, 3/4 and all of the cycle's travel: sharp sampling between pixels
    takes some at once, and what flows in from beyond the mask, smooth, takes more the longer it flows. `whole` is the
    mean travel of the cycle, as a share of the grid's width.
    """

    likeness: Tensor
    losses: tuple[float, ...]
    whole: float
    kept: float = 1.0  # share of its strength in the photo that the band has from the start

    def gain(self, origins: Origins, width: int) -> Tensor:
        """What the average (1 - a) A + a B must be multiplied by to be as strong as the photo's band, [*cells].

        The average has the strength of the root of (1 - a)² + a² + 2 a (1 - a) ρ: for independent textures (ρ = 0) the
        root of the spec; where the flow has hardly moved the texture (ρ → 1) nothing is lost and nothing amplified.
        `width` is the band's. The losses set in with the first half pixel of travel, so that frame 0 is the photo.
        """
        a = origins.weight
        first, second = (self._left(travel, width) for travel in origins.travel)
        left = ((1 - a) * first + a * second) * (self.kept if origins.travel[0] > 0 else 1.0)
        return torch.rsqrt((1 - a) ** 2 + a**2 + 2 * a * (1 - a) * self.likeness) / left

    def _left(self, travel: float, width: int) -> float:
        """What is left of a source's strength after it has travelled so far: a share of the grid's width."""
        place = min(travel / max(self.whole, 1e-9), 1.0) * (len(self.losses) - 1)
        k = min(int(place), len(self.losses) - 2)
        left = self.losses[k] + (place - k) * (self.losses[k + 1] - self.losses[k])
        return 1 + (left - 1) * min(1.0, 2 * travel * width)


def measure_contrast(
    textures: tuple[Tensor, ...], region: Tensor, motion: Motion, config: LoopConfig
) -> list[Contrast]:
    """One `Contrast` per band in `textures`, from the bands themselves at three moments of the cycle.

    Kept for all frames, so that the gain never flickers: travel over one whole cycle separates the two sources at any
    moment of it.
    """
    grid = _grid(motion)
    cells = (max(1, LIKENESS_SIDE * grid[0] // max(grid)), max(1, LIKENESS_SIDE * grid[1] // max(grid)))
    seconds = config.frames / config.fps
    moments = origins_of_frames(
        motion,
        replace(config, loop="flow"),
        frames=LIKENESS_FRAMES,
        fps=LIKENESS_FRAMES / seconds,
        substeps=LIKENESS_STEPS,
    )
    strengths: list[list[Tensor]] = [[] for _ in textures]
    whole = 0.0
    for origins in moments:
        if origins.weight > 0:
            for of_band, band in zip(strengths, textures, strict=True):
                of_band.append(_strengths(band, _needed_at(region, band), origins, cells))
            whole = origins.travel[0] / origins.weight
    return [_contrast(torch.stack(of_band), whole) for of_band in strengths]


def _strengths(band: Tensor, needed: Tensor, origins: Origins, cells: tuple[int, int]) -> Tensor:
    """Means over each cell of |A|, |B|, |A + B| / 2 of the two sources and of |band|, in grey: [4, *cells]."""
    grey = band.mean(0, keepdim=True)  # [1, H_k, W_k]
    a = ops.joint_sample(grey, origins.offsets, 0.0, region=needed)
    b = ops.joint_sample(grey, origins.offsets, 1.0, region=needed)
    parts = (part.abs_()[None] for part in ((a + b).div_(2), a, b, grey * needed))  # one at a time, for the memory
    mixed, first, second, still = (F.interpolate(p, size=cells, mode="bilinear", antialias=True)[0, 0] for p in parts)
    return torch.stack([first, second, mixed, still])


def _contrast(strengths: Tensor, whole: float) -> Contrast:
    """From the mean strengths [3 moments, 4, *cells]: the losses, and the ρ that restores what is lost half way.

    Strength is the mean absolute value, not the deviation: two sparse textures averaged keep the former better, and
    a gain from the latter made the middle of the cycle up to 13 % too crisp.
    """
    mean = strengths.mean(0)
    radius = math.ceil(3 * LIKENESS_SIGMA)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=strengths.device) / LIKENESS_SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    pooled = F.pad(mean[:3, None], (radius,) * 4, mode="replicate")
    pooled = F.conv2d(F.conv2d(pooled, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))  # [3, 1, *cells]
    a, b, mixed = pooled[:, 0] + NOISE
    likeness = torch.clamp(2 * (2 * mixed / (a + b)) ** 2 - 1, 0, 1)
    return Contrast(likeness, _losses(strengths.mean(dim=(2, 3)) + NOISE), whole)


def _losses(strengths: Tensor) -> tuple[float, ...]:
    """What is left after 0, 1/4, 1/2, 3/4 and all of the travel, from the means [3 moments, 4].

    The source that time carries backward has gone 3/4 of its way when the other one has gone 1/4. A single figure for
    the whole cycle made falls, into which much flows, pulse by 12 %: too strong at its ends, too weak in the middle.
    """
    first, second, _, still = strengths.T.tolist()
    quarter, half, three = ((first[k] + second[2 - k]) / (2 * still[k]) for k in range(3))
    curve = (2 * quarter - half, quarter, half, three, 2 * three - half)
    return tuple(min(max(left, LARGEST_LOSS), 1.0) for left in curve)


def origins_of_frames(
    motion: Motion, config: LoopConfig, *, frames: int, fps: float, substeps: int | None = None
) -> Iterator[Origins]:
    """Yield the origins of frame t = 0 … frames-1, on the motion's own grid."""
    if config.warp == "backward":  # in a steady flow, a pixel's origin is where the reversed flow carries it
        motion = replace(motion, velocity=-motion.velocity)
    for d in displacements(motion, frames=frames, fps=fps, loop=config.loop, substeps=substeps):
        fields = (d.forward, d.backward) if d.weight > 0 else (d.forward,)
        if config.warp == "coordinates":
            offsets = [splat_origins(field, d.pad, config.fill) for field in fields]
        else:
            offsets = [_crop(field, d.pad) for field in fields]
        yield Origins(torch.stack([offsets[0], offsets[-1]]), d.weight)


def splat_origins(field: Tensor, pad: tuple[int, int], fill: str) -> Tensor:
    """Scatter -F along F and normalise: at each grid point, the offset to where its content started.

    `field` [2, h + 2 pad, w + 2 pad]; returns [2, h, w].
    """
    votes, count = ops.splat(field[None], field[None], torch.ones_like(field[None, :1]))
    votes, count = _crop(votes[0], pad), _crop(count[0], pad)
    if float(count.min()) > HOLE:
        return votes / -count
    return fill_holes(votes / -count.clamp(min=HOLE), count[0] > HOLE, fill)


def _crop(field: Tensor, pad: tuple[int, int]) -> Tensor:
    """The picture's part of a padded field."""
    return field[:, pad[0] : field.shape[1] - pad[0], pad[1] : field.shape[2] - pad[1]]


def _needed_at(region: Tensor, band: Tensor) -> Tensor:
    """`region` at a band's size, one pixel wider there: bilinear upsampling reads the neighbours. uint8."""
    if region.shape == band.shape[1:]:
        return region
    soft = F.adaptive_max_pool2d(region[None].to(torch.float32), (band.shape[1], band.shape[2]))
    return F.max_pool2d(soft, 3, stride=1, padding=1)[0].to(torch.uint8)


def _grid(motion: Motion) -> tuple[int, int]:
    """(h, w) of the motion grid."""
    return motion.velocity.shape[1], motion.velocity.shape[2]

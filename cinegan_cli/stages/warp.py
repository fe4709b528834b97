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
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import LoopConfig
from cinegan_cli.stages.displacement import displacements
from cinegan_cli.stages.holes import fill_holes
from cinegan_cli.stages.inversion import collapse
from cinegan_cli.stages.warp_splat import splat_bands
from cinegan_cli.types import Bands, Motion

HOLE = 1e-3  # a pixel with fewer votes is empty
CORRELATION_SIDE = 64  # cells on the long side of the grid on which two textures are compared
CORRELATION_SIGMA = 4.0  # cells of the Gaussian over which they are: finer maps print their noise on the sky as a plaid
CORRELATION_FRAMES = 4  # the textures are compared at 1/4, 1/2 and 3/4 of the cycle
CORRELATION_STEPS = 8  # Euler steps between two of those; their statistics need no more
NOISE = (0.5 / 255) ** 2  # variance under which a texture is rounding, and counts as the same in both sources


@dataclass(frozen=True)
class Origins:
    """Where pixels come from: `offsets[s, :, y, x]` leads from grid point (x, y) to its place in the photo.

    float32 [2, 2, h, w], s = 0 for the source that time carries forward, 1 for backward; `weight` is the share of 1.
    """

    offsets: Tensor
    weight: float


def warped_frames(bands: Bands, motion: Motion, region: Tensor, config: LoopConfig) -> Iterator[Tensor]:
    """Yield the warped moving layer, float32 [3, H, W], of frame t = 0 … N-1.

    `region` uint8 [H, W] is 0 where no pixel is needed (the default leaves 0 there). `config.warp` is "coordinates"
    (above), "backward" (origins by integrating backward, nothing splatted), "splat" (every band splatted, Eq. 3) or
    "rgb" (the picture splatted, no bands).
    """
    if config.warp in ("splat", "rgb"):
        bands = Bands((collapse(bands),)) if config.warp == "rgb" else bands
        for displacement in displacements(motion, frames=config.frames, fps=config.fps, loop=config.loop):
            yield splat_bands(bands, displacement, grid=_grid(motion), config=config)
        return
    picture = collapse(bands)
    textures = bands.levels[1:] if config.blend == "contrast" and config.loop != "pingpong" else ()
    correlations = correlation_maps(textures, region, motion, config)
    regions = [_needed_at(region, band) for band in bands.levels]
    for origins in origins_of_frames(motion, config, frames=config.frames, fps=config.fps):
        gains = [contrast_gain(c, origins.weight) for c in correlations]
        yield _sample_frame(picture, bands, regions, origins, gains)


def _sample_frame(
    picture: Tensor, bands: Bands, regions: list[Tensor], origins: Origins, gains: list[Tensor]
) -> Tensor:
    """The formula at the top of this file: coarse to fine, each band adding to what lies under it."""
    base, finest = None, None
    if gains and origins.weight > 0:
        finest = gains[-1]
        for band, needed, gain in zip(bands.levels[:-1], regions[:-1], [torch.ones_like(finest), *gains], strict=False):
            base = ops.joint_sample(band, origins.offsets, origins.weight, gain=gain - finest, base=base, region=needed)
    return ops.joint_sample(picture, origins.offsets, origins.weight, gain=finest, base=base, region=regions[-1])


def contrast_gain(correlation: Tensor, weight: float) -> Tensor:
    """What the average (1 - a) A + a B of two textures of equal variance must be multiplied by to have theirs.

    Var = (1 - a)² + a² + 2 a (1 - a) ρ. For independent textures (ρ = 0) this is the root of the spec; where the flow
    has hardly moved the texture (ρ → 1) nothing is lost and nothing is amplified.
    """
    rest = 1 - weight
    return torch.rsqrt(rest**2 + weight**2 + 2 * weight * rest * correlation)


def correlation_maps(textures: tuple[Tensor, ...], region: Tensor, motion: Motion, config: LoopConfig) -> list[Tensor]:
    """Correlation ρ in [0, 1] of what the two directions bring to each place, one map [*cells] per band in `textures`.

    Measured on the bands themselves at three moments of the cycle and kept for all frames, so that the gain never
    flickers. Travel over one whole cycle separates the two sources, at any moment of it.
    """
    if not textures:
        return []
    grid = _grid(motion)
    cells = (max(1, CORRELATION_SIDE * grid[0] // max(grid)), max(1, CORRELATION_SIDE * grid[1] // max(grid)))
    seconds = config.frames / config.fps
    products: list[Tensor] = [torch.zeros(())] * len(textures)
    coarse_time = replace(config, loop="flow")
    moments = origins_of_frames(
        motion, coarse_time, frames=CORRELATION_FRAMES, fps=CORRELATION_FRAMES / seconds, substeps=CORRELATION_STEPS
    )
    for origins in moments:
        if origins.weight > 0:
            for k, band in enumerate(textures):
                products[k] = products[k] + _products(band, _needed_at(region, band), origins, cells)
    return [_correlation(p) for p in products]


def _products(band: Tensor, needed: Tensor, origins: Origins, cells: tuple[int, int]) -> Tensor:
    """Means over each cell of AB, AA and BB of the two sources, summed over colours: [3, *cells]."""
    a = ops.joint_sample(band, origins.offsets, 0.0, region=needed)  # [3, H_k, W_k]
    b = ops.joint_sample(band, origins.offsets.flip(0), 0.0, region=needed)
    stack = torch.stack([(a * b).sum(0), (a * a).sum(0), (b * b).sum(0)])
    return F.interpolate(stack[None], size=cells, mode="bilinear", antialias=True)[0]


def _correlation(products: Tensor) -> Tensor:
    """ρ [*cells] from the products [3, *cells]."""
    radius = math.ceil(3 * CORRELATION_SIGMA)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=products.device) / CORRELATION_SIGMA) ** 2)
    kernel = kernel / kernel.sum()
    pooled = F.pad(products[:, None], (radius,) * 4, mode="replicate")
    pooled = F.conv2d(F.conv2d(pooled, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))  # [3, 1, *cells]
    ab, aa, bb = pooled[:, 0]
    return ((ab + NOISE) / (torch.sqrt(aa * bb) + NOISE)).clamp(0, 1)


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
    votes, count = ops.splat(-field[None], field[None], torch.ones_like(field[None, :1]))
    votes, count = _crop(votes[0], pad), _crop(count[0], pad)
    return fill_holes(votes / count.clamp(min=HOLE), count[0] > HOLE, fill)


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

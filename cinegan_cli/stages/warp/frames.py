"""Bands + displacement → warped picture: joint splatting of both directions of time (Eq. 3), blend, holes.

The default does not splat colours but *where they come from*: two channels on the motion grid, splatted once per
direction; then the picture is sampled sharply there (`docs/spec/stylecinegan.md`, section 3.4). A pixel of the frame is

    g_0 ((1 - a) I(p_0) + a I(p_1)) + sum_k (g_k - g_0) ((1 - a) B_k(p_0) + a B_k(p_1)),     a = t / N,

with p_0, p_1 its two origins, I the picture, B_k the bands below the finest, and g_k the gains that give back the
contrast which averaging two textures takes away. Written so, the picture itself is sampled once per direction and the
pyramid carries only the differences of the gains: collapsing bands that each moved by a fraction of their own pixels
would shimmer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import RenderConfig
from cinegan_cli.stages.displacement import displacements
from cinegan_cli.stages.warp.contrast import LARGEST_LOSS, Contrast, _needed_at, measure_contrast
from cinegan_cli.stages.warp.origins import Origins, _grid
from cinegan_cli.stages.warp.parts import Part, parts_of
from cinegan_cli.stages.warp.splat import splat_bands
from cinegan_cli.types import Bands, Motion


def warped_frames(
    picture: Tensor,
    bands: Bands,
    motion: Motion,
    region: Tensor,
    config: RenderConfig,
    *,
    kept: float = 1.0,
    changing: Callable[[int], tuple[Tensor, Bands]] | None = None,
) -> Iterator[Tensor]:
    """Yield the warped moving layer, float32 [3, H, W], of frame t = 0 … N-1.

    `picture` [3, H, W] is what the bands add up to (`bands.collapse`). `region` uint8 [H, W] is 0 where no pixel is
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
    parts = parts_of(motion, region, config)
    textures = bands.levels[1:] if config.blend == "contrast" and config.loop != "pingpong" else ()
    contrasts = [_contrasts(textures, part, config, kept) for part in parts]
    needed = [[_needed_at(part.region, band) for band in bands.levels[:-1]] for part in parts]
    bands = Bands(bands.levels[:-1])  # the finest is as large as the picture, and was needed only for its contrast
    del textures
    for t, origins in enumerate(zip(*(part.origins(config) for part in parts), strict=True)):
        if changing is not None:
            picture, bands = changing(t)
        frame: Tensor | None = None
        for part, its_origins, its_contrasts, its_needed in zip(parts, origins, contrasts, needed, strict=True):
            coarser = list(zip(bands.levels, its_needed, strict=False))  # but for the finest
            frame = part.add_to(frame, _sample_part(picture, part, coarser, its_origins, its_contrasts))
        assert frame is not None
        yield frame


def _contrasts(textures: tuple[Tensor, ...], part: Part, config: RenderConfig, kept: float) -> list[Contrast]:
    """What each texture of a part loses, none without textures; `kept` as in `warped_frames`."""
    if not textures:
        return []
    if part.waves is not None:  # nothing else hides what sampling takes of the very finest
        textures = (*textures[:-1], _sharpest(textures[-1]))
    found = measure_contrast(textures, part.region, part.moments(config))
    return [*found[:-1], replace(found[-1], kept=max(kept, LARGEST_LOSS))]


def _sharpest(band: Tensor) -> Tensor:
    """The finest of [3, H, W]: between the band itself and its second differences; mirrored at the border."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -5.0, 1.0], [0.0, 1.0, 0.0]], device=band.device)
    return F.conv2d(F.pad(band[:, None], (1, 1, 1, 1), mode="reflect"), kernel[None, None])[:, 0]


def _sample_part(
    picture: Tensor,
    part: Part,
    coarser: list[tuple[Tensor, Tensor]],
    origins: Origins,
    contrasts: list[Contrast],
) -> Tensor:
    """The formula at the top of this file, where the part is seen: coarse to fine, each adds to what is under it."""
    base, finest = None, None
    if contrasts:
        widths = [*(band.shape[2] for band, _ in coarser[1:]), picture.shape[2]]
        gains = [contrast.gain(origins, width) for contrast, width in zip(contrasts, widths, strict=True)]
        finest = gains[-1]
        for (band, needed), gain in zip(coarser, [torch.ones_like(finest), *gains[:-1]], strict=True):
            base = ops.joint_sample(band, origins.offsets, origins.weight, gain=gain - finest, base=base, region=needed)
    return ops.joint_sample(picture, origins.offsets, origins.weight, gain=finest, base=base, region=part.region)

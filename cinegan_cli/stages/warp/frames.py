"""Bands + displacement → warped picture: both directions of time (Eq. 3), blend, holes.

The default does not splat colours: it finds *where they come from*, on the motion grid, once per direction; then the
picture is sampled sharply there (`docs/spec/stylecinegan.md`, section 3.4). A pixel of the frame is

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
from cinegan_cli.types import Bands, Motion, RenderPart, Warped


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
    """Yield what `warps` does, its pixels computed: float32 [3, H, W]."""
    for warped in warps(picture, bands, motion, region, config, kept=kept, changing=changing):
        yield ops.render(warped.levels, warped.parts) if isinstance(warped, Warped) else warped


def warps(
    picture: Tensor,
    bands: Bands,
    motion: Motion,
    region: Tensor,
    config: RenderConfig,
    *,
    kept: float = 1.0,
    changing: Callable[[int], tuple[Tensor, Bands]] | None = None,
) -> Iterator[Tensor | Warped]:
    """Yield the warped moving layer of frame t = 0 … N-1: float32 [3, H, W], or a `Warped` still to be computed.

    `picture` [3, H, W] is what the bands add up to (`bands.collapse`). `region` uint8 [H, W] is 0 where no pixel is
    needed (the default leaves 0 there). `config.warp` is "inverse" (above, origins by undoing the flow's steps),
    "coordinates" (by splatting them), "backward" (by steps of the reversed flow), "splat" (every band splatted, Eq. 3)
    or "rgb" (the picture splatted, no bands).
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
    keeps_contrast = config.blend == "contrast" and config.loop != "pingpong"
    textures = tuple(band.mean(0, keepdim=True) for band in bands.levels[1:]) if keeps_contrast else ()
    needed = [(*(_needed_at(part.region, band) for band in bands.levels[:-1]), part.region) for part in parts]
    contrasts = [_contrasts(textures, part, seen[1:], config, kept) for part, seen in zip(parts, needed, strict=True)]
    levels = _levels(picture, bands, bool(textures))
    del picture, bands, textures
    for t, origins in enumerate(zip(*(part.origins(config) for part in parts), strict=True)):
        if changing is not None:
            levels = _levels(*changing(t), len(levels) > 1)
        moved = zip(parts, origins, contrasts, needed, strict=True)
        yield Warped(levels, tuple(_render_part(levels, *of_part) for of_part in moved))


def _levels(picture: Tensor, bands: Bands, graded: bool) -> tuple[Tensor, ...]:
    """What is sampled, as `ops.render` reads it: with gains the bands but for the finest, and the picture."""
    coarse = bands.levels[:-1] if graded else ()
    return (*map(ops.interleaved, coarse), ops.interleaved_coefficients(picture))


def _contrasts(
    textures: tuple[Tensor, ...], part: Part, needed: tuple[Tensor, ...], config: RenderConfig, kept: float
) -> list[Contrast]:
    """What each texture of a part loses, none without textures; `kept` as in `warped_frames`."""
    if not textures:
        return []
    if part.waves is not None:  # nothing else hides what sampling takes of the very finest
        textures = (*textures[:-1], _sharpest(textures[-1]))
    found = measure_contrast(textures, needed, part.moments(config))
    return [*found[:-1], replace(found[-1], kept=max(kept, LARGEST_LOSS))]


def _sharpest(band: Tensor) -> Tensor:
    """The finest of [1, H, W]: between the band itself and its second differences; mirrored at the border."""
    near = F.pad(band, (1, 1, 1, 1), mode="reflect")
    return near[:, :-2, 1:-1] + near[:, 2:, 1:-1] + near[:, 1:-1, :-2] + near[:, 1:-1, 2:] - 5 * band


def _render_part(
    levels: tuple[Tensor, ...], part: Part, origins: Origins, contrasts: list[Contrast], needed: tuple[Tensor, ...]
) -> RenderPart:
    """The formula at the top of this file, where the part is seen."""
    gains = None
    if contrasts:
        widths = (level.shape[1] for level in levels[1:])
        own = [contrast.gain(origins, width) for contrast, width in zip(contrasts, widths, strict=True)]
        finest = own[-1]
        gains = torch.stack([1 - finest, *(gain - finest for gain in own[:-1]), finest])
    regions = tuple(needed[-len(levels) :])
    return RenderPart(origins.offsets, origins.weight, regions, gains, part.weight)

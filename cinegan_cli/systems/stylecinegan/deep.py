"""The paper's literal warp: features with all their channels are splatted, and the generator's layers follow.

`stages.warp` warps each level's toRGB contribution instead. Both are the same where every pixel has votes,
because toRGB is linear (`docs/spec/stylecinegan.md`, section 3.1); this one is for the ablations and as its proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import InversionConfig, Precision, RenderConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.nn.stylegan2 import Generator
from cinegan_cli.precision import narrowed_for
from cinegan_cli.stages.displacement import displacements
from cinegan_cli.stages.warp import at_level, splat_band
from cinegan_cli.systems.stylecinegan.invert import as_picture
from cinegan_cli.systems.stylecinegan.latents import Latents
from cinegan_cli.types import Displacement, Motion


def deep_frames(
    generator: Generator,
    latents: Latents,
    motion: Motion,
    residual: Tensor | None,
    *,
    size: tuple[int, int],
    render: RenderConfig,
    inversion: InversionConfig,
    precision: Precision,
) -> Iterator[Tensor]:
    """Yield the warped picture float32 [3, H, W] in about [0, 1], `size` = (H, W), of frame t = 0 … N-1.

    The first feature warped is `inversion.warp_index`: an odd one, as in the release, is warped before the second
    convolution of its size. With `warp_levels` "all", one feature of each larger size is warped too; with "first" the
    network makes them from the warped one (Table 4, "D10 only"). What lies below the first is warped as RGB.
    `residual` [3, H, W] is splatted as a last band. `render.warp` "backward" gathers instead of splatting.
    """
    with narrowed_for(generator, precision, latents.feature.device):
        features = generator.features_from(latents.feature, latents.w_plus, latents.index)
    last = max(features.levels)
    first = first_index(latents.index, inversion.warp_index, last)
    even = first + first % 2  # the last feature of the first warped size
    later = range(even + 2, last + 1, 2) if inversion.warp_levels == "all" else ()
    kept = {k: features.levels[k].float() for k in (first, *later)}  # votes are added up in float32
    below = features.rgb[: (even - latents.index - latents.index % 2) // 2]
    unmoved = as_picture(generator.sum_rgb(features.rgb), size)
    del features
    layers = _Layers(generator, latents, precision)
    if render.warp == "backward":
        motion = replace(motion, velocity=-motion.velocity)
    for displacement in displacements(motion, frames=render.frames, fps=render.fps, loop=render.loop):
        if displacement.weight == 0 and not bool(displacement.forward.any()):
            yield unmoved if residual is None else unmoved + residual
            continue
        warp = _Warp(displacement, (motion.velocity.shape[1], motion.velocity.shape[2]), render)
        rgb = [warp(band) for band in below]
        feature = warp(kept[first])
        for k in range(even, last + 1, 2):
            if k > even:
                feature = warp(kept[k]) if k in kept else layers((k - 1, k), feature)
            elif first < even:
                feature = layers((k,), feature)
            rgb.append(generator.to_rgb(k, feature, latents.w_plus))
        picture = as_picture(generator.sum_rgb(tuple(rgb)), size)
        yield picture if residual is None else picture + warp(residual[None])[0]


def first_index(inverted: int, wanted: int | None, last: int) -> int:
    """The first feature to warp: by default the last one of the inverted feature's size (Table 2).

    Raises UsageError when there is no such feature between the inverted one and the generator's last.
    """
    first = inverted + inverted % 2 if wanted is None else wanted
    if not inverted <= first <= last:
        raise UsageError(f"--warp-index {first}: must lie between the inversion index {inverted} and {last}")
    return first


@dataclass(frozen=True)
class _Warp:
    """Carries [1, C, h, w] from both ends of the cycle into one frame."""

    displacement: Displacement
    grid: tuple[int, int]
    render: RenderConfig

    def __call__(self, feature: Tensor) -> Tensor:
        if self.render.warp == "backward":
            return gather_band(feature[0], self.displacement, grid=self.grid)[None]
        return splat_band(feature[0], self.displacement, self.grid, False, self.render.fill)[None]


def gather_band(band: Tensor, d: Displacement, *, grid: tuple[int, int]) -> Tensor:
    """Backward warping (Table 4, "w/o FW"): each pixel of [C, h, w] reads, bilinearly, where the flow points.

    `d` are displacements of the reversed motion.
    """
    size = (band.shape[1], band.shape[2])
    y, x = torch.meshgrid(*(torch.arange(n, device=band.device, dtype=band.dtype) for n in size), indexing="ij")
    total = torch.zeros_like(band)
    for weight, field in ((1 - d.weight, d.forward), (d.weight, d.backward)):
        if weight > 0:
            u, v = at_level(field, d.pad, grid, size, (0, 0))
            at = torch.stack([(x + u + 0.5) * 2 / size[1] - 1, (y + v + 0.5) * 2 / size[0] - 1], dim=-1)
            read = F.grid_sample(band[None], at[None], "bilinear", "reflection", align_corners=False)[0]
            total = total + weight * read
    return total


@dataclass(frozen=True)
class _Layers:
    """Runs layers of the generator on D_{k-1} [1, C, h, w], k the first of `indices`."""

    generator: Generator
    latents: Latents
    precision: Precision

    def __call__(self, indices: tuple[int, ...], feature: Tensor) -> Tensor:
        with narrowed_for(self.generator, self.precision, feature.device):
            for k in indices:
                feature = self.generator.layer(k, feature, self.latents.w_plus)
        return feature

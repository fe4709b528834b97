"""A generator's toRGB contributions → bands that the renderer takes (`docs/spec/stylecinegan.md`, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.bands import collapse, low_pass, pull_push, pyramid, upsample
from cinegan_cli.types import Bands


def generator_bands(
    contributions: tuple[Tensor, ...],
    layer: Tensor,
    *,
    known: Tensor | None = None,
    residual: bool = True,
) -> Bands:
    """The bands of `layer` float32 [3, H, W] in [0, 1] that a generator contributes, and what it could not make.

    `contributions` are its toRGB outputs, coarse to fine, [3, h, w] of pictures in [-1, 1]. Those larger than the layer
    are reduced to its size and added up there. With `residual` a last band completes the sum: `collapse` gives the
    layer. Where `known` [H, W] is less than 1, nothing of the contributions is kept: they are filled from around, as
    the layer was.
    """
    size = (layer.shape[1], layer.shape[2])
    levels = [0.5 * band for band in contributions]
    levels[0] = levels[0] + 0.5
    fitting = [band for band in levels if band.shape[1] < size[0] and band.shape[2] < size[1]]
    beyond = [_resized(band, size) for band in levels[len(fitting) :]]
    between = [] if beyond else [layer.new_zeros(3, *half) for half in halves(size, fitting[-1].shape[1])]
    finest = torch.stack(beyond).sum(0) if beyond else torch.zeros_like(layer)
    levels = [*fitting, *between, finest]
    if known is not None:
        levels = [_filled(band, known) for band in levels]
    if residual:
        levels[-1] = levels[-1] + (layer - collapse(Bands(tuple(levels))))
    return Bands(tuple(levels))


def halves(size: tuple[int, int], above: int) -> list[tuple[int, int]]:
    """`size` (rows, columns) halved, rounding up, while there are more than `above` rows; ascending, without `size`."""
    found: list[tuple[int, int]] = []
    while (size[0] + 1) // 2 > above:
        size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        found.insert(0, size)
    return found


def zero_mean(bands: Bands) -> Bands:
    """The same picture in bands that hold no low frequencies, but for the coarsest.

    Each band's low-pass is moved down into the next coarser one: the contrast-preserving blend presumes zero-mean
    bands, and a generator's are not (`docs/spec/stylecinegan.md`, section 3.5).
    """
    coarse_to_fine: list[Tensor] = []
    carried = bands.levels[-1]
    for coarser in bands.levels[-2::-1]:
        low = low_pass(carried, (coarser.shape[1], coarser.shape[2]))
        coarse_to_fine.insert(0, carried - upsample(low, (carried.shape[1], carried.shape[2])))
        carried = coarser + low
    return Bands((*pyramid(carried).levels, *coarse_to_fine))


def _resized(band: Tensor, size: tuple[int, int]) -> Tensor:
    if (band.shape[1], band.shape[2]) == size:
        return band
    return F.interpolate(band[None], size, mode="bilinear", antialias=True)[0]


def _filled(band: Tensor, known: Tensor) -> Tensor:
    share = F.interpolate(known[None, None], (band.shape[1], band.shape[2]), mode="area")[0, 0]
    inside = (share > 0.98).to(torch.float32)
    if not bool(inside.any()):
        return band
    return torch.where(inside.bool(), band, pull_push(band, inside).to(band.device))

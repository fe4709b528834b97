"""A look without weights: the photo restyled by statistics of its bands and regions, sky and land treated apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.ops import one_thread
from cinegan_cli.session import Session
from cinegan_cli.stages.look.colour import from_oklab, into_gamut, to_linear, to_oklab, to_srgb
from cinegan_cli.stages.look.looks import LOOKS, Look, Tone
from cinegan_cli.stages.look.reference import Measured, look_of_colour, look_of_reference, measure_reference
from cinegan_cli.stages.look.regions import Layer, Regions, find_regions, shrunk, split
from cinegan_cli.stages.look.sky import PaintedSky, mirrored, paint_sky, painted, relief
from cinegan_cli.stages.look.statistics import Statistics, exposure, gradient_correlation, likeness, measure
from cinegan_cli.stages.look.target import Target
from cinegan_cli.stages.look.transfer import clarity_change, eased, graded, rows_of, step
from cinegan_cli.types import Mask, Photo

SMALL = 512  # px, long side of the copy that statistics and bands are made from
KEPT = 0.986  # gradient correlation of land in the small copy; the promise for the whole is 0.98
EASES = (1.0, 0.75, 0.5, 0.25, 0.0)
STRIP = 64  # rows rendered at a time: what is worked on stays in the cache


def restyle(photo: Photo, mask: Mask | None, target: Target, *, session: Session) -> Tensor:
    """The photo in the target's look, float32 [3, H, W] in [0, 1], on the photo's device.

    Sky and water are those of `mask`, or what the seer sees where that has not looked. Raises
    InputError when a reference photo cannot be read, ModelMissingError when the network is needed and not installed.
    """
    device = session.device
    regions = find_regions(photo, mask, session=session)
    regions = replace(regions, sky=regions.sky.to(device), water=regions.water.to(device))
    reference = None if target.reference is None else measure_reference(target.reference, session=session)
    pixels = photo.pixels.to(device)
    with one_thread():
        small, small_regions = _small_copy(pixels, regions)
        look = _eased_look(_look(target, reference, small, small_regions), small, small_regions)
        return _Scene(pixels, regions, look).rendered().to(photo.pixels.device)


def _look(target: Target, reference: Measured | None, small: Tensor, regions: Regions) -> Look:
    sky = measure(small, regions.sky) if regions.has_sky else None
    if target.colour is not None:
        return look_of_colour(target.colour, sky)
    if reference is not None:
        return look_of_reference(reference, measure(small, 1 - regions.sky), sky)
    return LOOKS[target.name]


def _small_copy(pixels: Tensor, regions: Regions) -> tuple[Tensor, Regions]:
    height, width = pixels.shape[1:]
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = Regions(
        shrunk(regions.sky[None], size)[0],
        shrunk(regions.water[None], size)[0],
        regions.horizon * scale,
        regions.span * scale,
    )
    return shrunk(pixels, size), small


def _eased_look(look: Look, small: Tensor, regions: Regions) -> Look:
    """The look, its land's tone eased until the land's gradients stay as they were: tried on the small copy."""
    land = ((regions.sky < 0.01) & (regions.water < 0.5)).float()
    for ease in EASES[:-1]:
        tried = replace(look, land=eased(look.land, ease))
        if gradient_correlation(small, _Scene(small, regions, tried).rendered(), land) >= KEPT:
            return tried
    return replace(look, land=eased(look.land, EASES[-1]))


class _Scene:
    """One photo under one look: everything measured once, then rendered in strips of rows."""

    def __init__(self, pixels: Tensor, regions: Regions, look: Look) -> None:
        self.pixels, self.regions, self.look = pixels, regions, look
        small, shares = _small_copy(pixels, regions)
        sky, water, width = shares.sky, shares.water, pixels.shape[2]
        self.land = measure(small, 1 - sky)
        self.sky = measure(small, sky)
        self.water_top = measure(small, water).top
        self.far = _far(small)
        self.painted_sky: PaintedSky | None = None
        if look.sky is not None:
            sun = _sun(small, sky)
            self.painted_sky = paint_sky(
                look.sky, sun, horizon=regions.horizon, span=regions.span, width=width, device=pixels.device
            )

    def rendered(self) -> Tensor:
        """sRGB [3, H, W] in [0, 1]."""
        sky = self.regions.sky
        above, below = split(self.pixels, sky) if self.regions.has_sky else (None, Layer(self.pixels, 0))
        paint = None if above is None else self._sky(above)
        ground = self._land(below)
        slope = min(1.0, exposure(self.look.land, self.land))  # of what neither layer explains
        out = torch.empty_like(self.pixels)
        for first in range(0, sky.shape[0], STRIP):
            last = min(first + STRIP, sky.shape[0])
            share, pixels = sky[first:last], self.pixels[:, first:last]
            if above is None or paint is None or float(share.max()) == 0:
                out[:, first:last] = ground(below.rows(first, last), first)
            elif float(share.min()) == 1:
                out[:, first:last] = paint(above.rows(first, last), first)
            else:
                one, other = above.rows(first, last), below.rows(first, last)
                mixed = torch.lerp(ground(other, first), paint(one, first), share)
                out[:, first:last] = mixed + slope * (pixels - torch.lerp(other, one, share))
        return out.clamp_(0, 1)

    def _sky(self, layer: Layer) -> Callable[[Tensor, int], Tensor]:
        """The function that restyles rows [3, n, W] of the sky, beginning with row `first`."""
        tone, look, over = self.look.sky_tone, self.look.sky, self.painted_sky
        height, width = layer.picture.shape[1:]
        small, share = self._small(layer, self.regions.sky)
        if look is None or over is None:
            toned = self._toner(layer, small, tone, self.sky)
            return lambda pixels, first: _to_picture(toned(pixels, first))
        course = over.rows(layer.top, layer.top + height)
        amount = look.amount * likeness(self.sky, course)
        kept = relief(small, share, float(course[0].mean()), look)
        del course

        def paint(pixels: Tensor, first: int) -> Tensor:
            last = first + pixels.shape[1]
            base = rows_of(kept.base, first - layer.top, last - layer.top, (height, width))
            lab = painted(to_oklab(to_linear(pixels)), base, kept.gains, over.rows(first, last), look)
            if amount < 1:
                lab = torch.lerp(graded(pixels, tone, self.sky), lab, amount)
            return _to_picture(lab)

        return paint

    def _land(self, layer: Layer) -> Callable[[Tensor, int], Tensor]:
        """The function that restyles rows [3, n, W] of everything under the sky, beginning with row `first`."""
        tone, look, regions = self.look.land, self.look.sky, self.regions
        size = (self.pixels.shape[1], self.pixels.shape[2])
        toned = self._toner(layer, self._small(layer, 1 - regions.sky)[0], tone, self.land)
        below = max(1.0, size[0] - regions.horizon)

        def ground(pixels: Tensor, first: int) -> Tensor:
            last = first + pixels.shape[1]
            lab = toned(pixels, first)
            if self.painted_sky is None or look is None:
                return _to_picture(lab)
            far = rows_of(self.far, first, last, size)
            if regions.has_sky:
                y = torch.arange(first, last, device=far.device, dtype=torch.float32)
                near = ((y - regions.horizon) / below).clamp(0, 1)
                far = far * ((1 - near) ** 1.5)[:, None]
            horizon = self.painted_sky.rows(int(regions.horizon), int(regions.horizon) + 1)
            lab = torch.lerp(lab, horizon.expand_as(lab), tone.haze * far)
            water = regions.water[first:last]
            if regions.has_sky and float(water.max()) > 0:
                mirror = self.painted_sky.rows(first, last, mirrored=below)
                lab = mirrored(to_oklab(to_linear(pixels)), lab, water, mirror, look, self.water_top)
            return _to_picture(lab)

        return ground

    def _toner(self, layer: Layer, small: Tensor, tone: Tone, region: Statistics) -> Callable[[Tensor, int], Tensor]:
        """The function that tones rows [3, n, W] of a layer, beginning with row `first`, to OKLab."""
        if tone.clarity == 1:
            return lambda pixels, first: graded(pixels, tone, region)
        change = clarity_change(small[0], tone.clarity) * exposure(tone, region)
        size = (layer.picture.shape[1], layer.picture.shape[2])

        def toned(pixels: Tensor, first: int) -> Tensor:
            lab = graded(pixels, tone, region)
            added = rows_of(change, first - layer.top, first - layer.top + pixels.shape[1], size)[0]
            return torch.stack((lab[0] + added, lab[1], lab[2]))

        return toned

    def _small(self, layer: Layer, share: Tensor) -> tuple[Tensor, Tensor]:
        """A layer in OKLab and where it shows, at a small size."""
        height, width = layer.picture.shape[1:]
        scale = min(1.0, SMALL / max(self.pixels.shape[1:]))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        shown = share[layer.top : layer.top + height]
        return to_oklab(to_linear(shrunk(layer.picture, size))), shrunk(shown[None], size)[0]


def _to_picture(lab: Tensor) -> Tensor:
    return to_srgb(into_gamut(from_oklab(lab)))


def _sun(small: Tensor, sky: Tensor) -> float:
    """Where the sky is lightest, as a part of the width."""
    weight = sky * (to_oklab(to_linear(small))[0] - 0.2).clamp(min=0) ** 4
    columns = torch.linspace(0, 1, weight.shape[1], device=weight.device)
    total = float(weight.sum())
    return float((weight.sum(0) * columns).sum()) / total if total > 1e-6 else 0.5


def _far(small: Tensor) -> Tensor:
    """How far things seem, 0.3 to 1, [1, h, w]: distance lifts the darkest channel (dark channel prior)."""
    reach = max(1, max(small.shape[1:]) // 64)
    dark = F.avg_pool2d(F.pad(small.amin(0)[None, None], (reach,) * 4, mode="replicate"), 2 * reach + 1, stride=1)[0]
    return 0.3 + 0.7 * step(dark, 0.05, 0.55)

"""The mathematics of a look without weights: tones of what is lit, painted skies, both on bands in OKLab."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.inversion import collapse, pyramid
from cinegan_cli.stages.style_colour import LUMINANCE, lab_of, parse_hex, to_linear, to_oklab
from cinegan_cli.stages.style_looks import Foliage, Sky, Tone
from cinegan_cli.types import Bands

SHOULDER, TOE = 0.75, 0.25  # lightness beyond which a curve that leaves [0, 1] is bent
GREEN, GREEN_WIDTH = 125.0, 42.0  # hue of foliage in OKLab, degrees
NEUTRAL = 0.06  # OKLab chroma up to which a thing may be a grey one in coloured light
BRIGHT = 0.85  # likewise for clouds
HEADROOM = 0.92  # lightness that the lightest tenth may be raised to: beyond, the shoulder would take its gradients
RAMP_SAMPLES, RAMP_BLUR = 256, 0.05  # of a sky's ramp; kinks between its colours would show as bands


@dataclass(frozen=True)
class Statistics:
    """What a region of a photo is like, in OKLab.

    `mean` of L, a, b; `spread` the standard deviation of L; `covariance` (aa, ab, bb); `top` the lightness of its
    lightest tenth; `light` the colour of the light, as gains of R, G, B with luminance 1.
    """

    mean: tuple[float, float, float]
    spread: float
    covariance: tuple[float, float, float]
    top: float
    light: tuple[float, float, float]

    @property
    def level(self) -> float:
        """Mean lightness."""
        return self.mean[0]


def measure(pixels: Tensor, share: Tensor) -> Statistics:
    """Statistics of the region `share` [h, w] of `pixels` sRGB [3, h, w] (small copies will do).

    The light's colour is read from what is light and nearly grey, and only along warm and cold: a forest is green in
    any light.
    """
    linear = to_linear(pixels)
    weight = share / share.sum().clamp(min=1e-6)
    lab = to_oklab(linear)
    mean = (lab * weight).sum((1, 2))
    away = lab - mean[:, None, None]
    lightness, a, b = mean.tolist()
    variance, aa, ab, bb = (float((away[i] * away[j] * weight).sum()) for i, j in ((0, 0), (1, 1), (1, 2), (2, 2)))
    own = share > 0.5
    top = float(lab[0][own].quantile(0.9)) if bool(own.any()) else 1.0
    neutral = weight * torch.exp(-(lab[1] ** 2 + lab[2] ** 2) / NEUTRAL**2) * lab[0].clamp(min=0) ** 4 + 1e-9
    red, _, blue = ((linear * neutral).sum((1, 2)) / neutral.sum() + 0.02).tolist()
    lean = max(-0.4, min(0.4, math.log(red / blue) / 2))
    light = _unit((math.exp(lean), 1.0, math.exp(-lean)))
    return Statistics((lightness, a, b), math.sqrt(max(variance, 0.0)), (aa, ab, bb), top, light)


def _unit(light: tuple[float, float, float]) -> tuple[float, float, float]:
    luminance = sum(w * v for w, v in zip(LUMINANCE, light, strict=True))
    return light[0] / luminance, light[1] / luminance, light[2] / luminance


def exposure(tone: Tone, region: Statistics) -> float:
    """The factor on OKLab lightness that draws the region's mean to the tone's level."""
    if tone.level is None:
        return 1.0
    wanted = float((tone.level / max(region.level, 0.02)) ** tone.pull)
    most = min(tone.limits[1], max(1.0, HEADROOM / max(region.top, 0.02)))
    return max(tone.limits[0], min(most, wanted))


def graded(pixels: Tensor, tone: Tone, region: Statistics) -> Tensor:
    """sRGB [3, h, w] → OKLab [3, h, w] in the tone's light: gains on linear light, then curve and colour, per pixel."""
    factor = exposure(tone, region)
    colour = parse_hex(tone.light)
    assert colour is not None
    light = _unit(tuple(to_linear(torch.tensor(colour)).tolist()))
    gains = [factor**3 * new / old**tone.adapt for new, old in zip(light, region.light, strict=True)]
    linear = to_linear(pixels)
    if tone.grey is not None:
        weights = torch.tensor(tone.grey, device=pixels.device).view(3, 1, 1)
        linear = (linear * weights).sum(0, keepdim=True).clamp(min=0).expand(3, -1, -1)
    lab = to_oklab(linear * torch.tensor(gains, device=pixels.device).view(3, 1, 1))
    lightness, a, b = lab
    if tone.foliage is not None:
        lightness, a, b = _leaves(lightness, a, b, tone.foliage)
    lightness = curve(lightness, tone, pivot=region.level * factor, top=factor)
    if tone.colours is not None:
        m = tone.colours
        a, b = m.aa * a + m.ab * b + m.a, m.ba * a + m.bb * b + m.b
    chroma = torch.sqrt(a * a + b * b)
    kept = tone.chroma / (1 + (chroma * (tone.chroma / tone.cap)) ** 4) ** 0.25
    dark, bright = (1 - lightness).clamp(0, 1) ** 2, lightness.clamp(0, 1) ** 2
    a = a * kept + tone.shadows[0] * dark + tone.highlights[0] * bright
    b = b * kept + tone.shadows[1] * dark + tone.highlights[1] * bright
    return torch.stack((lightness, a, b))


def curve(lightness: Tensor, tone: Tone, *, pivot: float, top: float) -> Tensor:
    """The tone's curve on lightness in [0, top]: contrast about `pivot`, bent smoothly at both ends, rising throughout.

    Between toe and shoulder it is a straight line, so gradients keep their proportions.
    """
    y = pivot + tone.contrast * (lightness - pivot)
    highest = pivot + tone.contrast * (max(top, 1e-3) - pivot)
    if highest > 1:
        y = torch.where(y > SHOULDER, SHOULDER + _bent(y - SHOULDER, highest - SHOULDER, 1 - SHOULDER), y)
    lowest = pivot * (1 - tone.contrast)
    if lowest < 0:
        y = torch.where(y < TOE, TOE - _bent(TOE - y, TOE - lowest, TOE), y)
    return tone.black + (tone.white - tone.black) * y


def _bent(x: Tensor, reach: float, room: float) -> Tensor:
    """A hyperbola from 0 with slope 1 that takes `reach` to `room` (reach > room)."""
    u = (x / reach).clamp(0, 1)
    return reach * u / (1 + (reach / room - 1) * u)


def _leaves(lightness: Tensor, a: Tensor, b: Tensor, foliage: Foliage) -> tuple[Tensor, Tensor, Tensor]:
    """Greens turned to the foliage's hues; other colours stay. Bluish greens, such as of conifers, turn half way."""
    chroma, hue = torch.sqrt(a * a + b * b), torch.rad2deg(torch.atan2(b, a))
    share = torch.exp(-(((hue - GREEN) / GREEN_WIDTH) ** 2)) * step(chroma, 0.01, 0.06) * foliage.amount
    share = share * (1 - 0.5 * step(hue, GREEN, GREEN + 25))
    light = step(lightness, 0.25, 0.85)
    variety = (foliage.variety * (GREEN - 7 - hue)).clamp(-25, 25)
    new = torch.deg2rad(foliage.dark_hue + (foliage.light_hue - foliage.dark_hue) * light + variety)
    size = (chroma * foliage.chroma).clamp(max=foliage.cap)
    return (
        lightness * (1 + (foliage.lift - 1) * share),
        a + share * (size * torch.cos(new) - a),
        b + share * (size * torch.sin(new) - b),
    )


def step(x: Tensor, low: float, high: float) -> Tensor:
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def clarity_change(small: Tensor, factor: float) -> Tensor:
    """What scaling the middle bands of lightness [h, w] by `factor` adds to it, at the small size: [1, h, w].

    Neither the coarsest band, which carries the tone, nor what is finer than `small`.
    """
    coarse, *middle = pyramid(small[None]).levels
    return collapse(Bands((torch.zeros_like(coarse), *(level * (factor - 1) for level in middle))))


def rows_of(small: Tensor, first: int, last: int, size: tuple[int, int]) -> Tensor:
    """Rows `first` to `last` of `small` [C, h, w] enlarged to `size` = (H, W) bilinearly: [C, last - first, W]."""
    height, width = size
    y = (torch.arange(first, last, device=small.device) + 0.5) * small.shape[1] / height - 0.5
    y = y.clamp(0, small.shape[1] - 1)
    low = y.floor().long().clamp(max=max(0, small.shape[1] - 2))
    high = (low + 1).clamp(max=small.shape[1] - 1)
    rows = torch.lerp(small[:, low], small[:, high], (y - low)[:, None])
    return F.interpolate(rows[None], size=(last - first, width), mode="bilinear", align_corners=False)[0]


def eased(tone: Tone, ease: float) -> Tone:
    """The tone with a share `ease` of what bends gradients: exposure, contrast, clarity, haze, changed leaves."""
    foliage = tone.foliage and replace(
        tone.foliage, lift=1 + (tone.foliage.lift - 1) * ease, amount=tone.foliage.amount * (0.5 + 0.5 * ease)
    )
    return replace(
        tone,
        pull=tone.pull * ease,
        contrast=1 + (tone.contrast - 1) * ease,
        clarity=tone.clarity**ease,
        haze=tone.haze * ease,
        foliage=foliage,
    )


def gradient_correlation(photo: Tensor, styled: Tensor, static: Tensor) -> float:
    """Correlation of the luma gradients of two pictures [3, H, W] where both neighbours are static, in [-1, 1].

    Σ g·h / sqrt(Σ g² Σ h²) over the forward differences in x and y; static [H, W] is 1 where nothing moves. 1 where
    `photo` has no gradient: nothing could be lost.
    """
    weights = torch.tensor(LUMINANCE, device=photo.device).view(3, 1, 1)
    first, second = ((picture * weights).sum(0).double() for picture in (photo, styled))
    product = first_power = second_power = 0.0
    for axis in (0, 1):
        both = torch.minimum(
            static.narrow(axis, 1, static.shape[axis] - 1), static.narrow(axis, 0, static.shape[axis] - 1)
        )
        g, h = (values.diff(dim=axis)[both > 0.99] for values in (first, second))
        product += float((g * h).sum())
        first_power += float((g * g).sum())
        second_power += float((h * h).sum())
    if first_power == 0:
        return 1.0
    return product / max(math.sqrt(first_power * second_power), 1e-12)


@dataclass(frozen=True)
class Heaven:
    """A sky's colours at a place: the ramp [3, RAMP_SAMPLES] over elevation, the glow, and the sun's column."""

    ramp: Tensor
    glow: Tensor | None
    look: Sky
    sun: float
    horizon: float
    span: float
    width: int

    def rows(self, first: int, last: int, *, mirrored: float = 0.0) -> Tensor:
        """Colours OKLab [3, last - first, W] of these rows, or of those below the horizon as a mirror.

        `mirrored` > 0 is the number of rows over which the reflected sky rises.
        """
        device = self.ramp.device
        y = torch.arange(first, last, device=device, dtype=torch.float32)
        rise = (y - self.horizon) / mirrored if mirrored else (self.horizon - y) / self.span
        rise = rise.clamp(0, 1)
        at = rise * (RAMP_SAMPLES - 1)
        low = at.floor().clamp(max=RAMP_SAMPLES - 2).long()
        colours = torch.lerp(self.ramp[:, low], self.ramp[:, low + 1], at - low)[:, :, None].expand(-1, -1, self.width)
        if self.glow is None:
            return colours
        high, wide = self.look.glow_size
        x = torch.arange(self.width, device=device, dtype=torch.float32) / self.width
        near = torch.exp(-((rise / high) ** 2))[:, None] * torch.exp(-(((x - self.sun) / wide) ** 2))[None]
        return torch.lerp(colours, self.glow[:, None, None], self.look.glow_amount * near)


def heaven(look: Sky, sun: float, *, horizon: float, span: float, width: int, device: torch.device) -> Heaven:
    """The painted sky `look` over a picture of `width` px, its sun at the part `sun` of the width."""
    stops = torch.tensor([lab_of(colour) for _, colour in look.ramp])  # [n, 3]
    places = torch.tensor([place for place, _ in look.ramp])
    x = torch.linspace(0, 1, RAMP_SAMPLES)
    k = torch.searchsorted(places, x).clamp(1, len(places) - 1)
    t = ((x - places[k - 1]) / (places[k] - places[k - 1])).clamp(0, 1)
    ramp = torch.lerp(stops[k - 1], stops[k], t[:, None]).T.contiguous()
    reach = round(3 * RAMP_BLUR * RAMP_SAMPLES)
    kernel = torch.exp(-((torch.arange(-reach, reach + 1) / (RAMP_BLUR * RAMP_SAMPLES)) ** 2) / 2)
    padded = F.pad(ramp[:, None], (reach, reach), mode="replicate")
    smooth = F.conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0]
    glow = None if look.glow is None else torch.tensor(lab_of(look.glow), device=device)
    return Heaven(smooth.to(device), glow, look, sun, horizon, span, width)


def likeness(region: Statistics, colours: Tensor) -> float:
    """Share of the painting that a sky needs: a half where its colours are those already, 1 from afar."""
    mean = colours.mean((1, 2))
    lightness, a, b = (x - y for x, y in zip(region.mean, mean.tolist(), strict=True))
    variety = math.sqrt(region.covariance[0] + region.covariance[2])
    own = float(colours[1:].var((1, 2), correction=0).sum().sqrt())
    apart = math.hypot(0.25 * lightness, a, b) + max(0.0, variety - own)
    return 0.5 + 0.5 * max(0.0, min(1.0, (apart - 0.02) / 0.04))


@dataclass(frozen=True)
class Relief:
    """What stays of a photo's sky: `base` [3, h, w] at a small size, plus `gains` (L, a, b) times the sky itself."""

    base: Tensor
    gains: Tensor


def relief(lab: Tensor, share: Tensor, level: float, look: Sky) -> Relief:
    """The bands of the sky's OKLab `lab` [3, h, w] that a painted sky keeps; share [h, w] says where it shows.

    The photo's own vertical course is taken out of its coarsest band, or a sunset's would come twice; what is left of
    it (a lighter side, a large cloud) and the finer bands are kept, in proportion to the new lightness, of mean
    `level`.
    """
    levels = list(pyramid(lab).levels)
    coarse = levels[0]
    seen = F.interpolate(share[None, None], size=coarse.shape[1:], mode="area")[0] + 0.02
    levels[0] = coarse - (coarse * seen).sum(2, keepdim=True) / seen.sum(2, keepdim=True)
    bright = float((lab[0] * share).sum() / share.sum().clamp(min=1e-6))
    ratio = max(0.3, min(1.3, level / max(bright, 0.05)))

    def gains(lightness: float, colour: float) -> Tensor:
        return torch.tensor([lightness * ratio, colour, colour], device=lab.device).view(3, 1, 1)

    kept = [levels[0] * gains(look.coarse, 0.4 * look.own), *(x * gains(look.detail, look.own) for x in levels[1:])]
    fine = gains(look.grain * min(1.0, look.detail), look.own)
    return Relief(collapse(Bands(tuple(kept))) - fine * lab, fine)


def painted(lab: Tensor, base: Tensor, gains: Tensor, colours: Tensor, look: Sky) -> Tensor:
    """The sky OKLab [3, n, W] with its large-scale colour replaced by `colours` [3, n, W]; clouds stay, and are lit."""
    change = base + gains * lab
    raised = torch.tanh(change[0] * 6)  # lighter or darker than around
    out = colours + change
    light, dark = raised.clamp(min=0), -raised.clamp(max=0)
    lightness = torch.where(out[0] > BRIGHT, BRIGHT + _bent(out[0] - BRIGHT, 0.5, 1 - BRIGHT), out[0])
    a = out[1] + light * look.lit[0] + dark * look.shade[0]
    b = out[2] + light * look.lit[1] + dark * look.shade[1]
    return torch.stack((lightness, a, b))


def mirrored(lab: Tensor, land: Tensor, water: Tensor, colours: Tensor, look: Sky, top: float) -> Tensor:
    """Water [n, W] that mirrors the painted sky: OKLab [3, n, W] `land` as toned, `lab` as it was, `colours` mirrored.

    Water takes the sky's colour everywhere, its light where it is light itself: reflections of land stay dark.
    top is the lightness of the water's lightest tenth.
    """
    bright = (lab[0] / max(top, 0.05)).clamp(0, 1.4)
    bright = bright / (1 + bright**6) ** (1 / 6) * 2 ** (1 / 6)  # 1 stays 1; sparkle is bent towards 1.12
    share = water * look.mirror
    light = share * step(bright, 0.2, 0.9)
    colour = share * (0.55 + 0.45 * step(bright, 0.2, 0.9))
    lightness = torch.lerp(land[0], colours[0] * (0.12 + 0.86 * bright), light)
    depth = (lightness / colours[0].clamp(min=0.05)).clamp(0, 1)
    a = torch.lerp(land[1], colours[1] * depth, colour)
    b = torch.lerp(land[2], colours[2] * depth, colour)
    return torch.stack((lightness, a, b))

"""The mathematics of a look without weights: tones of what is lit, painted skies, both on bands in OKLab."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.bands import collapse, pyramid
from cinegan_cli.stages.look.colour import parse_hex, to_linear, to_oklab
from cinegan_cli.stages.look.looks import Foliage, Tone
from cinegan_cli.stages.look.statistics import Statistics, _unit, exposure
from cinegan_cli.types import Bands

SHOULDER, TOE = 0.75, 0.25  # lightness beyond which a curve that leaves [0, 1] is bent
GREEN, GREEN_WIDTH = 125.0, 42.0  # hue of foliage in OKLab, degrees
RAMP_SAMPLES, RAMP_BLUR = 256, 0.05  # of a sky's ramp; kinks between its colours would show as bands


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

"""Statistics of a picture's regions in OKLab, and how two pictures compare by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cinegan_cli.stages.look.colour import LUMINANCE, to_linear, to_oklab
from cinegan_cli.stages.look.looks import Tone

NEUTRAL = 0.06  # OKLab chroma up to which a thing may be a grey one in coloured light
BRIGHT = 0.85  # likewise for clouds
HEADROOM = 0.92  # lightness that the lightest tenth may be raised to: beyond, the shoulder would take its gradients


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


def likeness(region: Statistics, colours: Tensor) -> float:
    """Share of the painting that a sky needs: a half where its colours are those already, 1 from afar."""
    mean = colours.mean((1, 2))
    lightness, a, b = (x - y for x, y in zip(region.mean, mean.tolist(), strict=True))
    variety = math.sqrt(region.covariance[0] + region.covariance[2])
    own = float(colours[1:].var((1, 2), correction=0).sum().sqrt())
    apart = math.hypot(0.25 * lightness, a, b) + max(0.0, variety - own)
    return 0.5 + 0.5 * max(0.0, min(1.0, (apart - 0.02) / 0.04))

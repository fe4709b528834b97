"""Colour spaces of the style stage: sRGB, linear light, OKLab (Björn Ottosson, 2020), all planar [3, ...] float32."""

from __future__ import annotations

import torch
from PIL import ImageColor
from torch import Tensor

_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
LUMINANCE = (0.2126, 0.7152, 0.0722)  # BT.709, of linear R, G, B


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] → linear light in [0, 1] (IEC 61966-2-1)."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0) + 0.055) / 1.055).pow(2.4))


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light → sRGB; below 0 counts as 0."""
    linear = linear.clamp(min=0)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.pow(1 / 2.4) - 0.055)


def to_oklab(linear: Tensor) -> Tensor:
    """Linear light [3, ...] → OKLab [3, ...]: L in [0, 1], a and b about ±0.3."""
    return _mix(_mix(linear, _TO_CONES).clamp_(min=0).pow_(1 / 3), _TO_LAB)


def from_oklab(lab: Tensor) -> Tensor:
    """OKLab [3, ...] → linear light [3, ...], outside [0, 1] where the colour is outside sRGB."""
    return _mix(_mix(lab, _FROM_LAB).pow_(3), _FROM_CONES)


def into_gamut(linear: Tensor) -> Tensor:
    """The nearest colours of the same luminance, towards grey, in [0, 1]: hue stays where clipping turns it."""
    grey = _dot(linear, LUMINANCE).clamp(0, 1)
    span = linear - grey
    above = (1 - grey) / span.amax(0).clamp(min=1e-6)
    below = grey / (-span.amin(0)).clamp(min=1e-6)
    return (grey + span * torch.minimum(above, below).clamp(max=1)).clamp_(0, 1)


def parse_hex(text: str) -> tuple[float, float, float] | None:
    """sRGB in [0, 1] of #rrggbb or #rgb, None for anything else."""
    if len(text) not in (4, 7) or not text.startswith("#"):
        return None
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        return None
    return red / 255, green / 255, blue / 255


def lab_of(text: str) -> tuple[float, float, float]:
    """OKLab of a colour written #rrggbb. Raises ValueError for anything else."""
    colour = parse_hex(text)
    if colour is None:
        raise ValueError(f"colour must be #rrggbb, got {text!r}")
    lightness, a, b = to_oklab(to_linear(torch.tensor(colour)[:, None]))[:, 0].tolist()
    return lightness, a, b


def hex_of(lab: tuple[float, float, float]) -> str:
    """The colour #rrggbb nearest to OKLab `lab`."""
    linear = into_gamut(from_oklab(torch.tensor(lab)[:, None]))
    return "#" + "".join(f"{round(float(v) * 255):02x}" for v in to_srgb(linear)[:, 0])


def _mix(planes: Tensor, matrix: tuple[tuple[float, float, float], ...]) -> Tensor:
    return torch.stack([_dot(planes, row)[0] for row in matrix])


def _dot(planes: Tensor, row: tuple[float, float, float]) -> Tensor:
    """[3, ...] → [1, ...]."""
    return (planes[0] * row[0]).add_(planes[1], alpha=row[1]).add_(planes[2], alpha=row[2])[None]

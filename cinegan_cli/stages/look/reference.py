"""Looks made for one photo: from a colour, and from the statistics of a reference photo, region to region."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.config import PhotoConfig
from cinegan_cli.ops import one_thread
from cinegan_cli.session import Session
from cinegan_cli.stages.look.colour import hex_of, to_linear, to_oklab
from cinegan_cli.stages.look.looks import Affine, Look, Sky, Tone
from cinegan_cli.stages.look.regions import Regions, find_regions
from cinegan_cli.stages.look.statistics import Statistics, measure
from cinegan_cli.stages.photo import read_photo

REFERENCE_SIDE = 768  # px: more does not change what is measured
BINS = 7  # heights at which a reference's sky is measured
STRETCH = (0.5, 1.6)  # limits of what a spread of colours is scaled by: noise is not to become colour
CONTRAST = (0.8, 1.2)  # likewise of lightness
TINT = 0.55  # share of the colour in the light


@dataclass(frozen=True)
class Measured:
    """A reference photo: statistics of its land and sky (None where there is none), and its sky's ramp."""

    land: Statistics | None
    sky: Statistics | None
    ramp: tuple[tuple[float, str], ...] = ()


def measure_reference(path: Path, *, session: Session) -> Measured:
    """Regions and statistics of the photo at `path`. Raises InputError when it cannot be read."""
    photo = read_photo(path, PhotoConfig(max_side=REFERENCE_SIDE))
    regions = find_regions(photo, None, session=session)
    with one_thread():
        land = None if float((1 - regions.sky).mean()) < 0.01 else measure(photo.pixels, 1 - regions.sky)
        if not regions.has_sky:
            return Measured(land, None)
        return Measured(land, measure(photo.pixels, regions.sky), _ramp(photo.pixels, regions))


def _ramp(pixels: Tensor, regions: Regions) -> tuple[tuple[float, str], ...]:
    """Mean colours of the sky at `BINS` heights; where it does not reach, those of the nearest."""
    lab = to_oklab(to_linear(pixels))
    rows = torch.arange(lab.shape[1], dtype=torch.float32)
    rise = ((regions.horizon - rows) / regions.span).clamp(0, 1)
    stops = []
    for k in range(BINS):
        near = torch.exp(-(((rise - k / (BINS - 1)) * BINS) ** 2))[:, None] * regions.sky + 1e-9 * regions.sky
        mean = (lab * near).sum((1, 2)) / near.sum().clamp(min=1e-12)
        stops.append((k / (BINS - 1), hex_of((float(mean[0]), float(mean[1]), float(mean[2])))))
    return tuple(stops)


def look_of_reference(reference: Measured, land: Statistics, sky: Statistics | None) -> Look:
    """The look that gives a photo of these statistics those of the reference: land from land, sky from sky.

    Where one of them has no such region, the other region of the reference serves.
    """
    ground = reference.land or reference.sky
    assert ground is not None
    above = None
    if reference.ramp:
        above = Sky(reference.ramp, own=0.4, coarse=0.5, detail=1.0)
    tone = _towards(ground, land)
    return Look("as in the reference photo", tone, above, _towards(reference.sky or ground, sky or land))


def _towards(wanted: Statistics, own: Statistics) -> Tone:
    contrast = max(CONTRAST[0], min(CONTRAST[1], wanted.spread / max(own.spread, 1e-3)))
    factor = max(0.3, min(1.6, wanted.level / max(own.level, 0.02)))
    return Tone(
        level=wanted.level,
        pull=1.0,
        limits=(0.3, 1.6),
        contrast=contrast / max(1.0, factor),
        colours=_transport(wanted, own),
    )


def _transport(wanted: Statistics, own: Statistics) -> Affine:
    """The optimal (Monge-Kantorovich) linear map of one normal distribution of (a, b) to another, its stretch limited.

    T = S^-1/2 (S^1/2 W S^1/2)^1/2 S^-1/2 for covariances S (own) and W (wanted).
    """
    noise = 1e-5 * torch.eye(2, dtype=torch.float64)
    source = _matrix(own) + noise
    target = _matrix(wanted) + noise
    root = _power(source, 0.5)
    inverse = _power(source, -0.5)
    plan = inverse @ _power(root @ target @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh(plan)
    plan = vectors @ torch.diag(values.clamp(*STRETCH)) @ vectors.T
    moved = plan @ torch.tensor(own.mean[1:], dtype=torch.float64)
    (aa, ab), (ba, bb) = plan.tolist()
    return Affine(aa, ab, ba, bb, wanted.mean[1] - float(moved[0]), wanted.mean[2] - float(moved[1]))


def _matrix(region: Statistics) -> Tensor:
    aa, ab, bb = region.covariance
    return torch.tensor([[aa, ab], [ab, bb]], dtype=torch.float64)


def _power(symmetric: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    powers: Tensor = values.clamp(min=1e-12) ** exponent
    root: Tensor = vectors @ torch.diag(powers) @ vectors.T
    return root


def look_of_colour(colour: tuple[float, float, float], sky: Statistics | None) -> Look:
    """Everything in the light of one colour (sRGB in [0, 1]): a sky of it, and land that it falls on."""
    linear = to_linear(torch.tensor(colour))
    level, a, b = to_oklab(linear[:, None])[:, 0].tolist()
    bright = 0.5 * level + 0.5 * (0.75 if sky is None else sky.level)
    stops = []
    for place, rise, share in ((0.0, 0.1, 0.55), (0.35, 0.04, 0.8), (1.0, -0.1, 0.95)):
        stops.append((place, hex_of((max(0.05, min(0.97, bright + rise)), a * share, b * share))))
    light = (1 - TINT) + TINT * linear / linear.max().clamp(min=0.05)
    lab = to_oklab(light[:, None])[:, 0].tolist()
    tone = Tone(
        level=0.25 + 0.45 * level,
        pull=0.5,
        limits=(0.6, 1.15),
        light=hex_of((lab[0], lab[1], lab[2])),
        adapt=0.6,
        chroma=0.6,
        shadows=(0.1 * a, 0.1 * b),
        haze=0.2,
    )
    return Look("in the light of one colour", tone, Sky(tuple(stops), own=0.2, coarse=0.6))

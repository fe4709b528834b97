"""The photo in changing light: what another style does to the generator's colours, done to the photo's.

The generator paints the photo in its own style and in another. How its colours change, by what they were and by how
high they stand, is fitted without regard to the few places where it paints something odd; what is left is taken up
within bounds. Pictures of any size, moved or not, then change alike. Light changes slowly, so a loop needs a few such
fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.systems.deeplandscape.codes import Codes

FITS = 24  # that are made within a loop
ROUNDS = 8  # of reweighting, after which the fit is one of least absolute differences
RIDGE = 1e-3  # keeps what the picture does not say from growing
LEFT = 1.5  # median differences by which a place may depart from the fit
SMOOTHED = 16  # parts of the short side over which that is averaged
COARSE = 8  # cells a side: what is compared to tell how much the light changes
EVEN = 0.7  # 1: the light changes by as much in every frame; less: it may still slow down where it turns round


@dataclass(frozen=True)
class Light:
    """How colours change: `colours` [9, 3] by `_terms` of a picture, and `places` [3, h, w] that is added."""

    colours: Tensor
    places: Tensor

    def __call__(self, picture: Tensor) -> Tensor:
        """A picture [3, H, W] in about [0, 1], in this light."""
        changed = picture + F.interpolate(self.places[None], picture.shape[1:], mode="bilinear", align_corners=False)[0]
        for term, weights in zip(_terms(picture), self.colours, strict=True):
            changed.addcmul_(weights.view(3, 1, 1), term)
        return changed.clamp_(0, 1)

    def towards(self, other: Light, share: float) -> Light:
        """Between this and another."""
        return Light(torch.lerp(self.colours, other.colours, share), torch.lerp(self.places, other.places, share))


def lights(generator: Generator, codes: Codes, styles: Tensor) -> Iterator[Light]:
    """Yield the light of each of `styles` [T, N, 2, D], which close to a loop; none where they are those of `codes`."""
    frames = len(styles)
    every = max(1, frames // FITS)
    own = generator.synthesize(*codes)[0] * 0.5 + 0.5

    def light_at(t: int) -> Light:
        made = generator.synthesize(styles[t % frames][None], codes.static, codes.dynamic)[0] * 0.5 + 0.5
        return fitted(own, made - own)

    end = light_at(0)
    for first in range(0, frames, every):
        last = min(frames, first + every)
        start, end = end, light_at(last)
        for t in range(first, last):
            yield start.towards(end, (t - first) / (last - first))


def even_times(generator: Generator, codes: Codes, path: Callable[[Tensor], Tensor], frames: int) -> Tensor:
    """Times [frames] from 0 on, at which the light of `path` changes at about the same pace (`EVEN`) all the time.

    `path` gives the styles [T, N, 2, D] at times [T] in [0, 1], and is closed.
    """

    def coarse(styles: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(generator.synthesize(styles[None], codes.static, codes.dynamic)[0], COARSE)

    marks = torch.linspace(0, 1, 2 * FITS + 1, dtype=torch.float64)
    seen = torch.stack([coarse(styles) for styles in path(marks[:-1])]).double()
    steps = torch.cat((seen, seen[:1])).diff(dim=0).abs().flatten(1).mean(1).cpu() ** EVEN + 1e-9
    passed = torch.cat((steps.new_zeros(1), steps.cumsum(0))) / steps.sum()
    wanted = torch.arange(frames, dtype=torch.float64) / frames
    piece = (torch.searchsorted(passed, wanted, right=True) - 1).clamp(0, len(steps) - 1)
    return marks[piece] + (wanted - passed[piece]) / passed.diff()[piece] * marks.diff()[piece]


def fitted(picture: Tensor, change: Tensor) -> Light:
    """The light that changes `picture` [3, h, w] by about `change` [3, h, w]."""
    terms = torch.stack([term.expand(picture.shape[1:]).flatten() for term in _terms(picture)], 1)  # [h w, 9]
    wanted = change.flatten(1).T  # [h w, 3]
    weight = torch.ones(len(wanted), 1, dtype=terms.dtype, device=terms.device)
    colours = terms.new_zeros(terms.shape[1], 3)
    for _ in range(ROUNDS):
        normal = terms.T @ (weight * terms) / len(terms) + RIDGE * torch.eye(terms.shape[1], device=terms.device)
        colours = torch.linalg.solve(normal, terms.T @ (weight * wanted) / len(terms))
        away = (wanted - terms @ colours).norm(dim=1, keepdim=True)
        weight = (away.median() + 1e-6) / (away + 1e-6)
    left = (wanted - terms @ colours).T.view_as(change)
    most = LEFT * left.abs().flatten(1).median(1).values[:, None, None]
    reach = max(1, min(change.shape[1:]) // SMOOTHED)
    bounded = left.clamp(-most, most)[None]
    places = F.avg_pool2d(bounded, 2 * reach + 1, 1, reach, count_include_pad=False)[0]
    return Light(colours, places)


def _terms(picture: Tensor) -> list[Tensor]:
    """What a change of colour may depend on, each to be broadcast to [H, W]."""
    height = torch.linspace(1, -1, picture.shape[1], dtype=picture.dtype, device=picture.device)[:, None]
    red, green, blue = picture
    return [
        torch.ones_like(height),
        red,
        green,
        blue,
        height,
        height * red,
        height * green,
        height * blue,
        picture.mean(0).square(),
    ]

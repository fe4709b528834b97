"""The photo in changing light: what another style does to the generator's picture, done to the photo.

Nothing moves here, so a loop needs a few of these pictures; the frames' own lie between two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.systems.deeplandscape.codes import Codes
from cinegan_cli.systems.deeplandscape.superres import Enlarger, resized

PICTURES = 24  # that are made within a loop
SPREAD = 1 / 16  # of the short side: over which brightness is averaged for the gain
DARKEST, LEAST, MOST = 0.02, 0.2, 2.0  # brightness that is divided by, at least; bounds of the gain


@dataclass(frozen=True)
class Light:
    """The photo [3, H, W] in the light of one frame, and how much brighter it is there: [1, H, W]."""

    picture: Tensor
    gain: Tensor


def lights(photo: Tensor, generator: Generator, codes: Codes, styles: Tensor) -> Iterator[Light]:
    """Yield the photo [3, H, W] in the light of each of `styles` [T, N, 2, D], which close to a loop.

    The first is the photo itself, as long as the first style is that of `codes`.
    """
    recolour, frames = Enlarger(photo, None), len(styles)

    def painted(t: int) -> Tensor:
        made: Tensor = generator.synthesize(styles[t % frames][None], codes.static, codes.dynamic)
        return made[0] * 0.5 + 0.5

    own = generator.synthesize(*codes)[0] * 0.5 + 0.5
    low = resized(photo, own.shape[1:])
    every = max(1, frames // PICTURES)
    start, end = own, own
    for t in range(frames):
        if t % every == 0:
            start, end = painted(t) if t == 0 else end, painted(min(frames, t + every))
        length = min(frames, t - t % every + every) - (t - t % every)
        small = low + torch.lerp(start, end, (t % every) / length) - own
        yield Light(recolour(small), _gain(small, low, photo.shape[1:]))


def _gain(small: Tensor, low: Tensor, size: tuple[int, ...]) -> Tensor:
    before, after = (_averaged(picture).clamp_min(0) + DARKEST for picture in (low, small))
    gain = (after / before).clamp(LEAST, MOST)
    return F.interpolate(gain[None], size, mode="bilinear", align_corners=False)[0]


def _averaged(picture: Tensor) -> Tensor:
    """Brightness [1, h, w], averaged around each pixel."""
    reach = max(1, round(SPREAD * min(picture.shape[1:])))
    grey = picture.mean(0, keepdim=True)
    return F.avg_pool2d(grey[None], 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)[0]

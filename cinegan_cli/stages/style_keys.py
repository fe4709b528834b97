"""Key pictures of a style: how the photo looks at a few strengths β, between which the renderer interpolates.

With a generator a key is I + G(D10, w_s) - G(D10, w+) with w_s of Eq. 5 (Eq. 6 and 7, written for the whole picture:
what moves comes from the same sum of bands). Without one the look is transferred onto the photo and β runs straight
from one to the other. Either way style costs no network pass per frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cinegan_cli.config import StyleConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.stages.inversion_generator import Inversion
from cinegan_cli.stages.style import parse_target, restyle
from cinegan_cli.stages.style_generator import styled_inversion, target_codes
from cinegan_cli.types import Mask, Photo

EASE = 0.3  # share of a cosine in the course of β; the rest is straight
KEYS = 4  # steps of β between the photo and the whole look, over which the generator's pictures are interpolated


@dataclass(frozen=True)
class KeyPicture:
    """The photo at one strength β: `picture` float32 [3, H, W] in [0, 1]; `inversion` with the codes w_s, if any."""

    strength: float
    picture: Tensor
    inversion: Inversion | None = None


def make_looks(
    photo: Photo, mask: Mask | None, inversion: Inversion | None, style: StyleConfig, *, device: torch.device
) -> tuple[KeyPicture, ...]:
    """The looks of a loop, in order of β: from 0 to `style.strength` when it goes there and back, else the last alone.

    Raises UsageError or InputError for a target that is no look, no colour and no photo.
    """
    if style.target is None:
        raise UsageError("--target: name a look (see `cinegan style --list`), a colour such as #ff8800, or a photo")
    target = parse_target(style.target)
    if inversion is None:
        whole = restyle(photo, mask, target, device=device)
        last = KeyPicture(style.strength, torch.lerp(photo.pixels, whole, style.strength).clamp_(0, 1))
        return (KeyPicture(0.0, photo.pixels), last) if style.cycle else (last,)
    codes = target_codes(photo, mask, target, inversion, device=device)
    shares = [k / KEYS for k in range(1, KEYS + 1)] if style.cycle else [1.0]
    made = [_generated(photo, inversion, codes, share * style.strength) for share in shares]
    return (KeyPicture(0.0, photo.pixels, inversion), *made) if style.cycle else tuple(made)


def _generated(photo: Photo, inversion: Inversion, codes: Tensor, strength: float) -> KeyPicture:
    picture, styled = styled_inversion(photo.pixels, inversion, codes, strength)
    return KeyPicture(strength, picture, styled)


def strength_at(frame: int, frames: int, strength: float) -> float:
    """β of a frame on the way there and back, 0 at the seam, `strength` in the middle.

    Mostly at an even pace: with a cosine alone β stands still at both ends, and in a night that hardly shows its motion
    neighbouring frames there differed by 0.12 of a usual step, which is a stall.
    """
    phase = frame / frames
    even = 1 - abs(2 * phase - 1)
    eased = (1 - math.cos(2 * math.pi * phase)) / 2
    return strength * (even + EASE * (eased - even))


def between(strengths: tuple[float, ...], strength: float) -> tuple[int, float]:
    """The key before `strength`, and how far it is to the next: `strengths` ascend."""
    k = max(0, min(len(strengths) - 2, sum(s <= strength for s in strengths) - 1))
    return k, (strength - strengths[k]) / (strengths[k + 1] - strengths[k])

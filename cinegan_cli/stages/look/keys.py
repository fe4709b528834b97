"""The course of a look over the loop: its strength β at every frame, and between which key pictures that lies."""

from __future__ import annotations

import math

EASE = 0.3  # share of a cosine in the course of β; the rest is straight


def strength_at(frame: int, frames: int, strength: float) -> float:
    """β of a frame on the way there and back, 0 at the seam, `strength` in the middle.

    Mostly at an even pace: with a cosine alone β stands still at both ends, which is a stall
    (`docs/measurements.md`, Looks over a cycle).
    """
    phase = frame / frames
    even = 1 - abs(2 * phase - 1)
    eased = (1 - math.cos(2 * math.pi * phase)) / 2
    return strength * (even + EASE * (eased - even))


def between(strengths: tuple[float, ...], strength: float) -> tuple[int, float]:
    """The key before `strength`, and how far it is to the next: `strengths` ascend."""
    k = max(0, min(len(strengths) - 2, sum(s <= strength for s in strengths) - 1))
    return k, (strength - strengths[k]) / (strengths[k + 1] - strengths[k])

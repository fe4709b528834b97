"""The quality at which a file fits into so many bytes."""

from __future__ import annotations

import math

MOST_TRIES = 8  # encodings for --max-bytes
CLOSE_ENOUGH = 0.93  # of --max-bytes: another try would cost more than it gives
QUALITY_PER_OCTAVE = 18.0  # quality steps that halve a file, first guess (H.264: 6 of CRF)


def next_quality(sizes: dict[int, int], limit: int, fits: int, too_large: int) -> int:
    """The quality to try next, strictly between `fits` and `too_large`: log size is nearly linear in quality."""
    nearest = sorted(sizes, key=lambda quality: abs(math.log(sizes[quality] / limit)))[:2]
    slope = 1 / QUALITY_PER_OCTAVE
    if len(nearest) == 2 and sizes[nearest[0]] != sizes[nearest[1]]:
        slope = math.log2(sizes[nearest[1]] / sizes[nearest[0]]) / (nearest[1] - nearest[0])
        slope = max(slope, 0.2 / QUALITY_PER_OCTAVE)
    guess = math.floor(nearest[0] + math.log2(0.98 * limit / sizes[nearest[0]]) / slope)
    return min(max(guess, fits + 1), too_large - 1)

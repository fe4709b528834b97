"""When a progressive training shows which size: a function of the step alone, so that a resumed run goes on as it was.

Logacheva et al. 2020 train as Karras et al. 2019 do: at 8 px first; then each doubling is faded in over a number of
samples, and learned over as many more. The last size goes on until the run ends.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_LEVEL = 1  # 8 px
RATES = {5: 1.5, 6: 2.0}  # of 128 and 256 px, in the learning rate of smaller sizes
LARGEST_RATE = 3.0  # of all beyond


@dataclass(frozen=True)
class Moment:
    """What holds in one step. `level` is that of the finest pictures, 4 · 2^level px; `alpha` their share in them."""

    level: int
    alpha: float
    pairs: float  # chance of a step on pairs of frames
    factor: int  # samples for one of the loop's
    rate: float  # factor on the learning rate

    @property
    def side(self) -> int:
        """px"""
        return 4 << self.level


@dataclass(frozen=True)
class Schedule:
    """`batch` is that of the finest sizes, of all processes together; `early` times as much at 8 px."""

    last_level: int
    batch: int
    phase_samples: int
    early: int
    pairs: float
    pairs_at_last: float

    def at(self, step: int) -> Moment:
        """The moment of a step, the first of which is 0."""
        level = FIRST_LEVEL
        while level < self.last_level and step >= self.steps_of(level):
            step -= self.steps_of(level)
            level += 1
        used = step * self.batch * self.factor(level)
        alpha = 1.0 if level == FIRST_LEVEL else min(1.0, (used + 1) / self.phase_samples)
        pairs = self.pairs - min(1.0, used / self.phase_samples) * (self.pairs - self.pairs_at_last)
        rate = 1.0 if level < min(RATES) else RATES.get(level, LARGEST_RATE)
        return Moment(level, alpha, pairs, self.factor(level), rate)

    def factor(self, level: int) -> int:
        """How many times the batch of the finest sizes is shown at this one."""
        return max(1, self.early >> (level - FIRST_LEVEL))

    def steps_of(self, level: int) -> int:
        """Steps until more than two phases of samples are used."""
        return 2 * self.phase_samples // (self.batch * self.factor(level)) + 1

"""The schedule of an optimiser's rate: half of it whenever the loss has stopped falling."""

from __future__ import annotations

import math

THRESHOLD = 1e-4  # a loss counts as better when it is lower by this share
STALE = 100  # losses in a row that are not better, after which it is time to end (DeepLandscape, Algorithm 1)
SETTLED = 1e-3  # the same, where it is asked whether to go on at all


class Plateau:
    """`rate` halves after more than `patience` losses in a row that are not better than the best."""

    def __init__(self, rate: float, patience: int) -> None:
        self.rate = rate
        self.last = math.inf
        self._patience = patience
        self._best = math.inf
        self._bad = 0
        self._mark = math.inf
        self.stale = 0  # losses since the last that was better by `SETTLED`

    def see(self, loss: float) -> None:
        """Take the next loss into account."""
        self.last = loss
        if loss < self._best * (1 - THRESHOLD):
            self._best, self._bad = loss, 0
        else:
            self._bad += 1
        if self._bad > self._patience:
            self.rate, self._bad = self.rate / 2, 0
        if loss < self._mark * (1 - SETTLED):
            self._mark, self.stale = loss, 0
        else:
            self.stale += 1

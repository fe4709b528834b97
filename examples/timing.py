"""What the benchmarks of the operators share: timings that alternate, because the machine's speed changes with time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one function over some rounds."""

    median: float
    fastest: float
    slowest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.fastest:.2f}-{self.slowest:.2f})"


CALLS = 3  # in a row, the fastest of which counts: after another function's call its threads still spin for a while


def best_ms(function: Callable[[], object]) -> float:
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times)


def alternate(*functions: Callable[[], object], rounds: int) -> tuple[list[Timing], Timing]:
    """Times all functions in turn, round by round, after one untimed call of each.

    Every function has its turn in each round, so that company on the machine and its clock meet all alike; a figure is
    a median over the rounds. The second result is the ratio of the first function's time to the last one's, taken
    within each round: its median and spread.
    """
    for function in functions:
        function()
    times = [[best_ms(function) for function in functions] for _ in range(rounds)]
    ratios = [row[0] / row[-1] for row in times]
    return [_timing(list(column)) for column in zip(*times, strict=True)], _timing(ratios)


def _timing(values: list[float]) -> Timing:
    return Timing(statistics.median(values), min(values), max(values))

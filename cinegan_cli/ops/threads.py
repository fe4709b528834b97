"""Work whose bits would depend on how many threads share it, done so that they do not.

PyTorch splits a large tensor among its threads. Sums, convolutions, and the last few values of each thread's part of a
power or a logarithm then come out with other last bits. What one thread does alone is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes with this thread alone while inside; with as many as before at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(jobs: list[Callable[[], T]]) -> list[T]:
    """What the jobs return, in their order: each done by one thread, as many at a time as PyTorch may use threads.

    For small networks that is also faster than sharing each layer: with two threads eight looks of the mask network
    took 4.8 s on a busy machine instead of 51 s, for threads that share a layer wait for each other.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(jobs) <= 1:
        with one_thread():
            return [job() for job in jobs]

    def alone(job: Callable[[], T]) -> T:
        torch.set_num_threads(1)
        return job()

    try:
        with ThreadPoolExecutor(min(threads, len(jobs)), "cinegan") as pool:
            return list(pool.map(alone, jobs))
    finally:
        torch.set_num_threads(threads)  # the workers have also changed what threads to come begin with

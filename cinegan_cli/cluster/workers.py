"""Tasks in flight, bounded, on workers that may die: what is lost is done again elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from cinegan_cli.errors import CineganError, UsageError
from cinegan_cli.types import Progress, silent

A = TypeVar("A")
R = TypeVar("R")

ATTEMPTS = 4  # a photo whose worker died so often is what kills them
MOST_LANES = 4096


class LostError(CineganError):
    """A worker, or its machine, died before the task ended."""


class Pool(Protocol):
    """Where tasks run."""

    def lanes(self) -> int:
        """How many tasks may be in flight just now: those that run, and as many that wait for their turn."""

    def run(self, function: Callable[[A], R], task: A) -> R:
        """The function of the task, computed on a worker. Called by many threads at once. Raises LostError."""

    def cancel(self) -> None:
        """Make what is in flight end soon; `run` then raises CancelledError."""


class Here:
    """One worker: this process."""

    def lanes(self) -> int:
        return 1

    def run(self, function: Callable[[A], R], task: A) -> R:
        return function(task)

    def cancel(self) -> None:
        """There is nothing: an interrupt has reached the task itself."""


class Lanes:
    """Hands out tasks to a pool, a bounded number at a time, and tells how many of them have ended."""

    def __init__(self, pool: Pool, tell: Progress = silent) -> None:
        self.pool = pool
        self._tell = tell

    def each(self, work: Callable[[A], R], items: Iterable[A]) -> Iterator[R]:
        """`map`, but that several items are worked on at once. What one of them raises ends them all."""
        items = list(items)
        self._tell("photos", 0, len(items))
        if isinstance(self.pool, Here):  # in this very thread, which signals reach
            for done, item in enumerate(items, 1):
                yield work(item)
                self._tell("photos", done, len(items))
        else:
            yield from self._at_once(work, items)

    def call(self, function: Callable[[A], R], task: A, tidy: Callable[[], None]) -> R:
        """The function of the task, on a worker; on another after that one died, once `tidy` has cleared up after it.

        It is called once more at the end, as a worker may outlive its machine's last word. Raises LostError when
        `ATTEMPTS` workers died.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                result = self.pool.run(function, task)
                if attempt > 1:
                    tidy()
                return result
            except LostError:  # noqa: PERF203
                tidy()
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("there is an attempt")

    def _at_once(self, work: Callable[[A], R], items: list[A]) -> Iterator[R]:
        futures: list[Future[R]] = []
        running: set[Future[R]] = set()
        with ThreadPoolExecutor(MOST_LANES, thread_name_prefix="cinegan lane") as threads:
            try:
                for item in items:
                    while len(running) >= min(self.pool.lanes(), MOST_LANES):
                        running = self._fewer(running, len(futures), len(items))
                    futures.append(threads.submit(work, item))
                    running.add(futures[-1])
                while running:
                    running = self._fewer(running, len(futures), len(items))
            except BaseException:
                self.pool.cancel()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        yield from (future.result() for future in futures)

    def _fewer(self, running: set[Future[R]], begun: int, total: int) -> set[Future[R]]:
        """What still runs once something has ended. Raises what that raised."""
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            future.result()
        self._tell("photos", begun - len(running), total)
        return running


@contextmanager
def connected(address: str | None, *, cores: int = 1, gpu: bool = False) -> Iterator[Pool]:
    """The workers of a cluster: "local", "auto" or ray://HOST:PORT; this process without an address.

    A task takes so many `cores`, and a `gpu`. Raises UsageError for another address, a package that is missing, a
    cluster that cannot be reached or has no such cores, and workers that have not this version of cinegan.
    """
    if address is None:
        yield Here()
        return
    if address not in ("local", "auto") and not address.startswith("ray://"):
        raise UsageError(f"--cluster {address}: unknown; give local, auto or ray://HOST:PORT")
    from cinegan_cli.cluster.rays import ray_pool

    with ray_pool(address, cores=cores, gpu=gpu) as pool:
        yield pool


def described(error: Any) -> str:
    """The first sentence of what a cluster says, which may be pages; with the last where the first leads to a trace."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    first, *more = lines
    return f"{first[:150]} {more[-1][:150]}" if more and first.endswith(":") else first[:300]

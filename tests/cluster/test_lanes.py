"""Tasks in flight: bounded, in order, done again when their worker dies, ended together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from cinegan_cli.cluster import ATTEMPTS, Here, Lanes, LostError, Pool
from cinegan_cli.errors import CancelledError, InputError


class Threads:
    """A pool of threads of this process: the lanes themselves."""

    def __init__(self, lanes: int) -> None:
        self.most = lanes
        self.running = self.peak = 0
        self.cancelled = threading.Event()
        self._lock = threading.Lock()

    def lanes(self) -> int:
        return self.most

    def run(self, function: Callable[[Any], Any], task: Any) -> Any:
        with self._lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        try:
            return function(task)
        finally:
            with self._lock:
                self.running -= 1

    def cancel(self) -> None:
        self.cancelled.set()


def never() -> None:
    pytest.fail("no worker died")


def test_results_come_in_order_and_lanes_are_bounded() -> None:
    pool, told = Threads(3), []
    lanes = Lanes(pool, lambda what, done, total: told.append((done, total)))

    def slow(k: int) -> int:
        time.sleep(0.002 * (20 - k) % 7)
        return k * k

    assert list(lanes.each(lambda k: lanes.call(slow, k, never), range(20))) == [k * k for k in range(20)]
    assert 1 < pool.peak <= 3
    assert told[0] == (0, 20)
    assert told[-1] == (20, 20)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_cluster_that_grows_gets_more() -> None:
    pool = Threads(1)
    lanes = Lanes(pool)
    everybody = threading.Barrier(4, timeout=30)

    def work(k: int) -> None:
        if k == 0:
            pool.most = 4
        else:
            everybody.wait()

    list(lanes.each(lambda k: lanes.call(work, k, never), range(5)))
    assert pool.peak == 4


@pytest.mark.parametrize("deaths", range(ATTEMPTS + 1))
def test_what_is_lost_is_done_again(deaths: int) -> None:
    tries, cleared = [], []

    def work(task: str) -> str:
        tries.append(task)
        if len(tries) <= deaths:
            raise LostError("the worker died")
        return "made"

    lanes = Lanes(Threads(1))
    if deaths < ATTEMPTS:
        assert lanes.call(work, "lake", lambda: cleared.append(len(tries))) == "made"
        assert cleared == [*range(1, deaths + 1), *([deaths + 1] if deaths else [])]  # and once the task is done
    else:
        with pytest.raises(LostError):
            lanes.call(work, "lake", lambda: cleared.append(len(tries)))
        assert cleared == list(range(1, ATTEMPTS + 1))


@pytest.mark.parametrize("error", [CancelledError, KeyboardInterrupt])
def test_one_that_raises_ends_all(error: type[BaseException]) -> None:
    pool = Threads(2)
    begun = []

    def work(k: int) -> None:
        begun.append(k)
        if k == 1:
            raise error
        if not pool.cancelled.wait(30):
            pytest.fail("it was not told to end")

    with pytest.raises(error):
        list(Lanes(pool).each(work, range(50)))
    assert len(begun) <= 3


def test_without_a_cluster_the_work_is_done_in_this_thread() -> None:
    pool: Pool = Here()
    lanes = Lanes(pool)
    threads = lanes.each(lambda k: lanes.call(lambda _: threading.get_ident(), k, never), range(3))
    assert set(threads) == {threading.get_ident()}
    with pytest.raises(InputError):
        list(lanes.each(lambda _: (_ for _ in ()).throw(InputError("no")), range(3)))

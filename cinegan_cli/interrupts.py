"""Ctrl-C, SIGTERM and SIGHUP at a moment that suits: what must not be cut in two is done first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known on Windows


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals that end the program come at the end of the block. Only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before: dict[int, Callable[[int, Any], Any]] = {}
    for number in (int(signal.Signals[name]) for name in NAMES if name in signal.Signals.__members__):
        handler = signal.getsignal(number)
        if callable(handler):  # the others are ignored, or end the process at once
            before[number] = handler
            signal.signal(number, lambda signum, _: came.append(signum))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


@contextmanager
def surely(cleanup: Callable[[], object]) -> Iterator[None]:
    """`cleanup` at the end, whatever happens inside; signals wait for it. Doing it twice must be harmless.

    What it removes is best made inside, under `signals_held`: then no signal can come between the two.
    """
    try:
        yield
    finally:
        try:
            with signals_held():
                cleanup()
        except KeyboardInterrupt:  # it came just before they were held; `cli.main` raises no second one
            cleanup()
            raise

"""What outlives one photo: the device, opened models, thread counts, a flag to cancel, the report of progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, RLock
from typing import Any, TypeVar

import cv2
import torch

from cinegan_cli.config import RunConfig
from cinegan_cli.errors import CancelledError, UsageError
from cinegan_cli.models import Models, open_bundle
from cinegan_cli.types import Progress, silent

T = TypeVar("T")

_FIRST_PROCESS = os.getpid()  # a child made by fork has another number


class Session:
    """Shared by all photos that are made into loops one after the other, so that each model is opened once.

    Two sessions may be at work in two threads, and a session may be made in a process that was forked. Nothing that
    belongs to the process is changed for good: thread counts are set while work is done and put back after it.

    `device` and `precision` are where and in which numbers networks run. Raises UsageError for a device that this
    machine does not have.
    """

    def __init__(self, run: RunConfig | None = None, *, progress: Progress = silent) -> None:
        run = run or RunConfig()
        self.device = pick_device(run.device)
        self.precision = run.precision
        self.threads = run.threads
        self._progress = progress
        self._cancelled = Event()
        self._lock = RLock()
        self._opened: dict[tuple[str, Path], tuple[object, Any]] = {}

    def tell(self, what: str, done: int = 0, total: int = 0) -> None:
        """Report progress: `done` of `total` steps (0: unknown). Raises CancelledError after `cancel`."""
        if self._cancelled.is_set():
            raise CancelledError("cancelled; nothing unfinished was left behind")
        self._progress(what, done, total)

    @contextmanager
    def telling(self, progress: Progress) -> Iterator[None]:
        """Progress is reported there while inside."""
        before, self._progress = self._progress, progress
        try:
            yield
        finally:
            self._progress = before

    def cancel(self) -> None:
        """Stop what this session is doing at its next step; may be called from any thread."""
        self._cancelled.set()

    def opened(self, kind: str, path: Path, read: Callable[[], T]) -> T:
        """What `read` makes of a file, kept until the file changes. `kind` tells several readers of one file apart."""
        stamp = _stamp(path)
        with self._lock:
            known = self._opened.get((kind, path))
            if known is None or known[0] != stamp:
                known = self._opened[kind, path] = (stamp, read())
            made: T = known[1]
            return made

    def models(self, path: Path) -> Models:
        """The set of models in a bundle, whose networks are kept with it. Raises what `open_bundle` does."""
        return self.opened("models", path, lambda: open_bundle(path))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The session's thread counts while inside; those that were there before at the end."""
        forked = os.getpid() != _FIRST_PROCESS
        count = 1 if forked else self.threads
        if count is None:
            yield
            return
        # Threads of the parent's pools do not exist in a forked child, and both libraries would wait for them.
        _COUNTS.set(count, 0 if forked else count)
        try:
            yield
        finally:
            _COUNTS.put_back()

    def steps(self, items: Iterator[T]) -> Iterator[T]:
        """`items`, each made at work and without gradients. Neither lasts while the caller holds an item."""
        end = object()
        while True:
            with self.at_work(), torch.inference_mode():
                item: Any = next(items, end)
            if item is end:
                return
            yield item


class _ThreadCounts:
    """torch's and OpenCV's thread counts, which belong to the process: changed by the first, put back by the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = (0, 0)

    def set(self, torch_threads: int, opencv_threads: int) -> None:
        with self._lock:
            if self._users == 0:
                self._before = (torch.get_num_threads(), cv2.getNumThreads())
            self._users += 1
            torch.set_num_threads(torch_threads)
            cv2.setNumThreads(opencv_threads)

    def put_back(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                torch.set_num_threads(self._before[0])
                cv2.setNumThreads(self._before[1])


_COUNTS = _ThreadCounts()


def _stamp(path: Path) -> object:
    """Changes whenever the file does; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where it works, else the CPU. Raises `UsageError` for a device this machine does not have."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[name]:
        raise UsageError(f"--device {name}: not available here (see `cinegan doctor`); leave it out to use the CPU")
    return torch.device(name)

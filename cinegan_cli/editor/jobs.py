"""Renders, one at a time in a thread of their own; the others wait in a queue that does not grow without end."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Literal

from cinegan_cli.config import RunConfig
from cinegan_cli.errors import CancelledError, CineganError, UsageError, unexpected
from cinegan_cli.session import Session

MOST_WAITING = 8
LAST_WORDS = 30.0  # seconds that a cancelled render may take to end
MOST_KEPT = 32  # jobs that are over, whose outcome can still be asked for

State = Literal["queued", "running", "done", "failed", "cancelled"]
Work = Callable[[Session], Path]


class BusyError(UsageError):
    """The queue is full."""


@dataclass
class Job:
    """One render. `what`, `done`, `total` are its progress; `file` is what it made."""

    kind: str
    version: int
    work: Work
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "queued"
    what: str = "waiting"
    done: int = 0
    total: int = 0
    error: str | None = None
    file: Path | None = None
    session: Session | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")

    def as_dict(self) -> dict[str, Any]:
        """What the page is told; of the file its name alone."""
        names = ("id", "kind", "version", "state", "what", "done", "total", "error")
        return {**{name: getattr(self, name) for name in names}, "file": self.file.name if self.file else None}


class Jobs:
    """The queue of one server. `tell` is called with a job whenever it changed, from any thread."""

    def __init__(self, run: RunConfig, tell: Callable[[Job], None]) -> None:
        self._run = run
        self._tell = tell
        self._lock = Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="cinegan jobs", daemon=True)
        self._thread.start()

    def submit(self, kind: str, version: int, work: Work) -> Job:
        """Queue a render. Raises BusyError when too many wait."""
        job = Job(kind, version, work)
        with self._lock:
            if sum(job.state == "queued" for job in self._jobs.values()) >= MOST_WAITING:
                raise BusyError(f"{MOST_WAITING} renders wait already; cancel one, or wait for the first")
            self._jobs[job.id] = job
            over = [key for key, old in self._jobs.items() if old.over]
            for key in over[: max(0, len(over) - MOST_KEPT)]:
                del self._jobs[key]
        self._queue.put(job)
        self._tell(job)
        return job

    def get(self, key: str) -> Job | None:
        """The job of that id; None where there is none, or no longer."""
        with self._lock:
            return self._jobs.get(key)

    def cancel(self, job: Job) -> None:
        """Stop a job, now where it waits, at its next step where it runs; nothing where it is over."""
        with self._lock:
            if job.state == "queued":
                job.state = "cancelled"
            elif job.session is not None:
                job.session.cancel()
        self._tell(job)

    def cancel_all(self) -> None:
        """Stop every job."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if not job.over]
        for job in jobs:
            self.cancel(job)

    def close(self) -> None:
        """Stop every job, and wait until the one that runs has cleaned up."""
        self.cancel_all()
        self._queue.put(None)
        self._thread.join(LAST_WORDS)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            with self._lock:
                if job.state != "queued":
                    continue
                job.state = "running"
                job.session = Session(self._run, progress=partial(self._on, job))
            self._tell(job)
            self._finish(job, *self._done(job))

    def _done(self, job: Job) -> tuple[State, Path | None, str | None]:
        """How it ended, what it made, and what went wrong."""
        assert job.session is not None
        try:
            return "done", job.work(job.session), None
        except CancelledError:
            return "cancelled", None, None
        except CineganError as error:
            return "failed", None, str(error)
        except Exception as error:
            return "failed", None, unexpected(error)[0]

    def _finish(self, job: Job, state: State, file: Path | None, error: str | None) -> None:
        with self._lock:
            job.state, job.file, job.error, job.session = state, file, error, None
        self._tell(job)

    def _on(self, job: Job, what: str, done: int, total: int) -> None:
        job.what, job.done, job.total = what, done, total
        self._tell(job)

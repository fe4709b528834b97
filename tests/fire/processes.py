"""`cinegan` in processes of their own, many and soon: each is forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shlex
import signal
import sys
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

PRELOAD = ["cinegan_cli.pipeline", "cinegan_cli.cli.animate", "cinegan_cli.models", "cinegan_cli.training", "cv2"]
LAST_WORDS = 180  # s, to end on a busy machine

_forks = multiprocessing.get_context("forkserver") if sys.platform != "win32" else None


@dataclass(frozen=True)
class Ended:
    """How a process ended: its status (minus the signal that killed it) and what it said on stderr, but for notes."""

    status: int
    complaints: tuple[str, ...]


@dataclass(frozen=True)
class Running:
    """A process at work."""

    process: ForkServerProcess
    said: Path

    def send(self, number: int) -> None:
        """The signal, unless it has ended."""
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)

    def wait(self) -> Ended:
        """Until it ends. Fails when that takes minutes."""
        self.process.join(LAST_WORDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise AssertionError(f"did not end within {LAST_WORDS} s: {self.said.read_text()}")
        lines = self.said.read_text(errors="replace").splitlines() if self.said.exists() else []
        assert self.process.exitcode is not None
        return Ended(self.process.exitcode, tuple(n for n in lines if n and not n.startswith(("note: ", "\r"))))


def start(
    command: str, place: Path, said: Path, told: Path = Path(os.devnull), *, memory: int | None = None
) -> Running:
    """`cinegan COMMAND` in the folder `place`; stderr goes to the file `said`, stdout to `told`.

    It may take at most `memory` bytes of addresses beyond those that it starts with.
    """
    assert _forks is not None
    _forks.set_forkserver_preload(PRELOAD)
    with pytest.MonkeyPatch.context() as patch:  # what is forked from looks for modules where we do
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    process = _forks.Process(
        target=_run, args=(shlex.split(command), str(place), str(said), str(told), dict(os.environ), memory)
    )
    process.start()
    return Running(process, said)


def _run(
    arguments: list[str], place: str, said: str, told: str, environment: dict[str, str], memory: int | None
) -> None:
    os.environ.update(environment)
    os.chdir(place)
    for path, stream in ((told, 1), (said, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, stream)
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if memory is not None:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    sys.argv = ["cinegan", *arguments]
    from cinegan_cli.cli.main import main

    main()

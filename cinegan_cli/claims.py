"""One run at a time for an output: a locked file beside it. It also lets a run clear what killed runs left there."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cinegan_cli.errors import OutputError
from cinegan_cli.interrupts import signals_held, surely

HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what systems say of a file that another has locked
TEMPORARY = r"\.(?P<output>.+)\.(?P<process>\d+)\.part.*"  # as the video stage names what it has not finished
CLAIM = r"\.(?P<output>.+)\.claim"


class ClaimedError(OutputError):
    """Another run is making this output."""


@contextmanager
def claimed(outputs: Iterable[Path]) -> Iterator[None]:
    """No other run makes these outputs while inside; what killed runs left of them is removed first.

    A claim is the lock on `.NAME.claim` beside the output, which holds process and host for people to read. The system
    gives it up when the process dies, however that happens. Where files cannot be locked, or not be made at all, there
    is no claim and nothing is removed. Missing folders are made, and removed at the end if nothing is in them.
    Raises ClaimedError, which names the other process, when one of the outputs is claimed.
    """
    with ExitStack() as stack:
        for output in {os.path.abspath(output): output for output in outputs}.values():
            stack.enter_context(_claimed(output))
        yield


@contextmanager
def _claimed(output: Path) -> Iterator[None]:
    path = output.absolute().with_name(f".{output.name}.claim")  # the current folder may change meanwhile
    made: list[Path] = []
    locks: list[int] = []

    def give_up() -> None:
        while locks:
            _release(locks.pop(), path)
        for folder in made:
            with suppress(OSError):  # somebody put something there
                folder.rmdir()

    with surely(give_up):
        with signals_held():
            made += _make_folders(path.parent)
            locks += _locked(path, output)
        if locks:
            _clear(path.parent, output.name)
        yield


def clear(outputs: Iterable[Path]) -> None:
    """Remove what dead processes have left of these outputs; for who has claimed them."""
    for output in outputs:
        _clear(output.absolute().parent, output.name)


def left_behind(outputs: Iterable[Path]) -> set[Path]:
    """Those outputs beside which a claim or something unfinished lies, of a run that is at work or was killed."""
    wanted = {(output.absolute().parent, output.name): output for output in outputs}
    found = set()
    for folder in {folder for folder, _ in wanted}:
        for name in _names(folder):
            match = re.fullmatch(f"(?:{TEMPORARY})", name) or re.fullmatch(CLAIM, name)
            if match and (folder, match["output"]) in wanted:
                found.add(wanted[folder, match["output"]])
    return found


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; the new ones, deepest first. What the system refuses stays undone."""
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    made: list[Path] = []
    with suppress(OSError):
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            made.insert(0, place)
    return made


def _locked(path: Path, output: Path) -> list[int]:
    """The claim, open and locked, with our name in it; none where there can be none. Raises ClaimedError."""
    while True:
        try:
            file = _open(path)
        except OSError:
            return []
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), os.stat(path)):
                with suppress(OSError):  # a dead run of another user left it, and we may not write to it
                    os.truncate(file, 0)
                    os.write(file, f"{os.getpid()} {socket.gethostname()}\n".encode())
                return [file]
            os.close(file)  # its owner has finished and removed it in between
        except FileNotFoundError:
            os.close(file)
        except OSError as error:
            os.close(file)
            if error.errno in HELD:
                raise ClaimedError(
                    f"{output}: {_owner(path)} is making it; wait for that, or name another --out"
                ) from None
            with suppress(OSError):
                path.unlink()
            return []


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's: readable is enough for a lock
        return os.open(path, os.O_RDONLY)


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, 1 << 20, os.SEEK_SET)  # beyond the text, which others may then read
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _release(file: int, path: Path) -> None:
    if sys.platform == "win32":  # an open file cannot be removed there
        os.close(file)
    with suppress(OSError):  # the folder may have vanished
        path.unlink()
    if sys.platform != "win32":
        os.close(file)


def _owner(path: Path) -> str:
    with suppress(OSError, ValueError):
        process, host = path.read_text().split()
        return f"another run (process {int(process)} on {host})"
    return "another run"


def _clear(folder: Path, output: str) -> None:
    """Remove the temporaries of dead processes; call it only with the claim, when no other host is at work either."""
    for name in _names(folder):
        match = re.fullmatch(TEMPORARY, name)
        if match is None or match["output"] != output or _is_alive(int(match["process"])):
            continue
        left = folder / name
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.unlink()


def _names(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(".")]
    except OSError:
        return []


def _is_alive(process: int) -> bool:
    """Whether another process of that number runs. Our own has nothing unfinished at the time of asking."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":
        return True  # cannot be asked without disturbing it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True

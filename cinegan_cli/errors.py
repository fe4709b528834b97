"""One exception tree. Library code raises these; only `cli.main` catches them and turns them into an exit status."""

from __future__ import annotations

import errno
from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of the `cinegan` command, documented in the README."""

    OK = 0
    INTERNAL = 1  # a bug in cinegan; run again with --traceback and report it
    USAGE = 2  # options that do not exist or do not go together
    INPUT = 3  # a file that cannot be read, or does not hold what it should
    MODEL_MISSING = 4  # a model that is not installed
    ENCODER = 5  # the output could not be written or encoded
    PARTIAL = 6  # a batch in which some files failed
    CHECK = 7  # a loop failed `check`, or --strict refused a doubtful result
    INTERRUPTED = 130  # Ctrl-C


class CineganError(Exception):
    """Base of every error a user can cause. The message is one line: what, why, what to do."""

    status = ExitStatus.INTERNAL


class UsageError(CineganError):
    """Options that are out of range or contradict each other."""

    status = ExitStatus.USAGE


class InputError(CineganError):
    """An input file is missing, unreadable, truncated or of the wrong kind."""

    status = ExitStatus.INPUT


class ModelMissingError(CineganError):
    """A model was asked for that is not installed."""

    status = ExitStatus.MODEL_MISSING


class OutputError(CineganError):
    """An output cannot be written: it exists, the folder is read-only, the disk is full, the encoder failed."""

    status = ExitStatus.ENCODER


class BatchError(CineganError):
    """Some files of a batch failed; the others were rendered."""

    status = ExitStatus.PARTIAL


class CheckError(CineganError):
    """A result did not meet the standard asked for (`check`, `--strict`)."""

    status = ExitStatus.CHECK


class CancelledError(CineganError):
    """The session was asked to stop."""

    status = ExitStatus.INTERRUPTED


REFUSALS = {  # by the system's number: what to do, and the status
    errno.ENAMETOOLONG: ("give a shorter name", ExitStatus.INPUT),
    errno.EACCES: ("check its permissions", ExitStatus.INPUT),
    errno.ENOSPC: ("free some space", ExitStatus.ENCODER),
    errno.EROFS: ("choose another place", ExitStatus.ENCODER),
}


def unexpected(error: Exception) -> tuple[str, ExitStatus]:
    """One line and the status for an error that is not one of ours: a refusal of the system's, memory, or a bug."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        advice, status = REFUSALS[error.errno]
        return one_line(f"{error.filename or 'a file'}: {error.strerror}; {advice}"), status
    if is_out_of_memory(error):
        return "not enough memory for this picture; try a smaller --max-side", ExitStatus.INTERNAL
    what = f"internal error: {type(error).__name__}: {one_line(str(error))}"
    return f"{what}; please report it with the output of `cinegan --traceback ...`", ExitStatus.INTERNAL


def is_out_of_memory(error: Exception) -> bool:
    """Python's own errors, also for want of a thread's stack, or what torch (CPU, CUDA) and OpenCV say."""
    phrases = ("can't allocate memory", "out of memory", "Insufficient memory", "can't start new thread")
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in phrases)


def one_line(text: str) -> str:
    """The text without line breaks and runs of blanks."""
    return " ".join(text.split())

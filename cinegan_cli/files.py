"""Files that appear whole or not at all; text and pipes, whatever wrote them; folders for what is temporary."""

from __future__ import annotations

import codecs
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.interrupts import surely

MOST_PIPED = 512 * 2**20  # bytes; more through a pipe is no picture
BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, in UTF-16 or UTF-32 with a byte order mark, else in Latin-1; lines end in \\n.

    Raises OSError, and UnicodeError (a ValueError) where the file does not hold what its mark says.
    """
    return text_of(path.read_bytes())


def text_of(data: bytes) -> str:
    """`read_text` of the bytes of a file."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    if marked is not None:
        text = data.decode(marked)
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_stream(path: Path) -> bool:
    """Whether `path` can be read only once, from its start to its end: a pipe, or standard input ("-", /dev/stdin)."""
    if str(path) in ("-", "/dev/stdin"):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def read_stream(path: Path) -> bytes:
    """All that comes through a pipe or standard input. Raises InputError when nothing does, or over 512 MB."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise InputError("-: nothing is piped in; give a file, or another program's output: ... | cinegan ...")
            data = sys.stdin.buffer.read(MOST_PIPED + 1)
        else:
            with path.open("rb") as pipe:
                if pipe.isatty():
                    raise InputError(f"{path}: is a terminal, not a file; give a file, or pipe one in")
                data = pipe.read(MOST_PIPED + 1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error}); give a file") from error
    if not data:
        raise InputError(f"{name}: nothing came through the pipe, or it was read before; give a file")
    if len(data) > MOST_PIPED:
        raise InputError(f"{name}: more than {MOST_PIPED // 2**20} MB came through the pipe; give a file")
    return data


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` to write to: moved to `path` at the end, removed when anything is raised.

    Always the same name: what a killed process leaves is written over by the next one.
    """
    part = path.with_name(f".{path.name}.part")

    def remove() -> None:
        with suppress(OSError):
            part.unlink(missing_ok=True)

    with surely(remove):
        yield part
        os.replace(part, path)


@contextmanager
def written(path: Path, advice: str = "choose another place") -> Iterator[Path]:
    """`replacing`, where what the system refuses is an OutputError that ends with `advice`."""
    try:
        with replacing(path) as part:
            yield part
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; {advice}") from error


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that is removed at the end. Raises OutputError where the system has none to offer."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"no folder for temporary files: {reason}; set TMPDIR to one that you may write") from error
    with folder as name:
        yield Path(name)

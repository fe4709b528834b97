"""Files that appear whole or not at all, text of any encoding, folders for what is temporary."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cinegan_cli.errors import OutputError

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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name beside `path` to write to: moved to `path` at the end, removed when anything is raised.

    Always the same name: what a killed process leaves is written over by the next one.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


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

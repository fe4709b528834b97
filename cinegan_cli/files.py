"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cinegan_cli.errors import OutputError


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

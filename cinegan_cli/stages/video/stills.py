"""Single pictures, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import OutputError, UsageError
from cinegan_cli.interrupts import surely
from cinegan_cli.stages.video.commit import all_or_nothing
from cinegan_cli.stages.video.names import temporary_beside

LONGEST_NAME = 200  # bytes; temporary names are a little longer, and most file systems take 255


def require_free(paths: Sequence[Path], overwrite: bool, *, inputs: Iterable[Path | None]) -> None:
    """Refuse outputs of one command that cannot be written, or must not be.

    Raises `OutputError` for a path that exists (without `overwrite`), is a folder, has too long a name, or whose
    folder does not exist; `UsageError` for one named twice, and for one of `inputs`, whatever `overwrite` says.
    """
    keep_inputs(paths, inputs)
    if len(set(map(os.path.realpath, paths))) < len(paths):
        raise UsageError(f"{paths[0]}: named twice; give every output its own name")
    for path in paths:
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            raise OutputError(f"{path}: the name is too long; {LONGEST_NAME} letters are the most")
        if os.path.isdir(path):
            raise OutputError(f"{path}: is a folder; name a file in it")
        if os.path.lexists(path) and not overwrite:
            raise OutputError(f"{path}: exists already; add --overwrite or name another file")
        if not os.path.isdir(path.parent):
            raise OutputError(f"{path}: the folder {path.parent} does not exist; make it first")


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Raise `UsageError` when an output would replace a file that it is made from."""
    read = {os.path.realpath(path) for path in inputs if path is not None}
    for path in outputs:
        if os.path.realpath(path) in read:
            raise UsageError(f"{path}: is an input of this run; give the output another name")


def write_pictures(pictures: Mapping[Path, NDArray[np.uint8]], quality: int = 95) -> None:
    """Write uint8 [H, W] or [H, W, 3] arrays under temporary names, then rename all or none. Raises `OutputError`.

    As PNG, but .jpg and .jpeg as JPEG of that quality (1 to 100), with full colour resolution from 90 on.
    """
    temporaries = {path: temporary_beside(path, "") for path in pictures}
    earlier = {path: temporary_beside(path, ".old") for path in pictures}
    path = Path()

    def remove() -> None:
        for left in (*temporaries.values(), *earlier.values()):
            left.unlink(missing_ok=True)

    try:
        with surely(remove):
            for path, pixels in pictures.items():
                options: dict[str, Any] = {"format": "PNG", "compress_level": 3}
                if path.suffix.lower() in (".jpg", ".jpeg"):
                    options = {"format": "JPEG", "quality": quality, "subsampling": 0 if quality >= 90 else 2}
                Image.fromarray(pixels).save(temporaries[path], **options)
            with all_or_nothing() as moves:
                for path, temporary in temporaries.items():
                    moves.replace(temporary, path, earlier[path])
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error

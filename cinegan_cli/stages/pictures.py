"""Single PNG pictures, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import OutputError


def require_free(paths: Sequence[Path], overwrite: bool) -> None:
    """Raise `OutputError` for a path that exists (without `overwrite`), is a folder, or whose folder does not exist."""
    for path in paths:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already; add --overwrite or name another file")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; make it first")


def write_pictures(pictures: Mapping[Path, NDArray[np.uint8]]) -> None:
    """Write uint8 [H, W] or [H, W, 3] arrays as PNG under temporary names, then rename. Raises `OutputError`."""
    temporaries = {path: path.with_name(f".{path.name}.part") for path in pictures}
    path = Path()
    try:
        for path, pixels in pictures.items():
            Image.fromarray(pixels).save(temporaries[path], format="PNG", compress_level=3)
        for path, temporary in temporaries.items():
            os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error
    finally:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)

"""Where a picture comes from: a file, a pipe, bytes in memory, an array or a Pillow picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.files import is_stream, read_stream
from cinegan_cli.stages.photo.deep import Pixels
from cinegan_cli.types import PhotoSource


@dataclass(frozen=True)
class Source:
    """A picture file, on disk (`path`) or in memory (`data`); messages call it `name`, notices `short`."""

    name: str
    short: str
    path: Path | None
    data: bytes

    def open(self) -> BinaryIO:
        """The file from its start. Raises OSError."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def read(self) -> bytes:
        """All of the file. Raises OSError."""
        return self.data if self.path is None else self.path.read_bytes()


def source_of(given: Path | bytes) -> Source:
    """The file, checked to be there and not empty; pipes are read whole. Raises InputError."""
    if isinstance(given, bytes):
        if not given:
            raise InputError("the picture: 0 bytes were given; read the file again")
        return Source("the picture", "The picture", None, given)
    if is_stream(given):
        name = "standard input" if str(given) == "-" else str(given)
        return Source(name, name, None, read_stream(given))
    try:
        if given.is_dir():
            raise InputError(f"{given}: is a folder, not a picture; name a file in it")
        if given.stat().st_size == 0:
            raise InputError(f"{given}: the file is empty (0 bytes); copy or download it again")
        with given.open("rb"):
            return Source(str(given), given.name, given, b"")
    except FileNotFoundError:
        raise InputError(f"{given}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{given}: cannot be read: {reason(error)}; check the name and permissions") from None


def name_of(given: PhotoSource) -> str:
    """How messages call a source."""
    if isinstance(given, Path):
        return "standard input" if str(given) == "-" else str(given)
    kinds = {bytes: "the picture", np.ndarray: "the array"}
    return next((name for kind, name in kinds.items() if isinstance(given, kind)), "the picture")


def array_pixels(array: NDArray[Any]) -> Pixels:
    """uint8 or uint16 [h, w, 1, 3 or 4] of pixels in uint8, uint16, bool, or floats in [0, 1]. Raises InputError."""
    planes = array[:, :, None] if array.ndim == 2 else array
    if planes.ndim != 3 or planes.shape[2] not in (1, 3, 4) or 0 in planes.shape:
        raise InputError(f"the array has shape {list(array.shape)}; pictures are [H, W], [H, W, 3] or [H, W, 4]")
    if planes.dtype == np.uint8 or planes.dtype == np.uint16:
        return np.ascontiguousarray(planes)
    if planes.dtype == np.bool_:
        return planes.astype(np.uint8) * np.uint8(255)
    if planes.dtype.kind != "f":
        raise InputError(f"the array holds {planes.dtype}; pictures are uint8, uint16, or floats from 0 to 1")
    with np.errstate(invalid="ignore"):  # signalling NaN
        within = ((planes >= -1e-3) & (planes <= 1 + 1e-3)).all()  # NaN is not
    if not within:
        raise InputError("the array holds floats outside 0 to 1 (or NaN); scale them, or give uint8")
    return (np.clip(planes.astype(np.float32), 0, 1) * 65535 + 0.5).astype(np.uint16)


def reason(error: BaseException) -> str:
    """What an error of a library says, as the middle of a sentence."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split()).lower() if text[:1].isupper() else " ".join(text.split())

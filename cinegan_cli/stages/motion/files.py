"""Motion files: .npy, .npz and Middlebury .flo, px per frame at 30 fps on their own grid. Here: grid px per second."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import FRAME_RATE_OF_FILES
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.files import written
from cinegan_cli.types import Motion

FLO_MAGIC = struct.pack("<f", 202021.25)  # the bytes "PIEH"
SUFFIXES = (".npy", ".npz", ".flo")
NPZ_KEYS = ("motion", "flow", "arr_0")
FASTEST = 1e6  # px per frame; more is another byte order, or not a motion field
MAX_GRID = 16384  # longest side of a motion grid; more is a damaged header or a mistake


def read_motion(path: Path) -> Tensor:
    """The field of a file as float32 [2, h, w], grid px per second, +x right, +y down.

    .npy or .npz (one array, or the key motion, flow or arr_0): [2, h, w] or [1, 2, h, w] of any real dtype. .flo:
    Middlebury, [h, w, 2] interleaved. Raises InputError when the file cannot be read or is no finite field.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a motion file ends in {', '.join(SUFFIXES)}, not in {suffix or 'nothing'}")
    try:
        array = _read_flo(path) if suffix == ".flo" else _read_numpy(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such motion file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return torch.from_numpy(_checked(path, array) * np.float32(FRAME_RATE_OF_FILES))


def write_motion(path: Path, motion: Motion) -> None:
    """Write `motion` as .npy ([2, h, w] float32) or .flo, px per frame at 30 fps; whole or not at all.

    Raises UsageError for another ending, OutputError when the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".flo"):
        raise UsageError(f"{path}: motion is written as .npy or .flo, not as {suffix or 'a file without ending'}")
    field = np.ascontiguousarray(motion.velocity.cpu().numpy() / np.float32(FRAME_RATE_OF_FILES), np.float32)  # [2,h,w]
    with written(path) as part, part.open("wb") as file:
        if suffix == ".flo":
            file.write(FLO_MAGIC + struct.pack("<ii", field.shape[2], field.shape[1]))
            file.write(np.ascontiguousarray(field.transpose(1, 2, 0), "<f4").tobytes())  # [h, w, 2]
        else:
            np.save(file, field)


def _read_numpy(path: Path) -> NDArray[Any]:
    """The array of a .npy or .npz file; never unpickles."""
    try:
        with path.open("rb") as file:  # opened here: numpy leaves a damaged archive open
            loaded = np.load(file, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else _from_archive(path, loaded)
    except (InputError, OSError):
        raise
    except MemoryError:
        raise InputError(f"{path}: the field does not fit into memory; its header may be damaged") from None
    except Exception as error:  # numpy's and zipfile's parsers raise nearly anything on damaged files
        reason = (
            "it holds Python objects, not numbers" if "pickle" in str(error) and _is_npy(path) else "damaged or cut"
        )
        raise InputError(f"{path}: not a readable numpy file ({reason}); write it with numpy.save") from error


def _is_npy(path: Path) -> bool:
    """Whether the file starts as numpy's own formats do."""
    with path.open("rb") as file:
        return file.read(2) in (b"\x93N", b"PK")


def _from_archive(path: Path, archive: Any) -> NDArray[Any]:
    """The motion array of an opened .npz."""
    names: list[str] = list(archive.files)
    key = names[0] if len(names) == 1 else next((name for name in NPZ_KEYS if name in names), None)
    if key is None:
        held = ", ".join(names) or "nothing"
        raise InputError(f"{path}: holds {held}; name the field motion, flow or arr_0")
    return np.asarray(archive[key])


def _read_flo(path: Path) -> NDArray[np.float32]:
    """[2, h, w] of a Middlebury file."""
    with path.open("rb") as file:
        width, height = _flo_header(path, file)
        wanted = 8 * width * height
        data = file.read(wanted + 1)
    if len(data) != wanted:
        found = "more" if len(data) > wanted else f"{len(data)}"
        raise InputError(
            f"{path}: {width}x{height} px need {wanted} bytes after the header, found {found}; cut or damaged"
        )
    return np.frombuffer(data, "<f4").reshape(height, width, 2).transpose(2, 0, 1).astype(np.float32)


def _flo_header(path: Path, file: BinaryIO) -> tuple[int, int]:
    """(width, height), checked before anything is allocated."""
    header = file.read(12)
    if header[:4] != FLO_MAGIC:
        raise InputError(f"{path}: not a Middlebury .flo file (it does not start with PIEH)")
    if len(header) < 12:
        raise InputError(f"{path}: the .flo header is cut after {len(header)} bytes")
    width, height = struct.unpack("<ii", header[4:])
    if not (0 < width <= MAX_GRID and 0 < height <= MAX_GRID):
        raise InputError(f"{path}: the .flo header says {width}x{height} px; sides are 1 to {MAX_GRID}")
    return width, height


def _checked(path: Path, array: NDArray[Any]) -> NDArray[np.float32]:
    """The array as finite float32 [2, h, w], or one line that says what is wrong with it."""
    shape = list(array.shape)
    if len(shape) == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or array.shape[0] != 2:
        channels_last = len(shape) >= 3 and shape[-1] == 2
        hint = "; it looks like [h, w, 2]: save array.transpose(2, 0, 1)" if channels_last else ""
        raise InputError(f"{path}: has shape {shape}; motion is [2, h, w] or [1, 2, h, w]{hint}")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds {array.dtype}; motion is real numbers, px per frame at 30 fps")
    if not 0 < min(array.shape[1:]) <= max(array.shape[1:]) <= MAX_GRID:
        raise InputError(f"{path}: a grid of {array.shape[2]}x{array.shape[1]} px; sides are 1 to {MAX_GRID}")
    with np.errstate(over="ignore"):
        field = np.array(array, np.float32)
    bad = int(np.count_nonzero(~np.isfinite(field)))
    if bad:
        raise InputError(
            f"{path}: {bad} of {field.size} values are NaN or infinite; replace them, by 0 where nothing moves"
        )
    largest = float(np.abs(field).max())
    if largest > FASTEST:
        raise InputError(f"{path}: moves by up to {largest:.3g} px per frame; more than {FASTEST:g} is no motion")
    return field

"""Motion files: .npy, .npz and Middlebury .flo, px per frame at 30 fps on their own grid. Here: grid px per second."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import FRAME_RATE_OF_FILES
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.files import is_stream, read_stream, written
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.types import Motion, MotionSource

Array = NDArray[np.float32]

FLO_MAGIC = struct.pack("<f", 202021.25)  # the bytes "PIEH"
SUFFIXES = (".npy", ".npz", ".flo")
NPZ_KEYS = ("motion", "flow", "arr_0")
FASTEST = 1e6  # px per frame; more is another byte order, or not a motion field
UNKNOWN = 1e9  # px: what is beyond it in a .flo file is marked as not known
MAX_GRID = 16384  # longest side of a motion grid; more is a damaged header or a mistake


def read_motion(source: MotionSource) -> Tensor:
    """A field as float32 [2, h, w], grid px per second, +x right, +y down, of one in px per frame at 30 fps.

    `source` is an array [2, h, w] or [h, w, 2], or a file or pipe. .npy or .npz (one array, or the key motion, flow or
    arr_0): [2, h, w] or [1, 2, h, w] of any real dtype. .flo: Middlebury, [h, w, 2] interleaved. Raises InputError
    when it cannot be read or is not finite everywhere: where motion is measured, nothing is made up.
    """
    field = _read(source)
    unknown = int(np.count_nonzero(np.isnan(field)))
    if unknown:
        name = _name(source)
        raise InputError(
            f"{name}: {unknown} of {field.size} values are NaN or not known; fill them, by 0 where it rests"
        )
    return torch.from_numpy(field * np.float32(FRAME_RATE_OF_FILES))


def read_motion_filled(source: MotionSource) -> tuple[Tensor, tuple[str, ...]]:
    """`read_motion`, where cells that are not known take the motion around them, and notices say how many they are.

    Not known are NaN, and what .flo marks so, beyond 1e9 px. Raises InputError when no cell is known.
    """
    field = _read(source)
    known = ~np.isnan(field).any(0)
    values = torch.from_numpy(field * np.float32(FRAME_RATE_OF_FILES))
    if known.all():
        return values, ()
    name = _name(source)
    if not known.any():
        raise InputError(f"{name}: all of its cells are NaN or marked as not known; there is no motion in it")
    share = max(0.001, 1 - float(known.mean()))
    notice = f"{Path(name).name} does not know {share:.1%} of its cells (NaN, or marked so): they move as those around."
    return pull_push(values, torch.from_numpy(known.astype(np.float32))), (notice,)


def _read(source: MotionSource) -> Array:
    """The field in px per frame, float32 [2, h, w], NaN where it is not known. Raises InputError."""
    if isinstance(source, np.ndarray):
        last = source.ndim == 3 and source.shape[0] != 2 and source.shape[2] == 2
        return _checked(_name(source), source.transpose(2, 0, 1) if last else source)
    name, stream = _name(source), is_stream(source)
    suffix = "" if stream else source.suffix.lower()
    if not stream and suffix not in SUFFIXES:
        raise InputError(f"{name}: a motion file ends in {', '.join(SUFFIXES)}, not in {suffix or 'nothing'}")
    try:
        with io.BytesIO(read_stream(source)) if stream else source.open("rb") as file:
            flo = suffix == ".flo" or (stream and file.read(4) == FLO_MAGIC)
            file.seek(0)
            array = _read_flo(name, file) if flo else _read_numpy(name, file)
    except FileNotFoundError:
        raise InputError(f"{name}: no such motion file") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror or error})") from error
    return _checked(name, array)


def _name(source: MotionSource) -> str:
    if isinstance(source, np.ndarray):
        return "the motion array"
    return "standard input" if str(source) == "-" else str(source)


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


def _read_numpy(name: str, file: BinaryIO) -> NDArray[Any]:
    """The array of a .npy or .npz file; never unpickles."""
    start = file.read(2)
    file.seek(0)
    try:
        loaded = np.load(file, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else _from_archive(name, loaded)
    except (InputError, OSError):
        raise
    except MemoryError:
        raise InputError(f"{name}: the field does not fit into memory; its header may be damaged") from None
    except Exception as error:  # numpy's and zipfile's parsers raise nearly anything on damaged files
        objects = "pickle" in str(error) and start in (b"\x93N", b"PK")  # as numpy's own formats start
        reason = "it holds Python objects, not numbers" if objects else "damaged or cut"
        raise InputError(f"{name}: not a readable numpy file ({reason}); write it with numpy.save") from error


def _from_archive(name: str, archive: Any) -> NDArray[Any]:
    """The motion array of an opened .npz."""
    names: list[str] = list(archive.files)
    key = names[0] if len(names) == 1 else next((each for each in NPZ_KEYS if each in names), None)
    if key is None:
        held = ", ".join(names) or "nothing"
        raise InputError(f"{name}: holds {held}; name the field motion, flow or arr_0")
    return np.asarray(archive[key])


def _read_flo(name: str, file: BinaryIO) -> Array:
    """[2, h, w] of a Middlebury file, NaN where it says that the motion is not known."""
    width, height = _flo_header(name, file)
    wanted = 8 * width * height
    data = file.read(wanted + 1)
    if len(data) != wanted:
        found = "more" if len(data) > wanted else f"{len(data)}"
        raise InputError(
            f"{name}: {width}x{height} px need {wanted} bytes after the header, found {found}; cut or damaged"
        )
    field: Array = np.frombuffer(data, "<f4").reshape(height, width, 2).transpose(2, 0, 1).astype(np.float32)
    with np.errstate(invalid="ignore"):  # signalling NaN
        field[~(np.abs(field) <= UNKNOWN)] = np.nan
    return field


def _flo_header(name: str, file: BinaryIO) -> tuple[int, int]:
    """(width, height), checked before anything is allocated."""
    header = file.read(12)
    if header[:4] != FLO_MAGIC:
        raise InputError(f"{name}: not a Middlebury .flo file (it does not start with PIEH)")
    if len(header) < 12:
        raise InputError(f"{name}: the .flo header is cut after {len(header)} bytes")
    width, height = struct.unpack("<ii", header[4:])
    if not (0 < width <= MAX_GRID and 0 < height <= MAX_GRID):
        raise InputError(f"{name}: the .flo header says {width}x{height} px; sides are 1 to {MAX_GRID}")
    return width, height


def _checked(name: str, array: NDArray[Any]) -> Array:
    """The array as float32 [2, h, w], finite but for NaN, or one line that says what is wrong with it."""
    shape = list(array.shape)
    if len(shape) == 4 and shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or array.shape[0] != 2:
        channels_last = len(shape) >= 3 and shape[-1] == 2
        hint = "; it looks like [h, w, 2]: save array.transpose(2, 0, 1)" if channels_last else ""
        raise InputError(f"{name}: has shape {shape}; motion is [2, h, w] or [1, 2, h, w]{hint}")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name}: holds {array.dtype}; motion is real numbers, px per frame at 30 fps")
    if not 0 < min(array.shape[1:]) <= max(array.shape[1:]) <= MAX_GRID:
        raise InputError(f"{name}: a grid of {array.shape[2]}x{array.shape[1]} px; sides are 1 to {MAX_GRID}")
    with np.errstate(over="ignore", invalid="ignore"):
        field = np.array(array, np.float32)
    field[np.isnan(field)] = np.nan  # quiet ones, whatever the file holds
    bad = int(np.count_nonzero(np.isinf(field)))
    if bad:
        raise InputError(f"{name}: {bad} of {field.size} values are infinite; replace them, by 0 where nothing moves")
    largest = float(np.abs(field).max(where=~np.isnan(field), initial=0.0))
    if largest > FASTEST:
        raise InputError(f"{name}: moves by up to {largest:.3g} px per frame; more than {FASTEST:g} is no motion")
    return field

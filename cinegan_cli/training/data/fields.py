"""Motion fields as others published them: .npy, .npz, .flo, and .pth or .pt of a tensor or of a packed NumPy array.

The Eulerian set (Holynski et al. 2021) has NAME_motion.pth, an LZ4 frame with a pickled array [1, 2, h, w]. No code
of a file is run: tensors are read with weights_only, arrays by stand-ins for the few functions that make one.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import FRAME_RATE_OF_FILES
from cinegan_cli.errors import InputError, one_line
from cinegan_cli.stages.motion import SUFFIXES, read_motion
from cinegan_cli.training.data import lz4

Array = NDArray[np.float32]

TENSORS = (".pth", ".pt")
FIELD_SUFFIXES = (*SUFFIXES, *TENSORS)
KEYS = ("motion", "flow", "mean_flow", "arr_0")  # of a dictionary of tensors
TORCHS = (b"PK\x03\x04", b"\x80\x02\x8a\x0a")  # how torch.save begins, since 1.6 and before
KINDS = ("f2", "f4", "f8")  # of the numbers of an array


def read_field(path: Path) -> Array:
    """[2, h, w], px per frame, +x right, +y down. Raises InputError where it cannot be read or is not known all over.

    [h, w, 2] and any number of leading ones are taken too.
    """
    if path.suffix.lower() == ".flo":
        return _per_frame(read_motion(path))
    try:
        array = _tensor(path) if path.suffix.lower() in TENSORS else _numpy(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # the parsers of damaged files raise nearly anything
        what = one_line(str(error))[:100] or type(error).__name__
        raise InputError(f"{path}: no motion field can be read from it ({what})") from error
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    try:
        return _per_frame(read_motion(array))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix('the motion array: ')}") from error


def _per_frame(velocity: torch.Tensor) -> Array:
    return np.asarray(velocity.numpy() / np.float32(FRAME_RATE_OF_FILES), np.float32)


def _numpy(path: Path) -> NDArray[Any]:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        names = list(loaded.files)
        key = names[0] if len(names) == 1 else next((key for key in KEYS if key in names), None)
        if key is None:
            raise ValueError(f"it holds {', '.join(names) or 'nothing'}")
        return np.asarray(loaded[key])


def _tensor(path: Path) -> NDArray[Any]:
    data = path.read_bytes()
    if data.startswith(lz4.MAGIC):
        data = lz4.decompress(data)
    if data.startswith(TORCHS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are not torch's
            loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    else:
        loaded = _Unpickler(io.BytesIO(data)).load()
    if isinstance(loaded, Mapping):
        loaded = next((loaded[key] for key in KEYS if key in loaded), None)
    if isinstance(loaded, torch.Tensor):
        return loaded.detach().float().numpy()
    if not isinstance(loaded, _Array):
        raise ValueError("it holds no tensor")
    return loaded.made()


class _Kind:
    """What stands for numpy.dtype: the name of a kind of numbers, and their byte order."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name.lstrip("<>=|"), ">" if name.startswith(">") else "<"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """What stands for numpy.ndarray: its shape, kind of numbers and bytes."""

    shape: tuple[int, ...] = ()
    kind = _Kind("")
    by_columns = False
    content: bytes = b""
    axes: tuple[int, ...] | None = None  # the order they are to be brought into

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.kind, self.by_columns, self.content = state

    def made(self) -> NDArray[Any]:
        if self.kind.name not in KINDS:
            raise ValueError("it holds no real numbers")
        values = np.frombuffer(self.content, self.kind.order + self.kind.name)
        array = values.reshape(self.shape, order="F" if self.by_columns else "C")
        return array if self.axes is None else array.transpose(self.axes)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(
    content: bytes, kind: _Kind, shape: tuple[int, ...], order: str, axes: tuple[int, ...] | None = None
) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, kind, order == "F", content))
    array.axes = axes
    return array


def _encode(text: str, *_: object) -> bytes:
    return text.encode("latin-1")


class _Unpickler(pickle.Unpickler):
    """Reads a pickled array into stand-ins; every other name in the file is refused, so none of its code runs."""

    def find_class(self, module: str, name: str) -> Any:
        inner = module.replace("numpy._core", "numpy.core")
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy.core.numeric", "_frombuffer"): _from_buffer,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Kind,
            ("_codecs", "encode"): _encode,
        }
        if (inner, name) not in allowed:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, not numbers")
        return allowed[inner, name]

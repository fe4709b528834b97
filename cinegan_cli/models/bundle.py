"""Weights as safetensors with their configuration in the header: nothing in the file can execute code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cinegan_cli.errors import InputError, ModelMissingError, OutputError
from cinegan_cli.files import replacing

HEADER_KEY = "cinegan"  # the header's entry that holds our JSON
_SCALE = ".scale_of_rows"  # beside a tensor packed as int8


@dataclass(frozen=True)
class Bundle:
    """What a weights file holds: `kind` says which model it is for, `config` how to build it, `tensors` its state."""

    kind: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write atomically: a reader sees the old file or the whole new one. Raises OutputError."""
    header = json.dumps({"kind": bundle.kind, "config": dict(bundle.config)}, sort_keys=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            save_file({k: v.contiguous() for k, v in bundle.tensors.items()}, part, metadata={HEADER_KEY: header})
            part.chmod(0o644)  # safetensors makes it private
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise OutputError(
            f"{path}: cannot be written: {reason}; choose a folder with space that you may write"
        ) from error


def kind_of(path: Path) -> str | None:
    """The kind of model in a file that `write_bundle` made, None for any other file."""
    header = _header(path)
    return str(header["kind"]) if "kind" in header else None


def config_in(path: Path) -> Mapping[str, Any]:
    """The configuration in a file that `write_bundle` made, empty for any other file."""
    config = _header(path).get("config")
    return config if isinstance(config, dict) else {}


def _header(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            header = header_of(file)
    except (SafetensorError, KeyError, ValueError, OSError):
        return {}
    return header if isinstance(header, dict) else {}


def header_of(file: Any) -> Any:
    """What `write_bundle` said in a file opened by safetensors. Raises KeyError or ValueError for other files."""
    return json.loads((file.metadata() or {})[HEADER_KEY])


def is_bundle(path: Path) -> bool:
    """Whether a file is one that `write_bundle` made, whole or not."""
    try:
        with safe_open(path, framework="pt") as file:
            return HEADER_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def read_bundle(path: Path, kind: str) -> Bundle:
    """Read a weights file made for `kind`.

    Raises ModelMissingError when there is no such file, InputError when it is damaged or holds another model.
    """
    if not path.is_file():
        raise ModelMissingError(f"{path}: the {kind} model is not installed; reinstall cinegan or train it")
    try:
        with safe_open(path, framework="pt") as file:
            header = header_of(file)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a cinegan weights file ({error}); install or train it again") from error
    if header.get("kind") != kind:
        raise InputError(f"{path}: holds a {header.get('kind')} model, not a {kind} model; give the right file")
    return Bundle(kind, header["config"], tensors)


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors` into `module`, in the module's own precision.

    Raises InputError naming the first tensor that is missing, unknown or of another shape.
    """
    own = module.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        if name not in tensors:
            raise InputError(f"{path}: tensor {name} is missing; the file belongs to another version of cinegan")
        if name not in own:
            raise InputError(f"{path}: tensor {name} is unknown; the file belongs to another version of cinegan")
        if own[name].shape != tensors[name].shape:
            found, wanted = tuple(tensors[name].shape), tuple(own[name].shape)
            raise InputError(f"{path}: tensor {name} has shape {found}, not {wanted}; use the matching version")
    with torch.no_grad():
        for name, target in own.items():
            target.copy_(tensors[name])


def require_finite(kind: str, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises InputError naming the first tensor with a value that is not finite."""
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(
                f"{path}: tensor {name} of the {kind} holds values that are not finite; get the file again"
            )


def pack(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` in about a quarter of the bytes: tensors of 2 or more axes as int8, with one scale for each row.

    A row is what the first index selects (an output channel). The error is at most 1/254 of the row's largest value.
    Where all rows are the same, as of a fixed filter, they stay exact.
    """
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        if value.ndim < 2 or (len(value) > 1 and bool((value == value[:1]).all())):
            packed[name] = value
            continue
        scale = value.flatten(1).abs().amax(1).clamp(min=1e-12) / 127  # [rows]
        packed[name] = (value / scale.view(-1, *[1] * (value.ndim - 1))).round().to(torch.int8)
        packed[name + _SCALE] = scale
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 tensors of what `pack` made; anything else passes as it is."""
    state = {}
    for name, value in packed.items():
        scale = packed.get(name + _SCALE)
        if scale is not None:
            state[name] = value.to(torch.float32) * scale.view(-1, *[1] * (value.ndim - 1))
        elif not name.endswith(_SCALE):
            state[name] = value
    return state

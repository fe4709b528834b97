"""Loading the extension `cinegan_cli._C`, and the choice between it and the references."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

extension: Any = None
_missing = ""
try:
    extension = import_module("cinegan_cli._C")
except ImportError as error:
    _missing = str(error)

Backend = Literal["auto", "native", "reference"]
SIMD_LEVELS = ("baseline", "avx2", "avx512")  # the order of `enum Simd` in csrc/parallel.h
REMEDY = "install a C++17 compiler and reinstall with `pip install --force-reinstall --no-deps cinegan`"
CUDA_REMEDY = "reinstall with CINEGAN_CUDA=1 where nvcc is installed"


@dataclass(frozen=True)
class BackendInfo:
    """What the operators run on. `cpu` and `cuda` say whether the native kernels are used on that kind of device.

    `simd` is "avx512", "avx2", "baseline" (what every such processor has) or "none" without kernels.
    `cuda_architectures` are those in the build, such as ("75", "80"); empty for a CPU build. `reason` says why a native
    backend is not used and how to get it; None when nothing is missing on this machine.
    """

    cpu: bool
    cuda: bool
    simd: str
    compiler: str
    cuda_architectures: tuple[str, ...]
    reason: str | None


def backend_info() -> BackendInfo:
    """Which kernels `backend="auto"` runs here, and why not others."""
    if extension is None:
        return BackendInfo(False, False, "none", "", (), f"the extension is missing ({_missing}): {REMEDY}")
    built = tuple(extension.cuda_architectures.split())
    has_device = torch.cuda.is_available()
    reason = f"the extension was built without CUDA: {CUDA_REMEDY}" if has_device and not built else None
    cuda = bool(built) and has_device
    return BackendInfo(True, cuda, SIMD_LEVELS[best_simd()], extension.compiler, built, reason)


def runs_native(backend: Backend, device: torch.device) -> bool:
    """True when the native kernels are to run for tensors on `device`.

    Raises:
        ValueError: `backend` is none of the three.
        RuntimeError: "native" was asked for and is not there; the message says why, and the remedy.
    """
    if backend not in ("auto", "native", "reference"):
        raise ValueError(f'backend must be "auto", "native" or "reference", got {backend!r}')
    if backend == "reference":
        return False
    cause = _why_not(device.type)
    if cause is None:
        return True
    if backend == "native":
        raise RuntimeError(f'backend="native" cannot run on {device.type}: {cause}')
    if device.type in ("cpu", "cuda"):
        _warn_once(device.type, cause)
    return False


def _why_not(device_type: str) -> str | None:
    if extension is None:
        return f"the extension is missing ({_missing}): {REMEDY}"
    if device_type == "cpu" or (device_type == "cuda" and extension.cuda_architectures):
        return None
    if device_type == "cuda":
        return f"the extension was built without CUDA: {CUDA_REMEDY}"
    return 'there are no kernels for this kind of device; use backend="auto"'


@cache
def _warn_once(device_type: str, cause: str) -> None:
    warnings.warn(f"cinegan runs its slow PyTorch operators on {device_type}: {cause}", RuntimeWarning, stacklevel=4)


def is_plain(*tensors: Tensor) -> bool:
    """True when a kernel may be called without PyTorch's dispatcher: no compilation, no gradient, no subclass.

    The first call of any custom operator imports 800 modules of the compiler, which takes longer than a small loop.
    """
    return not torch.compiler.is_compiling() and all(
        type(t) in (Tensor, torch.nn.Parameter) and not (t.requires_grad and torch.is_grad_enabled()) for t in tensors
    )


def best_simd() -> int:
    """The widest instruction set that the kernels and this processor share, an index into `SIMD_LEVELS`."""
    assert extension is not None
    return int(extension.best_simd())


def run(name: str, tensor: Tensor, *arguments: Any) -> None:
    """Calls the kernel `name` for the type and device of `tensor`: on its current stream, or on torch's CPU threads."""
    assert extension is not None
    kernel = getattr(extension, f"{name}_{str(tensor.dtype).removeprefix('torch.')}")
    if not tensor.is_cuda:
        kernel(*arguments, torch.get_num_threads(), best_simd(), 0, False)
        return
    with torch.cuda.device(tensor.device):
        kernel(*arguments, 0, 0, torch.cuda.current_stream(tensor.device).cuda_stream, True)


def strides_of(tensor: Tensor) -> tuple[int, ...]:
    """Strides of `tensor` [B, C, H, W]; 1 for columns where theirs is never used: there is one, or none."""
    unused = tensor.shape[3] <= 1 or tensor.numel() == 0
    return (*tensor.stride()[:3], 1 if unused else tensor.stride(3))


def strided(tensor: Tensor) -> Tensor:
    """`tensor` [B, C, H, W] itself when its columns or its channels are contiguous, else a contiguous copy."""
    strides = strides_of(tensor)
    return tensor if strides[3] == 1 or strides[1] == 1 else tensor.contiguous()


def layout_of(tensor: Tensor) -> torch.memory_format:
    """Channels-last when the channels of `tensor` [B, C, H, W] are its contiguous axis, else contiguous."""
    strides = strides_of(tensor)
    return torch.channels_last if strides[1] == 1 and strides[3] != 1 else torch.contiguous_format

"""Loading the extension `cinegan_cli._C`, and the choice between it and the references."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad

ANCHOR_STEPS = 64  # to a level, in what `render` adds a layer to; of csrc/render.h
extension: Any = None
_missing = ""
try:
    extension = import_module("cinegan_cli._C")
    if getattr(extension, "anchor_steps", None) != ANCHOR_STEPS:  # it would read pictures as something else
        extension, _missing = None, "it was built from other sources"
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
    """Which kernels `backend="auto"` runs here, and why not others. Of several cards it speaks of the current one."""
    if extension is None:
        return BackendInfo(False, False, "none", "", (), _why_not(torch.device("cpu")))
    has_card = torch.cuda.is_available()
    cause = _why_not(torch.device("cuda")) if has_card else None
    built = tuple(extension.cuda_architectures.split())
    return BackendInfo(True, has_card and cause is None, SIMD_LEVELS[best_simd()], extension.compiler, built, cause)


def runs_native(backend: Backend, *tensors: Tensor | None, adds_in_any_order: bool = False) -> bool:
    """True when the native kernels are to run for `tensors`, which are on the device of the first, a tensor.

    `adds_in_any_order` says that the CUDA kernel to be called has no fixed order of its sums.

    Raises:
        ValueError: `backend` is none of the three.
        RuntimeError: "native" was asked for and cannot run; the message says why, and the remedy.
    """
    if backend not in ("auto", "native", "reference"):
        raise ValueError(f'backend must be "auto", "native" or "reference", got {backend!r}')
    if backend == "reference":
        return False
    given = [tensor for tensor in tensors if tensor is not None]
    device = given[0].device
    missing = _why_not(device)
    cause = missing or _why_not_now(device.type, any(map(is_transformed, given)), adds_in_any_order)
    if cause is None:
        return True
    if backend == "native":
        raise RuntimeError(f'backend="native" cannot run on {device.type}: {cause}')
    if missing and device.type in ("cpu", "cuda"):
        _warn_once(device.type, missing)
    return False


def _why_not(device: torch.device) -> str | None:
    """What is missing on this machine for kernels on `device`."""
    if extension is None:
        return f"the extension is missing ({_missing}): {REMEDY}"
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return 'there are no kernels for this kind of device; use backend="auto"'
    if not extension.cuda_architectures:
        return f"the extension was built without CUDA: {CUDA_REMEDY}"
    sass, ptx = ([int(a) for a in names.split()] for names in (extension.cuda_architectures, extension.cuda_ptx))
    return why_not_card(torch.cuda.get_device_capability(device), sass, ptx, *extension.cuda_versions())


def why_not_card(
    capability: tuple[int, int], sass: Sequence[int], ptx: Sequence[int], driver: int, toolkit: int
) -> str | None:
    """Why a build does not run on a card of `capability`, such as (8, 6); None when it does.

    `sass` are the architectures of its machine code (86 is 8.6), which runs on cards of the same major version and at
    least this minor one; `ptx` those of its intermediate code, which any later card's driver translates if it is as
    new as the toolkit. `driver` and `toolkit` are CUDA versions: 13020 is 13.2.
    """
    card = f"this card is of compute capability {capability[0]}.{capability[1]}"
    wanted, has = (f"CUDA {version // 1000}.{version % 1000 // 10}" for version in (toolkit, driver))
    if driver // 1000 < toolkit // 1000:
        return f"the extension was built with {wanted} and the driver is for {has}: update it, or {CUDA_REMEDY}"
    if any(a // 10 == capability[0] and a % 10 <= capability[1] for a in sass):
        return None
    if not any(divmod(a, 10) <= capability for a in ptx):
        return f"{card}, and the extension was built for {_listed(sass)}: {CUDA_REMEDY} and knows this card"
    if driver < toolkit:
        return f"{card}, and kernels for it need a driver for {wanted}, this one is for {has}: update it"
    return None


def _listed(architectures: Sequence[int]) -> str:
    return ", ".join(f"{a // 10}.{a % 10}" for a in architectures)


def _why_not_now(device_type: str, transformed: bool, adds_in_any_order: bool) -> str | None:
    """What forbids kernels that are there: what is done to the tensors, or the mode that torch is in."""
    if transformed:
        return (
            "an input is inside a transform of torch.func or has a forward-mode tangent, which kernels do not see; "
            'use backend="auto" or "reference"'
        )
    if device_type == "cuda" and adds_in_any_order and _wants_fixed_order():
        return (
            "its sums are in no fixed order, and torch.use_deterministic_algorithms(True) is set; "
            'use backend="auto" or "reference"'
        )
    return None


def _wants_fixed_order() -> bool:
    """As in torch: under `warn_only` what is asked for runs."""
    return torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()


def refuse_any_order(tensor: Tensor) -> None:
    """Raises RuntimeError when sums in no fixed order, as CUDA's gradients of `tensor` are, are forbidden."""
    cause = _why_not_now(tensor.device.type, False, True)
    if cause is not None:
        raise RuntimeError(f"a gradient cannot be computed on {tensor.device.type}: {cause}")


def is_transformed(tensor: Tensor) -> bool:
    """True inside vmap, jvp, grad and the like of torch.func, and for tensors with a forward-mode tangent."""
    if torch.compiler.is_compiling():  # which cannot ask a tensor; a guard on the level compiles again when it changes
        return forward_ad._current_level >= 0
    wrapped: bool = torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    return wrapped or forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


@cache
def _warn_once(device_type: str, cause: str) -> None:
    warnings.warn(f"cinegan runs its slow PyTorch operators on {device_type}: {cause}", RuntimeWarning, stacklevel=4)


def is_plain(*tensors: Tensor | None) -> bool:
    """True when a kernel may be called without PyTorch's dispatcher: no compilation, no gradient, no subclass.

    The first call of any custom operator imports 800 modules of the compiler, which takes longer than a small loop.
    """
    return not torch.compiler.is_compiling() and all(
        type(t) in (Tensor, torch.nn.Parameter) and not (t.requires_grad and torch.is_grad_enabled())
        for t in tensors
        if t is not None
    )


def best_simd() -> int:
    """The widest instruction set that the kernels and this processor share, an index into `SIMD_LEVELS`."""
    assert extension is not None
    return int(extension.best_simd())


def run(name: str, tensor: Tensor, *arguments: Any) -> None:
    """Calls the kernel `name` for the type and device of `tensor`: on its current stream, or on torch's CPU threads."""
    run_plain(f"{name}_{str(tensor.dtype).removeprefix('torch.')}", tensor, *arguments)


def run_plain(name: str, tensor: Tensor, *arguments: Any) -> None:
    """The same for a kernel that has one type."""
    assert extension is not None
    kernel = getattr(extension, name)
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

"""In which numbers networks are passed: half floats where the hardware multiplies them faster, float32 elsewhere.

Narrowed are the encoder's and the generator's convolutions, without gradients. Styles, the mapping network, w+ and
toRGB's contributions stay float32 in any case (`nn.stylegan2`); so do networks whose loss shows or whose gain hardly
does: motion, the shipped mask network, and codes and features under Adam. Frame 0 is the photo in any precision.
Figures: `docs/measurements.md`, Half precision.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from cinegan_cli.config import Precision
from cinegan_cli.errors import UsageError
from cinegan_cli.nn.stylegan2 import Generator

WIDE = 32  # channels of a generator's last feature; narrower ones wait for memory and gain nothing
_NATIVE = {torch.bfloat16: ("avx512_bf16", "amx_bf16"), torch.float16: ("avx512_fp16",)}


def number_type(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype that `--precision` means on `device`; "auto" is bfloat16 where that is native, else float32.

    Raises UsageError for what the device cannot do well.
    """
    if precision == "auto":
        return torch.bfloat16 if _is_native(torch.bfloat16, device) else torch.float32
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    if dtype != torch.float32 and device.type == "mps":
        raise UsageError(f"--precision {precision}: not offered on mps; leave it out, or take --device cpu")
    if dtype == torch.float16 and not _is_native(dtype, device):
        raise UsageError("--precision float16: far slower than float32 on this CPU; leave it out, or take bfloat16")
    return dtype


def narrowed(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Autocast to what `--precision` means on `device`. Raises UsageError as `number_type` does."""
    dtype = number_type(precision, device)
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def narrowed_for(generator: Generator, precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """The same, but "auto" leaves a narrow generator at float32 on a CPU."""
    narrow = generator.config.channels(generator.config.last_index) < WIDE
    slow = precision == "auto" and device.type == "cpu" and narrow
    return narrowed("float32" if slow else precision, device)


def _is_native(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether `device` multiplies half floats itself; False for CPUs where torch is too old to tell."""
    if device.type == "cuda":
        return dtype == torch.float16 or torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in _NATIVE[dtype])

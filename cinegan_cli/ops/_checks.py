"""Checks of the public operators' arguments. Every message reads "name must be X, got Y"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_tensor(name: str, value: object, shape: Sequence[int | str], dtypes: Sequence[torch.dtype] = FLOATS) -> None:
    """`shape` holds sizes, or letters for sizes that are free.

    Raises:
        TypeError: not a tensor, or not of one of `dtypes`.
        ValueError: another number of axes, or another size.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if value.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise TypeError(f"{name} must be {wanted}, got {str(value.dtype).removeprefix('torch.')}")
    fits = value.dim() == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, value.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} must be of shape [{wanted}], got {list(value.shape)}")


def check_device(name: str, value: Tensor, device: torch.device) -> None:
    """Raises ValueError unless `value` is on `device`."""
    if value.device != device:
        raise ValueError(f"{name} must be on {device}, got {value.device}")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(choices)}, got {value!r}")


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """What is computed in: float64 stays, everything else is float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32

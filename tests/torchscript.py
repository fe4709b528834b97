"""Networks as TorchScript files, as the Inception network of FID comes."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch


def write_script(network: torch.nn.Module, path: Path) -> None:
    """As TorchScript, which newer versions of torch warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(network), str(path))

"""Fills networks with the weights behind `tests/conformance/*.json` and compares their outputs with the figures there.

The figures were computed with the StyleCineGAN authors' own classes on seeded weights, in float32 on a CPU. For each
output they hold its shape, mean, std, absmax and 16 samples; for each network a digest of its state-dict layout.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Kind = Literal["generator", "encoder", "classifier", "motion"]
Network = TypeVar("Network", bound=nn.Module)

SEED = 100
TOLERANCE = 1e-3  # of the output's std, for every figure
FOLDER = Path(__file__).parent / "conformance"


def load_figures(name: str) -> dict[str, Any]:
    """The figures in `tests/conformance/<name>.json`."""
    figures: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def seeded_normal(offset: int, shape: Sequence[int]) -> Tensor:
    """Inputs of the figures: z 5000, w+ 5001, D10 5002, encoder 6000 (× 0.5), classifier 6001, motion 6002 (× 0.5)."""
    return torch.from_numpy(_normal(offset, shape))


def _normal(offset: int, shape: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    # through float64: numpy draws other numbers when asked for float32
    return np.asarray(np.random.default_rng(SEED + offset).standard_normal(tuple(shape)), dtype=np.float32)


def seeded(make: Callable[[], Network], kind: Kind) -> Network:
    """A network made without its own initialisation, then filled. Not for networks with constant buffers (kernels)."""
    with torch.device("meta"):  # drawing 190 M weights only to replace them takes seconds
        module = make()
    module.to_empty(device="cpu")
    seed_weights(module, kind)
    return module


@torch.no_grad()
def seed_weights(module: nn.Module, kind: Kind) -> None:
    """Fill `module` in place and put it in evaluation mode. Keys must be the release's: their order is the seed."""
    for i, (key, value) in enumerate(sorted(module.state_dict().items())):
        if key.endswith("kernel") or not value.is_floating_point():
            continue  # it keeps its value, and its number
        value.copy_(torch.from_numpy(_weight(key, _normal(i, value.shape), kind)))
    module.eval()


def _weight(key: str, n: np.ndarray[Any, Any], kind: Kind) -> np.ndarray[Any, Any]:
    if key.endswith("running_var"):
        return 0.5 + 0.5 * np.abs(n)
    if key.endswith("running_mean"):
        return 0.1 * n
    return _generator_weight(key, n) if kind == "generator" else _network_weight(key, n, kind)


def _generator_weight(key: str, n: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if key.endswith("modulation.bias"):
        return 1 + 0.1 * n
    if key.endswith("noise.weight"):
        return 0.1 * n
    if key.startswith("style."):
        return (100 if key.endswith("weight") else 10) * n
    return 0.1 * n if key.endswith("bias") else n


def _network_weight(key: str, n: np.ndarray[Any, Any], kind: Kind) -> np.ndarray[Any, Any]:
    if n.ndim >= 2:
        return n * (math.sqrt(2 / math.prod(n.shape[1:])) * (0.4 if kind == "encoder" else 1))
    # the stem's PReLU is conv.2.weight: by its name it counts as an ordinary 1-d weight
    if "prelu" in key or (kind == "encoder" and key == "content_layer.3.weight"):
        return 0.25 + 0.05 * n
    return 1 + 0.1 * n if key.endswith("weight") else 0.1 * n


def layout_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over the sorted lines "key d0,d1,…" of a state dict: equal digests mean equal keys and shapes."""
    lines = (f"{key} {','.join(map(str, value.shape))}\n" for key, value in sorted(state.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def compare(entry: Mapping[str, Any], tensor: Tensor) -> None:
    """Assert that `tensor` has the figures of `entry`, each within TOLERANCE of the output's std."""
    if entry["shape"] is not None:
        assert list(tensor.shape) == entry["shape"]
    flat = tensor.detach().double().flatten()
    samples = flat[torch.from_numpy(np.random.default_rng(7).integers(0, flat.numel(), 16))]
    found = torch.cat((torch.stack((flat.mean(), flat.std(), flat.abs().max())), samples))
    expected = torch.tensor([entry["mean"], entry["std"], entry["absmax"], *entry["samples"]], dtype=torch.float64)
    error = (found - expected).abs() / entry["std"]
    assert error.max() <= TOLERANCE, f"mean, std, absmax, samples differ by {error.tolist()} of the std {entry['std']}"

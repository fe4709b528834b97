"""The full-size generator with the seeded weights of `conformance/`, and the figures of the authors' classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cinegan_cli.nn.stylegan2.generator import Generator, GeneratorConfig

SEED = 100
_FILE: dict[str, Any] = json.loads((Path(__file__).parent / "conformance" / "generator_100.json").read_text("utf-8"))
FIGURES: dict[str, dict[str, Any]] = _FILE["figures"]


def released_shapes() -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of the released generator; the file lists [name with {}, shape, numbers for the {}]."""
    return {name.format(n): tuple(shape) for name, shape, numbers in _FILE["keys"] for n in numbers or [0]}


def seeded(offset: int, *shape: int) -> Tensor:
    """The normal numbers that the authors' classes were fed with."""
    return torch.from_numpy(np.random.default_rng(SEED + offset).standard_normal(shape).astype(np.float32))


def _weight(key: str, n: Tensor) -> Tensor:
    if key.endswith("modulation.bias"):
        return 1 + 0.1 * n
    if key.startswith("style."):
        return (100 if key.endswith("weight") else 10) * n
    return 0.1 * n if key.endswith(("noise.weight", "bias")) else n


def seeded_state() -> dict[str, Tensor]:
    """The state dict of the released architecture, filled as `conformance/README.md` says."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    shapes = sorted(released_shapes().items())
    return {
        key: taps[:, None] * taps if key.endswith("kernel") else _weight(key, seeded(i, *shape))
        for i, (key, shape) in enumerate(shapes)
    }


def seeded_generator() -> Generator:
    """Takes about 0.6 s and 130 MB."""
    with torch.device("meta"):
        generator = Generator(GeneratorConfig())
    generator.load_state_dict(seeded_state(), assign=True)
    return generator.eval()


def deviation_from(figure: dict[str, Any], x: Tensor) -> float:
    """Largest difference of x from the recorded numbers, over the recorded standard deviation."""
    assert list(x.shape) == figure["shape"]
    x = x.reshape(-1)  # in the logical order, whatever the memory format
    std, mean = torch.std_mean(x)
    samples = x[torch.from_numpy(np.random.default_rng(7).integers(0, x.numel(), 16))]
    found = [float(mean), float(std), float(torch.maximum(x.max(), -x.min())), *samples.tolist()]
    wanted = [figure["mean"], figure["std"], figure["absmax"], *figure["samples"]]
    return float(max(abs(a - b) for a, b in zip(found, wanted, strict=True)) / figure["std"])

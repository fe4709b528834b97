"""Fills DeepLandscape's networks with the weights behind `tests/conformance/deeplandscape_100.json`, and its inputs.

The figures were computed with the authors' own classes (saic-mdal/deep-landscape, commit 4a0a996) on seeded weights, in
float32 on a CPU. `*_layout` is the digest of a network's keys and shapes, as `conformance_tools.layout_digest` has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tests.conformance_tools import SEED, load_figures, seeded_normal

Kind = Literal["generator", "discriminator", "encoder", "lighting", "superres", "perceptual"]
Network = TypeVar("Network", bound=nn.Module)

DYNAMIC_IDS = (2, 21, 26, 60, 104, 109, 113)  # ADE20k classes that super-resolution takes as moving, and as static
STATIC_IDS = (
    *(0, 1, 4, 6, 9, 11, 12, 13, 16, 20, 25, 29, 34, 38, 42, 46, 48, 53, 56, 61, 66, 68, 69, 76, 83, 84, 87, 94),
    *(103, 126, 127),
)


def figures() -> dict[str, Any]:
    """All of them, by name."""
    return load_figures("deeplandscape_100")


def seeded(make: Callable[[], Network], kind: Kind) -> Network:
    """A network with the figures' weights, in evaluation mode. Blur kernels keep their values."""
    module = make()
    seed_weights(module, kind)
    return module


@torch.no_grad()
def seed_weights(module: nn.Module, kind: Kind) -> None:
    """Fill `module` in place. Its keys must be the release's: their order is the seed."""
    state = module.state_dict()
    for i, key in enumerate(sorted(state)):
        value = state[key]
        if key.endswith("num_batches_tracked"):
            value.zero_()
        elif not (key.endswith("weight_flip") or key + "_flip" in state):
            value.copy_(_weight(key, seeded_normal(i, value.shape), kind))
    module.eval()


def _weight(key: str, n: Tensor, kind: Kind) -> Tensor:
    if key.endswith("running_var"):
        return 0.5 + 0.5 * n.abs()
    if key.endswith("running_mean"):
        return 0.1 * n
    if key.endswith("bias"):
        return _bias(key, 0.1 * n)
    if kind in ("generator", "discriminator"):
        return _gan_weight(key, n)
    if n.ndim >= 2:
        scaled = n * math.sqrt(2 / math.prod(n.shape[1:]))
        factors = {"conv_ref.weight": 0.25, "net.trunk_conv.weight": 0.02, "binary_mask.decoder.conv_last.4.weight": 2}
        return scaled * factors.get(key, 1)
    return 0.1 + 0.02 * n if key.endswith("bn3.weight") else 1 + 0.1 * n


def _bias(key: str, bias: Tensor) -> Tensor:
    if key.endswith("style.linear.bias"):
        bias[: len(bias) // 2] += 1
    if key.endswith("binary_mask.decoder.conv_last.4.bias"):
        bias[list(DYNAMIC_IDS)] += 4
        bias[list(STATIC_IDS)] += 2
    return bias


def _gan_weight(key: str, n: Tensor) -> Tensor:
    if ".noise" in key:
        return 5 * n
    if tuple(n.shape) == (512, 513, 3, 3):
        n[:, 512] *= 30
    return n


def normal(offset: int, *shape: int) -> Tensor:
    """N(offset) of the figures."""
    return seeded_normal(offset, shape)


def picture(offset: int, *shape: int) -> Tensor:
    """P(offset) of the figures: [..., S, S] in [-1, 1], noise of all sizes from 4 cells a side on."""
    rng = np.random.default_rng(SEED + offset)
    made, side, j = torch.zeros(shape), 4, 0
    while side <= shape[-1]:
        cells = torch.from_numpy(np.asarray(rng.standard_normal((*shape[:-2], side, side)), dtype=np.float32))
        repeat = shape[-1] // side
        made += cells.repeat_interleave(repeat, -2).repeat_interleave(repeat, -1) * (0.4 / 2 ** (j / 2))
        side, j = side * 2, j + 1
    return made.clamp(-1, 1)


def still_mask() -> Tensor:
    """1 = must not move. [1, 1, 128, 128]"""
    cells = np.random.default_rng(SEED + 5701).random((1, 1, 8, 8)) < 0.5
    return torch.from_numpy(cells.astype(np.float32)).repeat_interleave(16, -2).repeat_interleave(16, -1)


def maps(count: int, *, batch: int = 1, offset: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """Static and dynamic maps of `count` levels, N(5100 + i) and N(5200 + i), each [batch, 1, 4 · 2^i, 4 · 2^i]."""
    sides: Sequence[int] = [4 << i for i in range(count)]
    static = [normal(5100 + offset + i, batch, 1, side, side) for i, side in enumerate(sides)]
    dynamic = [normal(5200 + offset + i, batch, 1, side, side) for i, side in enumerate(sides)]
    return static, dynamic


def compare(entry: dict[str, Any], found: Tensor, tolerance: float = 2e-3) -> None:
    """Assert that `found` has the figures of `entry`, each within `tolerance` of the output's std."""
    flat = found.detach().double().flatten()
    if "values" in entry:
        expected = torch.tensor(entry["values"], dtype=torch.float64).flatten()
        assert flat.shape == expected.shape
        error = (flat - expected).abs().max() / entry["std"]
    else:
        assert list(found.shape) == entry["shape"]
        samples = flat[torch.from_numpy(np.random.default_rng(7).integers(0, flat.numel(), 16))]
        have = torch.cat((torch.stack((flat.mean(), flat.std(correction=0), flat.abs().max())), samples))
        want = torch.tensor([entry["mean"], entry["std"], entry["absmax"], *entry["samples"]], dtype=torch.float64)
        error = (have - want).abs().max() / entry["std"]
    assert error <= tolerance, f"differs by {float(error):.2g} of the std"

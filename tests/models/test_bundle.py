"""Weights files: packing, round trip, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.models.bundle import Bundle, load_strictly, pack, read_bundle, unpack, write_bundle


def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 3, 5, 5, generator=generator) * torch.logspace(-3, 2, 6).view(6, 1, 1, 1)
    weight[2] = 0
    return {"weight": weight, "bias": torch.randn(6, generator=generator)}


def test_packing_keeps_each_row_to_its_own_precision() -> None:
    original, restored = state(), unpack(pack(state()))
    assert restored.keys() == original.keys()
    assert torch.equal(restored["bias"], original["bias"])
    largest = original["weight"].flatten(1).abs().amax(1)
    error = (restored["weight"] - original["weight"]).flatten(1).abs().amax(1)
    assert (error <= largest / 253).all()
    assert pack(state())["weight"].dtype == torch.int8


def test_a_fixed_filter_stays_exact() -> None:
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = torch.outer(line, line).expand(5, 1, 3, 3)
    assert torch.equal(unpack(pack({"weight": kernel}))["weight"], kernel)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_bundle(path, Bundle("toy", {"size": 3}, pack(state())))
    bundle = read_bundle(path, "toy")
    assert bundle.config == {"size": 3}
    module = nn.Conv2d(3, 6, 5)
    load_strictly(module, unpack(bundle.tensors), path)
    assert torch.equal(module.bias, state()["bias"])


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(ModelMissingError, match="not installed"):
        read_bundle(path, "toy")
    path.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(InputError, match="not a cinegan weights file"):
        read_bundle(path, "toy")
    write_bundle(path, Bundle("toy", {}, state()))
    with pytest.raises(InputError, match="holds a toy model"):
        read_bundle(path, "mask")
    with pytest.raises(InputError, match="tensor bias is missing"):
        load_strictly(nn.Conv2d(3, 6, 5), {"weight": state()["weight"]}, path)
    with pytest.raises(InputError, match="has shape"):
        load_strictly(nn.Conv2d(3, 6, 3), state(), path)

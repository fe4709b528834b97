"""The segmentation network: features, shapes, determinism, and its weights files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.models.bundle import Bundle, load_strictly, read_bundle, write_bundle
from cinegan_cli.nn.segmentation import (
    FEATURES,
    SegmentationConfig,
    SegmentationNet,
    network_of,
    network_size,
    scene_features,
    to_lab,
)

TINY = SegmentationConfig(widths=(4, 8, 8, 8, 8), heads=2, context_blocks=1, side=64)


@pytest.fixture
def net() -> SegmentationNet:
    torch.manual_seed(0)
    return SegmentationNet(TINY).eval()


def test_lab_of_known_colours() -> None:
    colours = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0]]).T[None, :, None]  # [1, 3, 1, 3]
    lab = to_lab(colours)[0, :, 0].T * 100
    assert torch.allclose(lab[0], torch.tensor([100.0, 0, 0]), atol=0.5)
    assert torch.allclose(lab[1], torch.tensor([0.0, 0, 0]), atol=0.5)
    assert torch.allclose(lab[2], torch.tensor([53.2, 80.1, 67.2]), atol=1.0)


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (96, 32)])
def test_features_are_finite_and_bounded(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    for rgb in (torch.rand(2, 3, *size, generator=generator), torch.zeros(2, 3, *size), torch.ones(2, 3, *size)):
        features = scene_features(rgb)
        assert features.shape == (2, FEATURES, size[0] // 4, size[1] // 4)
        assert torch.isfinite(features).all()
        assert features.abs().max() <= 4


def test_features_know_up_from_down() -> None:
    rgb = torch.full((1, 3, 64, 64), 0.8)
    rgb[:, :, 32:] = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(2))
    upright, turned = scene_features(rgb), scene_features(rgb.flip(2))
    assert (upright - turned.flip(2)).abs().mean() > 0.05


@pytest.mark.parametrize("size", [(64, 96), (32, 32), (96, 32)])
def test_output_is_half_the_input(net: SegmentationNet, size: tuple[int, int]) -> None:
    rgb = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        first, second = net(rgb), net(rgb)
    assert first.shape == (1, 3, size[0] // 2, size[1] // 2)
    assert torch.equal(first, second)


def test_every_parameter_learns() -> None:
    torch.manual_seed(0)
    net = SegmentationNet(TINY)
    fine, coarse = net.both(torch.rand(2, 3, 64, 64))
    torch.autograd.backward((fine**2).sum() + (coarse**2).sum())
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1536, 1024), (256, 160)), ((1024, 1024), (256, 256)), ((100, 3000), (32, 256)), ((20, 20), (256, 256))],
)
def test_network_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert network_size(*size, 256) == expected


def test_weights_file_round_trip(net: SegmentationNet, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "net.safetensors"
    config = {"widths": list(TINY.widths), "heads": 2, "context_blocks": 1, "side": 64}
    write_bundle(path, Bundle("mask", config, net.state_dict()))
    bundle = read_bundle(path, "mask")
    other = network_of(bundle.config)
    load_strictly(other, bundle.tensors, path)
    assert other.config == TINY
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


def test_weights_file_errors(net: SegmentationNet, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    with pytest.raises(ModelMissingError, match=str(path)):
        read_bundle(path, "mask")
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=str(path)):
        read_bundle(path, "mask")
    write_bundle(path, Bundle("motion", {}, {"x": torch.zeros(1)}))
    with pytest.raises(InputError, match=r"\bmotion\b"):
        read_bundle(path, "mask")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda state: state.pop("head.bias"), "head.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra"),
        (lambda state: state.update({"head.bias": torch.zeros(7)}), "head.bias.*7"),
    ],
)
def test_loading_is_strict(
    net: SegmentationNet, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object], cause: str
) -> None:
    state = dict(net.state_dict())
    change(state)
    with pytest.raises(InputError, match=cause):
        load_strictly(SegmentationNet(TINY), state, tmp_path / "x.safetensors")

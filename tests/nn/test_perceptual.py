"""The perceptual loss gives the authors' own figures on VGG-19, and its stand-in keeps the same contract."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.nn.vgg import LiteFeatures, Perceptual, Vgg
from tests.conformance_tools import layout_digest
from tests.deeplandscape_tools import compare, figures, picture, seeded, still_mask


@pytest.fixture(scope="module")
def vgg() -> Vgg:
    return seeded(Vgg, "perceptual")


def small(kind: str) -> Perceptual:
    torch.manual_seed(0)
    made = Vgg((4, 4, 6, 8, 8)) if kind == "vgg" else LiteFeatures()
    return made.eval().requires_grad_(False)


def test_keys_are_torchvisions(vgg: Vgg) -> None:
    assert layout_digest(vgg.state_dict()) == figures()["perceptual_layout"]


@torch.no_grad()
def test_layers_are_the_authors(vgg: Vgg) -> None:
    images, target = picture(5700, 1, 3, 128, 128), picture(5703, 1, 3, 128, 128)
    compare(figures()["perceptual_layers"], vgg(images, target))
    compare(figures()["perceptual_layers_still"], vgg(images * still_mask(), target * still_mask()))


@pytest.mark.parametrize(("kind", "layers"), [("vgg", 13), ("lite", 8)])
def test_the_contract(kind: str, layers: int) -> None:
    network = small(kind)
    images = (torch.rand(2, 3, 48, 64) * 2 - 1).requires_grad_()
    target = (torch.rand(2, 3, 48, 64) * 2 - 1).requires_grad_()
    found = network(images, target)
    assert found.shape == (2, layers)
    assert bool((found > 0).all())
    torch.testing.assert_close(network(images, network.activations(target)), found)
    torch.testing.assert_close(network(images[:1], target[:1]), found[:1])
    assert bool((network(target, target) == 0).all())
    found.sum().backward()
    for leaf in (images, target):
        assert leaf.grad is not None
        assert bool((leaf.grad.abs().sum((1, 2, 3)) > 0).all())


@pytest.mark.parametrize("kind", ["vgg", "lite"])
def test_more_noise_is_less_alike(kind: str) -> None:
    network, target = small(kind), torch.rand(1, 3, 64, 64) * 2 - 1
    noise = torch.randn(1, 3, 64, 64)
    near, far = (network(target + amount * noise, target) for amount in (0.05, 0.5))
    assert bool((near < far).all())

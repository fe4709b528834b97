"""DeepLandscape's generator gives the authors' own outputs for seeded weights, and what its contract says."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from cinegan_cli.nn.deeplandscape import Generator
from tests.conformance_tools import layout_digest
from tests.deeplandscape_tools import compare, figures, maps, normal, seeded


@pytest.fixture(scope="module")
def generator() -> Generator:
    return seeded(Generator, "generator")


@pytest.fixture(scope="module")
def small() -> Generator:
    torch.manual_seed(0)
    return Generator(levels=4, style_dim=16, multiplier=1 / 32, mapping_layers=2)


def test_keys_are_those_of_the_release(generator: Generator) -> None:
    assert layout_digest(generator.state_dict()) == figures()["generator_layout"]


@torch.no_grad()
def test_mapping(generator: Generator) -> None:
    compare(figures()["mapping"], generator.mapping(normal(5000, 2, 512)))


@torch.no_grad()
@pytest.mark.parametrize(("name", "levels", "alpha"), [("256", 7, 1.0), ("512", 8, 1.0), ("128_alpha0.3", 6, 0.3)])
def test_pictures(generator: Generator, name: str, levels: int, alpha: float) -> None:
    w = normal(5001, 1, 8, 2, 512)[:, :levels]
    compare(figures()[f"image_{name}"], generator.synthesize(w, *maps(levels), alpha=alpha))


@torch.no_grad()
def test_a_batch(generator: Generator) -> None:
    made = generator.synthesize(normal(5002, 2, 5, 2, 512), *maps(5, batch=2, offset=10))
    compare(figures()["image_64_batch"], made)


def test_everything_has_a_gradient(small: Generator) -> None:
    w = torch.randn(2, 4, 2, 16, requires_grad=True)
    static = [torch.randn(2, 1, 4 << i, 4 << i, requires_grad=True) for i in range(4)]
    dynamic = [torch.randn(2, 1, 4 << i, 4 << i, requires_grad=True) for i in range(4)]
    for name, gain in small.named_parameters():
        if ".noise" in name:
            torch.nn.init.normal_(gain)
    small.synthesize(w, static, dynamic).square().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in (w, *static, *dynamic))


@torch.no_grad()
def test_a_wide_picture(small: Generator) -> None:
    static = [torch.randn(1, 1, 4 << i, 6 << i) for i in range(4)]
    assert small.synthesize(torch.randn(1, 4, 2, 16), static, static).shape == (1, 3, 32, 48)


def test_maps_that_do_not_fit_are_refused(small: Generator) -> None:
    static = [torch.randn(1, 1, 4 << i, 4 << i) for i in range(3)]
    with pytest.raises(ValueError, match="level 2"):
        small.synthesize(torch.randn(1, 4, 2, 16), static, [*static[:2], torch.randn(1, 1, 8, 8)])
    with pytest.raises(ValueError, match="as many"):
        small.synthesize(torch.randn(1, 4, 2, 16), static, static[:2])


def test_frozen_weights_are_followed_when_they_change(small: Generator) -> None:
    generator = deepcopy(small).requires_grad_(False)
    w, maps_ = torch.randn(1, 4, 2, 16), [torch.randn(1, 1, 4 << i, 4 << i) for i in range(4)]
    with torch.inference_mode():  # what is kept here must be of use with gradients
        before = generator.synthesize(w, maps_, maps_)
    leaf = w.clone().requires_grad_()
    made = generator.synthesize(leaf, maps_, maps_)
    torch.testing.assert_close(made, before)
    made.sum().backward()
    assert leaf.grad is not None
    other = deepcopy(generator)
    torch.nn.init.normal_(next(p for name, p in generator.named_parameters() if "conv1.1.conv.weight" in name))
    generator.load_state_dict({**generator.state_dict(), "generator.to_rgb.3.conv.bias": torch.ones(3)})
    expected = deepcopy(generator).requires_grad_(True)  # computes all weights anew
    torch.testing.assert_close(generator.synthesize(w, maps_, maps_), expected.synthesize(w, maps_, maps_))
    torch.testing.assert_close(other.synthesize(w, maps_, maps_), before)

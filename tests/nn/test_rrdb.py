"""Super-resolution gives the authors' own outputs for seeded weights; so do its masks and its guided filter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn import ade20k
from cinegan_cli.nn.ade20k import Segmenter, SegmenterConfig
from cinegan_cli.nn.guided import guided_filter, window_means
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig, super_resolver_of
from tests.conformance_tools import layout_digest
from tests.deeplandscape_tools import compare, figures, normal, picture, seeded

SMALL = SuperResolverConfig(8, 1, 4, SegmenterConfig(4, (1, 1, 2, 2), 8), spare=False)


@pytest.fixture(scope="module")
def released() -> SuperResolver:
    return seeded(SuperResolver, "superres").requires_grad_(False)


@pytest.fixture(scope="module")
def reference() -> Tensor:
    return (picture(5901, 1, 3, 128, 128) + 1) / 2


@pytest.fixture
def small() -> SuperResolver:
    torch.manual_seed(0)
    return SuperResolver(SMALL).eval()


def test_keys_are_those_of_the_release(released: SuperResolver) -> None:
    assert layout_digest(released.state_dict()) == figures()["superres_layout"]


@torch.no_grad()
def test_masks(released: SuperResolver, reference: Tensor) -> None:
    masks = released.masks(reference)
    compare(figures()["superres_mask_dynamic"], masks[:, :1])
    compare(figures()["superres_mask_static"], masks[:, 1:])


@torch.no_grad()
def test_pictures(released: SuperResolver, reference: Tensor) -> None:
    frame = (picture(5900, 1, 3, 32, 32) + 1) / 2
    compare(figures()["superres_features"], released.net(frame))
    compare(figures()["superres"], released(frame, reference))


@pytest.mark.parametrize("radius", [10, 20])
def test_the_guided_filter(radius: int) -> None:
    guide, source = 0.05 * normal(5800, 1, 4, 64, 64), normal(5801, 1, 4, 64, 64)
    compare(figures()[f"guided_filter_{radius}"], guided_filter(guide, source, radius, 1e-3))


def test_windows_are_cut_at_the_border() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    wide = torch.full((1, 1, 3, 4), float(x.mean()))
    torch.testing.assert_close(window_means(x, 9), wide)
    assert window_means(x, 1)[0, 0, 0, 0] == (0 + 1 + 4 + 5) / 4
    torch.testing.assert_close(window_means(x, 0), x)


def test_the_guided_filter_keeps_a_line_in_the_guide() -> None:
    guide = torch.rand(1, 2, 20, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(guided_filter(guide, 3 * guide - 1, 4, 1e-9), 3 * guide - 1, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="one shape"):
        guided_filter(guide, guide[:, :1], 4, 1e-3)


def test_the_guided_filter_is_differentiable() -> None:
    guide, source = (torch.rand(1, 1, 6, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda g, s: guided_filter(g, s, 2, 1e-2), (guide, source))


def test_all_inputs_have_a_gradient(small: SuperResolver) -> None:
    frame, sharp = torch.rand(2, 3, 16, 24, requires_grad=True), torch.rand(2, 3, 64, 96, requires_grad=True)
    small(frame, sharp).square().sum().backward()
    small.masks(sharp)[:, 0].sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in (frame, sharp))


@torch.no_grad()
def test_masks_that_are_given_are_taken(small: SuperResolver) -> None:
    frame, sharp = torch.rand(1, 3, 12, 16), torch.rand(1, 3, 48, 64)
    torch.testing.assert_close(small(frame, sharp, small.masks(sharp)), small(frame, sharp))
    still, moving = (small(frame, sharp, torch.full((1, 2, 48, 64), value)) for value in (1.0, 0.0))
    assert (still - moving).abs().max() > 1e-3
    with pytest.raises(ValueError, match="reference"):
        small(frame, sharp[..., :-4])
    config = {**SMALL.as_dict(), "segmenter": None}
    with pytest.raises(ValueError, match="masks"):
        super_resolver_of(config)(frame, sharp)


def test_the_header_describes_the_network(small: SuperResolver) -> None:
    again = super_resolver_of(small.config.as_dict())
    assert again.config == small.config
    assert layout_digest(again.state_dict()) == layout_digest(small.state_dict())


@torch.no_grad()
@pytest.mark.parametrize("size", [(40, 56), (37, 45)])
def test_shares_of_classes_are_sums_of_probabilities(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Segmenter(SegmenterConfig(4, (1, 1, 1, 1), 8, 11)).eval()
    rgb = torch.rand(2, 3, *size)
    chances = F.interpolate(network(rgb), size, mode="bilinear").softmax(1)
    monkeypatch.setattr(ade20k, "STRIP", 5 * 11 * 2 * size[1])  # five rows at a time
    shares = network.shares(rgb, ((1, 4), (0,), tuple(range(11))))
    torch.testing.assert_close(shares[:, 0], chances[:, 1] + chances[:, 4])
    torch.testing.assert_close(shares[:, 1], chances[:, 0])
    torch.testing.assert_close(shares[:, 2], torch.ones(2, *size))

"""DeepLandscape's encoders and its lighting network."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.nn.deeplandscape import CompactEncoder, Encoder, Lighting
from tests.conformance_tools import layout_digest
from tests.deeplandscape_tools import compare, figures, normal, picture, seeded


def tiny() -> Encoder:
    return Encoder(levels=3, style_dim=5, depths=(1, 1, 2, 1), width=4, hidden=6)


def test_keys_are_those_of_the_release() -> None:
    with torch.device("meta"):
        assert layout_digest(Encoder().state_dict()) == figures()["encoder_layout"]
        assert layout_digest(Lighting().state_dict()) == figures()["lighting_layout"]


@pytest.mark.slow
@torch.no_grad()
def test_the_released_encoder() -> None:
    encoder = seeded(Encoder, "encoder")
    w = encoder(picture(5400, 2, 3, 256, 256))
    compare(figures()["encoder"], w[:1])
    compare(figures()["encoder_contrast"], w[:1] - w[1:])


@torch.no_grad()
def test_the_released_lighting_network() -> None:
    lighting = seeded(Lighting, "lighting")
    w, z = normal(5500, 4, 512), normal(5501, 4, 3)
    compare(figures()["lighting"], lighting(w, z, 0.7))
    torch.testing.assert_close(lighting(w, z, torch.full((4,), 0.7)), lighting(w, z, 0.7))


def test_lighting_of_other_sizes_has_gradients() -> None:
    torch.manual_seed(0)
    lighting = Lighting(style_dim=6, hidden=7, blocks=2)
    w, z, c = (torch.rand(*shape, requires_grad=True) for shape in ((2, 6), (2, 3), (2,)))
    made = lighting(w, z, c)
    assert made.shape == (2, 6)
    made.square().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().min() > 0 for leaf in (w, z, c))


def test_a_small_encoder_has_the_same_contract() -> None:
    torch.manual_seed(0)
    encoder = tiny().eval()
    photo = torch.rand(2, 3, 64, 64, requires_grad=True)
    w = encoder(photo)
    assert w.shape == (2, 3, 2, 5)
    assert torch.equal(w[:, :, 0], w[:, :, 1])
    w.sum().backward()
    assert photo.grad is not None
    assert photo.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [(32, 32), (96, 64), (50, 131), (7, 9)])
def test_the_compact_encoder_takes_any_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    encoder = CompactEncoder(levels=4, style_dim=8, hidden=16).eval()
    photo = (torch.rand(2, 3, *size) * 2 - 1).requires_grad_()
    w = encoder(photo)
    assert w.shape == (2, 4, 2, 8)
    assert torch.equal(w[:, :, 0], w[:, :, 1])
    assert not torch.allclose(w[0], w[1])
    w.square().sum().backward()
    assert photo.grad is not None
    assert photo.grad.isfinite().all()

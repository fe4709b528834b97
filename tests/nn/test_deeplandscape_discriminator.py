"""DeepLandscape's discriminators give the authors' own outputs for seeded weights, and train under R1."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cinegan_cli.nn.deeplandscape import Discriminator
from tests.conformance_tools import layout_digest
from tests.deeplandscape_tools import compare, figures, picture, seeded

NAMES = {1: "static", 2: "pairwise"}


@pytest.fixture(scope="module", params=[1, 2])
def released(request: pytest.FixtureRequest) -> Discriminator:
    return seeded(lambda: Discriminator(frames=request.param), "discriminator")


def inputs(frames: int) -> Tensor:
    return picture(5300, 2, 3, 256, 256) if frames == 1 else picture(5301, 2, 2, 3, 256, 256)


def test_keys_are_those_of_the_release(released: Discriminator) -> None:
    prefix = {1: "", 2: "n_frames_"}[released.frames]
    assert layout_digest(released.state_dict()) == figures()[f"{prefix}discriminator_layout"]


@torch.no_grad()
def test_logits_while_a_level_is_faded_in(released: Discriminator) -> None:
    images = inputs(released.frames)[..., 64:192, 64:192]
    compare(figures()[f"discriminator_{NAMES[released.frames]}_128_alpha0.4"], released(images, alpha=0.4))


@pytest.mark.slow
@torch.no_grad()
def test_logits(released: Discriminator) -> None:
    images = inputs(released.frames)
    compare(figures()[f"discriminator_{NAMES[released.frames]}_256"], released(images))
    if released.frames == 1:
        compare(figures()["discriminator_static_features"], released.features(images))


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_r1_reaches_every_weight(frames: int, alpha: float) -> None:
    torch.manual_seed(0)
    critic = Discriminator(frames=frames, levels=4, multiplier=1 / 64)
    images = torch.randn(2, *(2,) * (frames - 1), 3, 32, 32, requires_grad=True)
    logits = critic(images, alpha)
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (slope.square().sum() + logits.sum()).backward()
    unused = ("from_rgb.1", "from_rgb.2", "from_rgb.3") if alpha == 1 else ("from_rgb.2", "from_rgb.3")
    for name, parameter in critic.named_parameters():
        used = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        assert used != name.startswith(unused), name


def test_second_derivatives_are_exact() -> None:
    torch.manual_seed(0)
    critic = Discriminator(levels=2, channels=2).double()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(critic, (images,), fast_mode=True)


@torch.no_grad()
def test_fading_in_starts_from_the_smaller_picture() -> None:
    torch.manual_seed(0)
    critic = Discriminator(frames=2, levels=4, channels=6)
    pairs = torch.randn(3, 2, 3, 32, 32)
    smaller = torch.nn.functional.avg_pool3d(pairs, (1, 2, 2))
    torch.testing.assert_close(critic(pairs, alpha=0.0), critic(smaller))


@torch.no_grad()
def test_a_pair_has_an_order() -> None:
    torch.manual_seed(0)
    critic = Discriminator(frames=2, levels=3, channels=5)  # an odd count is made even
    pairs = torch.randn(3, 2, 3, 16, 16)
    assert critic(pairs).shape == (3, 1)
    assert not torch.allclose(critic(pairs), critic(pairs.flip(1)))


@pytest.mark.parametrize("shape", [(1, 3, 24, 24), (1, 3, 16, 32), (1, 3, 64, 64), (1, 2, 3, 16, 16)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"S = 4, 8, \.\.\. 32"):
        Discriminator(levels=4, channels=2)(torch.zeros(shape))

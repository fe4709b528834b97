"""StyleGAN2's discriminator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from cinegan_cli.nn.stylegan2.discriminator import Discriminator, _deviation
from cinegan_cli.nn.stylegan2.generator import GeneratorConfig

TINY = GeneratorConfig(size=16, max_channels=4)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks: two threads that wait for each other on a busy machine take 23 s where one takes 4."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count: int, size: int = 16, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("size", [4, 8, 64, 1024])
def test_every_size_gives_one_logit(size: int) -> None:
    critic = Discriminator(GeneratorConfig(size, channel_multiplier=0.25, max_channels=4))
    with torch.no_grad():
        assert critic(pictures(2, size)).shape == (2, 1)


def test_state_dict_is_named_as_in_the_common_port() -> None:
    with torch.device("meta"):
        state = Discriminator(GeneratorConfig()).state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    assert shapes["convs.0.0.weight"] == (32, 3, 1, 1)
    assert shapes["convs.1.conv2.0.kernel"] == (4, 4)
    assert shapes["convs.1.conv2.1.weight"] == (64, 32, 3, 3)
    assert shapes["convs.8.skip.1.weight"] == (512, 512, 1, 1)
    assert shapes["final_conv.0.weight"] == (512, 513, 3, 3)
    assert shapes["final_linear.0.weight"] == (512, 8192)
    assert shapes["final_linear.1.bias"] == (1,)
    assert len(shapes) == 2 + 8 * 7 + 2 + 4


def test_deviation_is_taken_within_groups() -> None:
    x = torch.tensor([0.0, 0.0, 2.0, 6.0]).view(4, 1, 1, 1).expand(4, 3, 2, 2)
    assert _deviation(x).shape == (4, 1, 2, 2)
    torch.testing.assert_close(_deviation(x)[:, 0, 0, 0], torch.full((4,), 6.0**0.5))  # mean 2, squares 4 4 0 16
    # six samples make two groups of three: 0 2 4 and 1 3 5
    x = torch.tensor([0.0, 1.0, 2.0, 1.0, 4.0, 1.0]).view(6, 1, 1, 1)
    wanted = torch.tensor([(8 / 3) ** 0.5, 0.0] * 3)
    torch.testing.assert_close(_deviation(x).flatten(), wanted, atol=2e-4, rtol=0)
    torch.testing.assert_close(_deviation(x[:1]).flatten(), torch.zeros(1), atol=2e-4, rtol=0)


def test_halving_has_no_phase() -> None:
    """With mirrored weights a mirrored picture gives mirrored features: blur and stride are centred."""
    critic = Discriminator(TINY).double()
    picture = pictures(1, dtype=torch.float64)
    before = critic.convs(picture)
    with torch.no_grad():
        for parameter in critic.parameters():
            if parameter.ndim == 4:
                parameter.copy_(parameter.flip(2, 3))
    torch.testing.assert_close(critic.convs(picture.flip(2, 3)).flip(2, 3), before)


def test_r1_regularisation_trains() -> None:
    critic = Discriminator(TINY)
    picture = pictures(2).requires_grad_()
    logit = critic(picture)
    (slope,) = torch.autograd.grad(logit.sum(), picture, create_graph=True)
    (slope.square().sum() + logit.sum()).backward()
    for name, parameter in critic.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_second_derivatives_are_exact() -> None:
    torch.manual_seed(0)
    critic = Discriminator(GeneratorConfig(size=8, max_channels=2)).double()
    assert torch.autograd.gradgradcheck(critic, (pictures(2, 8, torch.float64).requires_grad_(),), fast_mode=True)


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"picture.*16, 16"):
        Discriminator(TINY)(pictures(1, 8))

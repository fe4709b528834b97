"""The motion network against the authors' figures, and the discriminator it is trained against."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.nn.pix2pixhd import (
    GlobalGenerator,
    GlobalGeneratorConfig,
    MultiScaleDiscriminator,
    MultiScaleDiscriminatorConfig,
)
from tests.conformance_tools import compare, layout_digest, load_figures, seeded, seeded_normal

SMALL = GlobalGeneratorConfig(inputs=4, outputs=1, ngf=4, n_down=2, n_blocks=1)


def test_keys_and_shapes_are_the_releases() -> None:
    with torch.device("meta"):
        state = GlobalGenerator().state_dict()
    assert layout_digest(state) == load_figures("nets_100")["motion"]["layout"]


@torch.inference_mode()
def test_flow_is_the_authors() -> None:
    network = seeded(GlobalGenerator, "motion")
    flow = network(0.5 * seeded_normal(6002, (1, 3, 256, 256)))
    compare(load_figures("nets_100")["motion"]["outputs"]["motion"], flow)


@pytest.mark.parametrize("size", [(32, 48), (8, 8), (20, 12)])
def test_flow_has_the_photos_size(size: tuple[int, int]) -> None:
    assert GlobalGenerator(SMALL)(torch.zeros(2, 4, *size)).shape == (2, 1, *size)


@pytest.mark.parametrize("size", [(32, 46), (31, 32), (4, 8)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]} × {size[1]}"):
        GlobalGenerator(SMALL)(torch.zeros(1, 4, *size))


def test_a_shape_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="ngf"):
        GlobalGeneratorConfig(ngf=0)


def test_all_weights_of_the_generator_learn(generator: torch.Generator) -> None:
    network = GlobalGenerator(SMALL)
    network(torch.randn(1, 4, 32, 32, generator=generator)).square().sum().backward()
    weights = [(name, p) for name, p in network.named_parameters() if name.endswith("weight")]
    assert not [name for name, p in weights if p.grad is None or not p.grad.any()]


def test_discriminator_has_pix2pixhds_features() -> None:
    with torch.device("meta"):
        results = MultiScaleDiscriminator()(torch.zeros(1, 5, 64, 96))
    shapes = [[tuple(x.shape[1:]) for x in scale] for scale in results]
    assert len(shapes) == 3
    assert shapes[0] == [(64, 33, 49), (128, 17, 25), (256, 9, 13), (512, 10, 14), (1, 11, 15)]
    assert shapes[1] == [(64, 17, 25), (128, 9, 13), (256, 5, 7), (512, 6, 8), (1, 7, 9)]


@torch.inference_mode()
def test_coarser_scales_see_the_same_picture_smaller() -> None:
    network = MultiScaleDiscriminator(MultiScaleDiscriminatorConfig(inputs=2, ndf=4, num_d=2))
    # a border that counted padding as black would darken it
    _, half = network(torch.full((1, 2, 32, 48), 0.7))
    expected = network.scales[1](torch.full((1, 2, 16, 24), 0.7))
    for found, wanted in zip(half, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_pictures_of_a_batch_are_judged_apart_and_pass_gradients(generator: torch.Generator) -> None:
    network = MultiScaleDiscriminator(MultiScaleDiscriminatorConfig(inputs=2, ndf=4, num_d=2))
    pictures = torch.randn(2, 2, 48, 48, generator=generator, requires_grad=True)
    judgement = network(pictures)[1][-1]
    torch.testing.assert_close(judgement[:1], network(pictures[:1])[1][-1])
    judgement[0].square().sum().backward()
    assert pictures.grad is not None
    assert pictures.grad[0].abs().min(0).values.count_nonzero() > 2000  # of 48²: nothing of the picture is unseen
    assert not pictures.grad[1].any()

"""The encoders: the released one against the authors' figures, the compact one for what training relies on."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.nn.stylegan2.encoder import Encoder, EncoderConfig
from cinegan_cli.nn.stylegan2.photo_encoder import PhotoEncoder, PhotoEncoderConfig
from tests.conformance_tools import compare, layout_digest, load_figures, seeded, seeded_normal

SMALL = PhotoEncoderConfig(n_styles=5, style_dim=7, channels=6, width=4, index=10)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The released stages, with fewer outputs: w+ [2, 8] and D10 of 16 channels."""
    return seeded(lambda: Encoder(EncoderConfig(2, 8, 16)), "encoder")


def test_keys_and_shapes_are_the_releases() -> None:
    with torch.device("meta"):
        state = Encoder().state_dict()
    assert len(state) == 517
    assert layout_digest(state) == load_figures("nets_100")["encoder"]["layout"]


@torch.inference_mode()
def test_outputs_are_the_authors() -> None:
    figures = load_figures("nets_100")["encoder"]["outputs"]
    offsets, feature = seeded(Encoder, "encoder")(0.5 * seeded_normal(6000, (1, 3, 256, 256)))
    compare(figures["encoder_w"], offsets)
    compare(figures["encoder_content"], feature)


@torch.inference_mode()
def test_feature_keeps_the_photos_aspect_and_sees_only_its_neighbourhood(encoder: Encoder) -> None:
    photo = 0.5 * seeded_normal(1, (1, 3, 64, 96))
    offsets, feature = encoder(photo)
    _, cropped = encoder(photo[:, :, :, :64])
    assert offsets.shape == (1, 2, 8)
    assert feature.shape == (1, 16, 16, 24)
    # column k of D10 sees 15 px on either side of pixel 4 k, so the cut at 64 px is unseen in the first 13 columns
    torch.testing.assert_close(feature[..., :13], cropped[..., :13], rtol=0, atol=1e-5)
    assert (feature[..., 13:16] - cropped[..., 13:16]).abs().max() > 1e-2


@torch.inference_mode()
def test_odd_sizes_are_rounded_up(encoder: Encoder) -> None:
    assert encoder(torch.zeros(1, 3, 30, 45))[1].shape == (1, 16, 8, 12)


def test_other_generators_can_be_served() -> None:
    with torch.device("meta"):
        offsets, feature = Encoder(EncoderConfig(n_styles=14, style_dim=64, channels=128))(torch.zeros(2, 3, 64, 64))
    assert offsets.shape == (2, 14, 64)
    assert feature.shape == (2, 128, 16, 16)


def test_photo_encoder_has_the_generators_shapes() -> None:
    offsets, feature = PhotoEncoder(SMALL)(torch.zeros(2, 3, 5 * 16, 7 * 16))
    assert offsets.shape == (2, 5, 7)
    assert feature.shape == (2, 6, 5, 7)


def test_photo_encoder_learns_with_all_its_weights(generator: torch.Generator) -> None:
    encoder = PhotoEncoder(SMALL)
    offsets, feature = encoder(torch.randn(2, 3, 32, 48, generator=generator))
    torch.autograd.backward([offsets.square().sum(), feature.square().sum()])
    unused = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unused


def test_photo_encoders_codes_depend_on_the_colour_of_the_photo() -> None:
    red, blue = (torch.full((1, 3, 32, 32), -1.0).index_fill(1, torch.tensor([c]), 1.0) for c in (0, 2))
    torch.manual_seed(0)
    encoder = PhotoEncoder(SMALL)
    assert (encoder(red)[0] - encoder(blue)[0]).abs().max() > 1e-3

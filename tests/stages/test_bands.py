"""Bands add up to the picture; the moving layer holds nothing static."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from cinegan_cli.stages.bands.layer import dequantise, moving_layer, texture_kept
from cinegan_cli.stages.bands.pyramid import COARSEST_SIDE, collapse, pyramid
from cinegan_cli.types import Mask
from tests.scenes import noise_photo, photo_of, upper_half


@pytest.mark.parametrize("size", [(64, 64), (96, 130), (255, 301), (1, 1), (40, 500)])
def test_collapse_gives_the_picture_back(size: tuple[int, int]) -> None:
    """Worst seen 1.2e-7: float32 rounding of one sum per level."""
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    bands = pyramid(picture)
    torch.testing.assert_close(collapse(bands), picture, rtol=0, atol=5e-7)


def test_levels_halve_down_to_the_coarsest() -> None:
    bands = pyramid(torch.zeros(3, 300, 400))
    sizes = [tuple(band.shape[1:]) for band in bands.levels]
    assert sizes[-1] == (300, 400)
    assert all(a == (-(-b[0] // 2), -(-b[1] // 2)) for a, b in pairwise(sizes))
    assert COARSEST_SIDE <= min(sizes[0]) < 2 * COARSEST_SIDE


def test_fine_bands_have_no_mean() -> None:
    """What the contrast-preserving blend presumes; the coarsest holds the brightness."""
    bands = pyramid(noise_photo(128, 128).pixels)
    assert all(band.mean().abs() < 2e-3 for band in bands.levels[1:])
    assert bands.levels[0].mean() > 0.3


def test_moving_layer_forgets_what_is_static() -> None:
    pixels = torch.full((64, 96, 3), 20, dtype=torch.uint8)
    pixels[:32] = 200
    photo = photo_of(pixels)
    layer = moving_layer(photo, upper_half(photo))
    assert torch.equal(layer[:, :28], photo.pixels[:, :28])
    torch.testing.assert_close(layer, torch.full_like(layer, 200 / 255), rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_moving_layer_of_all_or_nothing_is_the_photo(value: float) -> None:
    photo = noise_photo()
    assert torch.equal(moving_layer(photo, Mask(torch.full((64, 96), value), "given")), photo.pixels)


def test_dequantised_picture_rounds_to_the_same_bytes() -> None:
    photo = noise_photo()
    smooth = dequantise(photo.pixels)
    assert torch.equal((smooth * 255).round().to(torch.uint8), photo.pixels_u8.permute(2, 0, 1))


def test_dequantising_softens_the_stairs_of_a_shallow_ramp() -> None:
    ramp = (100 + torch.arange(160.0) / 8).expand(3, 40, 160) / 255
    stair = (ramp * 255).round() / 255
    before, after = ((picture - ramp)[:, :, 8:-8].abs().mean() for picture in (stair, dequantise(stair)))
    assert after < 0.9 * before


def test_texture_kept_is_what_dequantising_leaves() -> None:
    noise = torch.randint(120, 122, (3, 64, 64), generator=torch.Generator().manual_seed(0)).float() / 255
    kept = texture_kept(dequantise(noise), noise, torch.ones(64, 64))
    assert 0.5 < kept < 0.99
    assert texture_kept(noise, noise, torch.ones(64, 64)) == 1
    assert texture_kept(noise, noise, torch.zeros(64, 64)) == 1

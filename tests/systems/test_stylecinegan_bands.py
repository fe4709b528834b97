"""A generator's contributions as bands: the sum is the picture, nothing is lost, what is static is filled."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cinegan_cli.stages.bands.pyramid import collapse, low_pass
from cinegan_cli.systems.stylecinegan.bands import generator_bands, zero_mean
from cinegan_cli.types import Bands


def contributions(generator: torch.Generator, *sides: tuple[int, int]) -> tuple[Tensor, ...]:
    return tuple(torch.randn(3, *side, generator=generator) * 0.3 for side in sides)


SIDES = ((64, 96), (128, 192), (256, 384))


@pytest.mark.parametrize("size", [(256, 384), (250, 380), (700, 1050), (100, 150), (40, 60)])
def test_bands_add_up_to_the_layer_at_any_size(size: tuple[int, int], generator: torch.Generator) -> None:
    layer = torch.rand(3, *size, generator=generator)
    bands = generator_bands(contributions(generator, *SIDES), layer)
    assert bands.levels[-1].shape[1:] == size
    assert torch.allclose(collapse(bands), layer, atol=1e-5)
    assert torch.allclose(collapse(zero_mean(bands)), layer, atol=1e-5)


def test_without_the_residual_the_sum_is_what_the_generator_makes(generator: torch.Generator) -> None:
    parts = contributions(generator, *SIDES)
    made = collapse(Bands(parts)) * 0.5 + 0.5
    bands = generator_bands(parts, torch.zeros(3, 256, 384), residual=False)
    assert torch.allclose(collapse(bands), made, atol=1e-5)


def test_zero_mean_bands_hold_no_low_frequencies(generator: torch.Generator) -> None:
    layer = torch.rand(3, 256, 384, generator=generator)
    bands = zero_mean(generator_bands(contributions(generator, *SIDES), layer))
    for finer, coarser in zip(bands.levels[:0:-1], bands.levels[-2::-1], strict=True):
        left = low_pass(finer, (coarser.shape[1], coarser.shape[2])).abs().mean()
        assert left < 0.25 * finer.abs().mean()  # a Laplacian pyramid's own bands keep 0.13; the raw ones 0.4


def test_zero_mean_bands_about_halve_whatever_the_jump(generator: torch.Generator) -> None:
    layer = torch.rand(3, 1000, 1500, generator=generator)
    bands = zero_mean(generator_bands(contributions(generator, (64, 96)), layer))
    heights = [band.shape[1] for band in bands.levels]
    assert all(1 < finer / coarser <= 2.05 for coarser, finer in pairwise(heights))


def test_static_colours_do_not_stay_in_the_bands(generator: torch.Generator) -> None:
    parts = tuple(torch.full((3, *side), 0.1) for side in SIDES)
    for band in parts:
        band[:, :, band.shape[2] // 2 :] = -5.0  # the static half, far darker
    known = torch.zeros(256, 384)
    known[:, :192] = 1
    bands = generator_bands(parts, torch.full((3, 256, 384), 0.5), known=known)
    assert min(float(band.min()) for band in bands.levels) > -0.5

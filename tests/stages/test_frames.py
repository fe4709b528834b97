"""Eq. 4 and the matte."""

from __future__ import annotations

import torch

from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.types import LayerFrame, Mask
from tests.scenes import noise_photo


def test_grey_areas_belong_wholly_to_the_moving_layer() -> None:
    alpha = torch.zeros(20, 20)
    alpha[:10] = 0.5
    coverage = matte(Mask(alpha, "given"))
    assert (coverage[:10] == 1).all()
    assert (coverage[10:] == 0).all()


def test_soft_edges_are_partly_covered() -> None:
    alpha = torch.ones(1, 20)
    alpha[0, 10:] = 0
    alpha[0, 10] = 0.25
    coverage = matte(Mask(alpha, "given"))
    assert coverage[0, 10] == 0.25
    assert coverage[0, 9] == 1
    assert coverage[0, 11] == 0


def test_only_the_change_of_the_layer_is_added() -> None:
    photo = noise_photo(8, 6)
    layer = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    coverage = torch.zeros(6, 8)
    coverage[2, 3] = 0.5
    brighter = layer + 20 / 255
    (same, changed) = composite((LayerFrame(moved, layer, photo.pixels_u8) for moved in (layer, brighter)), coverage)
    assert torch.equal(same, photo.pixels_u8)
    difference = changed.int() - photo.pixels_u8.int()
    assert difference[2, 3].tolist() == [10, 10, 10]
    assert difference.abs().sum() == 30

"""What flows into a region is the region itself."""

from __future__ import annotations

import torch

from cinegan_cli.stages.bands.inflow import continue_inflow
from cinegan_cli.stages.bands.layer import moving_layer
from cinegan_cli.types import Mask, Motion
from tests.scenes import noise_photo, photo_of


def falling(h: int = 80, w: int = 120) -> torch.Tensor:
    velocity = torch.zeros(2, h, w)
    velocity[1] = 3
    return velocity


def test_a_straight_flow_joins_at_the_edge_and_is_shifted_farther_out() -> None:
    """200 px are 160 cells: the shift is 14 px, the mirror ends 5 px from the edge. Rows 50 … 149 are known."""
    layer = torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(0))
    known = torch.zeros(200, 200)
    known[50:150] = 1
    out = continue_inflow(layer, known, 1 - known, falling())
    assert torch.equal(out[:, 50:150], layer[:, 50:150])
    for shown, whence in ((out[:, 38:44], layer[:, 52:58]), (out[:, 156:162], layer[:, 142:148])):
        assert float((shown - whence).abs().mean()) < 0.1
    unrelated = float((layer[:, 49] - layer[:, 50]).abs().mean())
    assert float((out[:, 49] - layer[:, 50]).abs().mean()) < 0.5 * unrelated
    assert torch.equal(out[:, :8], layer[:, :8])  # too far away to flow in


def test_colours_of_the_land_do_not_flow_in() -> None:
    """Green land over a blue fall with white stripes: the layer above it has the fall's colours and stripes."""
    pixels = torch.zeros(160, 240, 3, dtype=torch.uint8)
    pixels[:60] = torch.tensor([0, 200, 0], dtype=torch.uint8)
    pixels[60:] = torch.tensor([60, 90, 200], dtype=torch.uint8)
    pixels[60::8] = 255
    photo = photo_of(pixels)
    alpha = torch.zeros(160, 240)
    alpha[60:] = 1
    layer = moving_layer(photo, Mask(alpha, "given"), Motion(falling(), "given"))
    smooth = moving_layer(photo, Mask(alpha, "given"))
    above = layer[:, 30:56]
    assert bool((above[1] <= above[2] + 0.02).all())
    assert float(above[0].std()) > 0.6 * float(photo.pixels[0, 70:].std()) > 5 * float(smooth[0, 30:56].std())


def test_known_pixels_are_the_photos() -> None:
    photo = noise_photo(120, 80)
    alpha = torch.zeros(80, 120)
    alpha[30:, 20:90] = 1
    layer = moving_layer(photo, Mask(alpha, "given"), Motion(falling(), "given"))
    assert torch.equal(layer[:, 33:, 23:87], photo.pixels[:, 33:, 23:87])


def test_what_stands_still_is_filled_as_before() -> None:
    photo = noise_photo(120, 80)
    alpha = torch.zeros(80, 120)
    alpha[30:] = 1
    mask = Mask(alpha, "given")
    still = Motion(torch.zeros(2, 40, 60), "given")
    assert torch.equal(moving_layer(photo, mask, still), moving_layer(photo, mask))

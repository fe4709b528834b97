"""Hole filling, smooth and as the paper does."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.stages.warp.holes import fill_holes


def ramp() -> torch.Tensor:
    return (torch.arange(40.0) / 40).expand(2, 30, 40).clone()


SMALL, WIDE = (slice(10, 12), slice(20, 22)), (slice(5, 25), slice(10, 30))  # WIDE is over 3 %: inpainted


@pytest.mark.parametrize(
    ("fill", "hole", "limit"), [("smooth", SMALL, 0.1), ("smooth", WIDE, 0.25), ("paper", SMALL, 0.1)]
)
def test_holes_in_a_ramp_are_bridged(fill: str, hole: tuple[slice, slice], limit: float) -> None:
    """Known pixels keep their bits."""
    values = ramp()
    known = torch.ones(30, 40, dtype=torch.bool)
    known[hole] = False
    filled = fill_holes(values.masked_fill(~known, torch.nan), known, fill)
    assert torch.equal(filled[:, known], values[:, known])
    assert (filled - values).abs().max() < limit


def test_inpainting_stays_within_the_known_values() -> None:
    """Telea's method extrapolates: unclamped it makes 1.6 of this ramp from 0 to 1."""
    values = ramp()
    known = torch.ones(30, 40, dtype=torch.bool)
    known[WIDE] = False
    filled = fill_holes(values.masked_fill(~known, torch.nan), known, "paper")
    assert values.min() <= filled.min()
    assert filled.max() <= values.max()


@pytest.mark.parametrize("fill", ["smooth", "paper"])
def test_nothing_to_fill(fill: str) -> None:
    values = ramp()
    assert fill_holes(values, torch.ones(30, 40, dtype=torch.bool), fill) is values


def test_paper_takes_the_median_of_known_neighbours() -> None:
    values = torch.zeros(1, 30, 40)
    values[0, 10, 11], values[0, 10, 9] = 100.0, torch.nan
    known = torch.ones(30, 40, dtype=torch.bool)
    known[10, 10] = known[10, 9] = False
    filled = fill_holes(values, known, "paper")
    assert filled[0, 10, 10] == 0

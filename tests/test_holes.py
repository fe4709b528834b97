"""Hole filling, smooth and as the paper does."""

from __future__ import annotations

import pytest
import torch

from cinegan_cli.stages.holes import fill_holes


def ramp() -> torch.Tensor:
    return (torch.arange(40.0) / 40).expand(2, 30, 40).clone()


@pytest.mark.parametrize("fill", ["smooth", "paper"])
@pytest.mark.parametrize("hole", [(slice(10, 12), slice(20, 22)), (slice(5, 25), slice(10, 30))])
def test_holes_in_a_ramp_are_bridged(fill: str, hole: tuple[slice, slice]) -> None:
    """A small hole (median) and one over 3 % (inpainting, crude across 20 px); known pixels keep their bits."""
    values = ramp()
    known = torch.ones(30, 40, dtype=torch.bool)
    known[hole] = False
    broken = values.masked_fill(~known, torch.nan)
    filled = fill_holes(broken, known, fill)
    assert torch.equal(filled[:, known], values[:, known])
    assert (filled - values).abs().max() < (0.6 if fill == "paper" else 0.25)


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

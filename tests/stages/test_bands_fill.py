"""Pull-push: what is known stays, what is not comes smoothly from around."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinegan_cli.stages.bands.fill import pull_push
from cinegan_cli.stages.bands.fill_on_device import pull_push_on_device

Fill = Callable[[Tensor, Tensor], Tensor]
FILLS = pytest.mark.parametrize("fill", [pull_push, pull_push_on_device])


@FILLS
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (2, 2), (3, 4), (31, 64), (97, 50)])
def test_known_values_keep_their_bits_and_the_fill_stays_between_them(fill: Fill, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.rand(3, *size, generator=generator)
    weight = (torch.rand(*size, generator=generator) > 0.7).float()
    weight[0, 0] = 1.0
    filled = fill(values, weight)
    known = weight > 0
    assert torch.equal(filled[:, known], values[:, known])
    assert filled.min() >= values[:, known].min() - 1e-6
    assert filled.max() <= values[:, known].max() + 1e-6


@FILLS
def test_unknown_values_are_never_read(fill: Fill) -> None:
    values = torch.full((2, 20, 30), float("nan"))
    weight = torch.zeros(20, 30)
    values[:, 4:9, 5:11], weight[4:9, 5:11] = 0.25, 1.0
    torch.testing.assert_close(fill(values, weight), torch.full((2, 20, 30), 0.25))


@FILLS
def test_nothing_known_gives_zero(fill: Fill) -> None:
    assert torch.equal(fill(torch.ones(2, 9, 14), torch.zeros(9, 14)), torch.zeros(2, 9, 14))


@FILLS
def test_all_known_changes_nothing(fill: Fill) -> None:
    values = torch.linspace(-4, 7, 3 * 6 * 8).reshape(3, 6, 8)
    assert torch.equal(fill(values, torch.ones(6, 8)), values)


@FILLS
def test_partial_weight_mixes_value_and_fill(fill: Fill) -> None:
    values, weight = torch.zeros(1, 32, 32), torch.ones(32, 32)
    values[0, 16, 16], weight[16, 16] = 1.0, 0.25
    assert fill(values, weight)[0, 16, 16].item() == pytest.approx(0.25, abs=0.05)


@FILLS
def test_the_fill_is_smooth(fill: Fill) -> None:
    """Left edge 0, right edge 1: steps in the gap of 254 px stay small: no blocks."""
    values, weight = torch.zeros(1, 64, 256), torch.zeros(64, 256)
    values[:, :, -1] = 1.0
    weight[:, 0] = weight[:, -1] = 1.0
    row = fill(values, weight)[0, 32]
    steps = row.diff()
    assert steps.min() >= -1e-5
    assert steps.max() < 0.012  # 0.0083 measured; a straight line would be 0.0039


def test_arguments_are_not_changed_and_shapes_are_checked() -> None:
    values, weight = torch.ones(1, 8, 8), torch.zeros(8, 8)
    weight[2, 2] = 1.0
    before = values.clone(), weight.clone()
    pull_push(values, weight)
    assert torch.equal(values, before[0])
    assert torch.equal(weight, before[1])
    with pytest.raises(ValueError, match=r"weight \[H, W\]"):
        pull_push(values, torch.zeros(8, 9))

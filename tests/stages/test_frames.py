"""Eq. 4 and the matte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import interleaved_coefficients
from cinegan_cli.stages import frames as frames_stage
from cinegan_cli.stages.frames import composite, matte, on_host
from cinegan_cli.types import LayerFrame, Mask, RenderPart, Warped
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


@pytest.mark.parametrize("computed", [True, False])
def test_an_unwarped_layer_need_be_given_once(computed: bool) -> None:
    photo = noise_photo(8, 6)
    layer = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    coverage = torch.ones(6, 8)
    region = torch.ones(6, 8, dtype=torch.uint8)
    origins = torch.ones(2, 2, 6, 8)
    levels = (interleaved_coefficients(layer),)
    moved: list[Tensor | Warped] = [layer + shift for shift in (0.1, 0.2)]
    if not computed:
        moved = [Warped(levels, (RenderPart(share * origins, 0.0, (region,)),)) for share in (1.0, 2.0)]
    every = list(composite([LayerFrame(one, layer, photo.pixels_u8) for one in moved], coverage))
    once = list(
        composite(
            [LayerFrame(one, given, photo.pixels_u8) for one, given in zip(moved, (layer, None), strict=True)], coverage
        )
    )
    assert all(torch.equal(one, other) for one, other in zip(every, once, strict=True))
    assert not torch.equal(*every)
    with pytest.raises(AssertionError, match="first frame"):
        next(composite([LayerFrame(moved[0], None, photo.pixels_u8)], coverage))


class OnCard:
    """As much of a frame on a card as the way to the host looks at."""

    is_cuda = True

    def __init__(self, number: int) -> None:
        self.number = number


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_frames_of_a_card_are_waited_for_one_later(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrive, in order; each only when the next has been started; and no buffer is filled before it was emptied."""
    log: list[str] = []

    class Download:
        def __init__(self, _frame: Any) -> None:
            self.held: int | None = None

        def start(self, frame: OnCard) -> None:
            assert self.held is None
            self.held = frame.number
            log.append(f"start {frame.number}")

        def finish(self) -> np.ndarray[Any, Any]:
            assert self.held is not None
            log.append(f"finish {self.held}")
            value, self.held = np.array([self.held]), None
            return value

    monkeypatch.setattr(frames_stage, "_Download", Download)

    def rendered() -> Iterator[Any]:
        yield from map(OnCard, range(count))

    assert [int(frame[0]) for frame in on_host(rendered())] == list(range(count))
    for t in range(count - 1):
        assert log.index(f"start {t + 1}") < log.index(f"finish {t}")


def test_frames_of_the_cpu_are_not_held_back() -> None:
    """Nor copied."""
    frame = torch.zeros(2, 3, 3, dtype=torch.uint8)
    first = next(on_host(iter([frame, frame])))
    assert np.shares_memory(first, frame.numpy())


@pytest.mark.cuda
def test_frames_of_a_real_card() -> None:
    made = [torch.full((4, 5, 3), t, dtype=torch.uint8) for t in range(5)]
    got = list(on_host(frame.cuda() for frame in made))
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(got, made, strict=True))

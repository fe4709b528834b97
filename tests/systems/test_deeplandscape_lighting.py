"""Paths of light: the release's spline, the photo's own light where it begins, and cycles that close."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.systems.deeplandscape.codes import Codes
from cinegan_cli.systems.deeplandscape.lighting import spline
from cinegan_cli.systems.deeplandscape.relight import even_times

DIM = 8


def lights(w: Tensor, z: Tensor, c: float) -> Tensor:
    """Stands for A: moves w by how much light is mixed in, and is never quite the identity."""
    return w + c * z.sum(1, keepdim=True) + 0.1


@pytest.fixture
def w() -> Tensor:
    return torch.randn(7, 2, DIM, generator=torch.Generator().manual_seed(0))


def test_a_spline_goes_through_its_knots_and_rests_at_its_ends() -> None:
    at = torch.tensor([0.0, 0.2, 0.5, 1.0])
    values = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(spline(at, values, at.double()), values, atol=1e-6)
    step = 1e-4
    ends = spline(at, values, torch.tensor([0, step, 1 - step, 1], dtype=torch.float64))
    assert torch.allclose(ends[0], ends[1], atol=1e-5)
    assert torch.allclose(ends[2], ends[3], atol=1e-5)


def test_a_closed_spline_has_no_kink_where_it_closes() -> None:
    at = torch.tensor([0.0, 0.2, 0.5, 1.0]).double()
    values = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double()
    values[3] = values[0]
    step = 1e-3
    a, b, c, d = spline(at, values, torch.tensor([1 - 2 * step, 1 - step, 0, step]).double(), closed=True)
    before, across, after = b - a, c - b, d - c
    assert (across - (before + after) / 2).abs().max() < 1e-2 * across.abs().max()
    assert ((after - across) - (across - before)).abs().max() < 1e-2 * (after - across).abs().max()


def test_knots_on_a_parabola_with_flat_ends_give_the_cubic() -> None:
    at = torch.tensor([0.0, 1.0])
    made = spline(at, torch.tensor([[0.0], [1.0]]), torch.tensor([0.25, 0.5], dtype=torch.float64))
    assert torch.allclose(made[:, 0], torch.tensor([0.15625, 0.5]))  # 3 x² − 2 x³


@pytest.mark.parametrize("keys", [dl.cycle_keys(0.7), *(dl.light_keys(name, 0.7) for name in dl.LIGHTS)])
def test_a_photo_begins_and_ends_in_its_own_light(w: Tensor, keys: list[tuple[float, ...]]) -> None:
    path = dl.relit(lights, w, keys, [0.0, 0.3, 1.0])
    assert torch.equal(path[0], w)
    assert torch.allclose(path[2], w, atol=1e-6)
    assert not torch.allclose(path[1, 4:], w[4:], atol=0.05)


def test_levels_below_64_px_keep_their_styles(w: Tensor) -> None:
    path = dl.relit(lights, w, dl.cycle_keys(0.3), torch.linspace(0, 1, 9))
    assert torch.equal(path[:, :4], w[:4].expand(9, -1, -1, -1))


def test_the_finest_levels_of_a_small_generator_change() -> None:
    w = torch.randn(4, 2, DIM)
    lit = dl.relit(lights, w, dl.cycle_keys(0.3), [0.5])[0]
    assert torch.equal(lit[0], w[0])
    assert not any(torch.equal(a, b) for a, b in zip(lit[1:], w[1:], strict=True))


def test_the_days_keys_are_the_releases() -> None:
    keys = dl.day_keys(0.7)
    assert [key[0] for key in keys] == [i / 8 for i in range(9)]
    assert keys[0][1:] == keys[8][1:] == (-1.5, -1.5, 0, 0.7)
    assert keys[6][1:] == (2.5, 0, 0, 0.7)


def test_a_path_passes_what_the_network_makes_of_each_key(w: Tensor) -> None:
    keys = dl.day_keys(0.5)
    path = dl.light_path(lights, w[0, 0], keys, [key[0] for key in keys])
    for made, key in zip(path, keys, strict=True):
        assert torch.allclose(made, w[0, 0] + 0.5 * sum(key[1:4]) + 0.1, atol=1e-5)


@pytest.mark.parametrize("keys", [[], [(0, 1, 2)], [(0, 0, 0, 0, 0), (0, 0, 0, 0, 1)], [(1, 0, 0, 0, 0), (0,) * 5]])
def test_keys_that_are_none_are_refused(w: Tensor, keys: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="keys"):
        dl.light_path(lights, w[0, 0], keys, [0.5])


def test_a_day_takes_its_time_where_the_light_changes_most() -> None:
    class Lamp:
        """A generator whose pictures are as bright as the style says."""

        def synthesize(self, w: Tensor, static: list[Tensor], dynamic: list[Tensor]) -> Tensor:
            return w.reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16)

    def bright(times: Tensor) -> Tensor:
        """Dark for most of the day, then light and dark again within a fifth of it."""
        return torch.exp(-((times - 0.6) ** 2) / 0.005).reshape(-1, 1, 1, 1)

    def steepest(times: Tensor) -> float:
        steps = bright(times).flatten().diff().abs()
        return float(steps.max() / steps.mean())

    times = even_times(Lamp(), Codes(torch.zeros(1, 1, 1, 1), [], []), bright, 60)  # type: ignore[arg-type]
    assert times[0] == 0
    assert bool((times.diff() > 0).all())
    assert times[-1] < 1
    assert steepest(times) < 0.5 * steepest(torch.arange(60) / 60)

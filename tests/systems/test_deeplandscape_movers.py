"""Noise in motion: where it starts, that it stays noise, that it goes evenly, and that loops close."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.errors import InputError
from cinegan_cli.systems.deeplandscape.worlds import Source, World, mixture

HORIZON = 0.55
Frames = list[list[Tensor]]


def noise_maps(levels: int = 4, rows: int = 4, columns: int = 6, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 1, rows << i, columns << i, generator=random) * 0.7 + 0.2 for i in range(levels)]


def steps(frames: Frames) -> Tensor:
    """Root mean square of what changes from frame to frame, by level: [levels, N - 1]."""
    levels = zip(*frames, strict=True)
    return torch.stack([torch.cat(level).diff(dim=0).square().mean((1, 2, 3)).sqrt() for level in levels])


def require_std(frames: Frames) -> None:
    for level in zip(*frames, strict=True):
        std = torch.cat(level).std((1, 2, 3))
        assert ((std / std[0] - 1).abs() < 0.03).all()


@pytest.mark.parametrize("direction", dl.CLOCK)
def test_noise_moves_evenly_and_stays_noise_for_200_frames(direction: str) -> None:
    maps = noise_maps(levels=3)
    mover = dl.HomographyMover(maps, dl.wind(direction), HORIZON)
    frames = [mover(n) for n in range(201)]
    assert all(torch.equal(made, own) for made, own in zip(frames[0], maps, strict=True))
    require_std(frames)
    moved = steps(frames)
    assert (moved[:, 0] / moved[:, 1] <= 1.3).all()
    assert (moved[1:].amax(1) / moved[1:].median(1).values < 2).all()  # 4 px: too few cells to be even


@pytest.mark.parametrize("direction", ["1h", "3h", "6h", "12h"])
def test_a_loop_closes_without_a_longer_step(direction: str) -> None:
    maps, count = noise_maps(), 48
    mover = dl.HomographyMover(maps, dl.wind(direction), HORIZON)
    frames = [dl.loop_maps(mover, frame, count) for frame in range(count + 1)]
    for first, last, own in zip(frames[0], frames[-1], maps, strict=True):
        assert torch.equal(first, own)
        assert torch.equal(last, own)
    require_std(frames)
    moved = steps(frames)[1:]  # not of 4 px: too few cells to be even
    assert (moved.amax(1) < 2 * moved.median(1).values + 0.003).all()
    assert (moved[:, -1] / moved[:, 0] < 1.3).all()  # the step that closes the loop


def test_content_moves_right_at_3h() -> None:
    maps = noise_maps(levels=5)
    mover = dl.HomographyMover(maps, dl.wind("3h"), 1.0)
    # 2 / 300 of the short side's half, per frame: 64 rows, so 0.2133 cells
    n = 3 / (2 / 300 * 32)
    moved, still = mover(n)[4][0, 0], maps[4][0, 0]
    assert torch.nn.functional.cosine_similarity(moved[:4, 8:].flatten(), still[:4, 5:-3].flatten(), dim=0) > 0.9


def test_what_enters_is_new_and_remembered() -> None:
    maps = noise_maps(levels=5)
    mover = dl.HomographyMover(maps, dl.wind("3h"), 1.0)
    entered = mover(80)[4][0, 0, :8, :12]
    inside = maps[4][0, 0]
    mirrored = inside[:8, :16].flip(1)
    assert abs(float(torch.corrcoef(torch.stack((entered.flatten(), mirrored[:, -12:].flatten())))[0, 1])) < 0.3
    assert torch.equal(mover(80)[4], mover(80)[4])
    assert torch.equal(dl.HomographyMover(maps, dl.wind("3h"), 1.0)(80)[4], mover(80)[4])
    assert not torch.equal(dl.HomographyMover(maps, dl.wind("3h"), 1.0, seed=1)(80)[4], mover(80)[4])


@pytest.mark.parametrize("direction", ["1h", "3h", "6h", "12h"])
def test_rows_at_the_horizon_are_as_like_their_neighbours_as_others(direction: str) -> None:
    """Tears show where smooth maps are moved: rows that belonged together would part."""
    random = torch.Generator().manual_seed(0)
    rough = torch.randn(1, 1, 16, 16, generator=random)
    smooth = torch.nn.functional.interpolate(rough, (128, 128), mode="bicubic", align_corners=False)
    mover = dl.HomographyMover([smooth], dl.wind(direction), HORIZON)
    moved = mover(25)[0][0, 0]
    between = moved.diff(dim=0).square().mean(1).sqrt()
    horizon = round(128 * HORIZON)
    assert between[horizon - 8 : horizon + 8].max() < 2 * between.median()


@pytest.mark.parametrize("horizon", [0.0, 0.03, 0.97, 1.0])
def test_pictures_without_sky_or_ground(horizon: float) -> None:
    maps = noise_maps()
    mover = dl.HomographyMover(maps, dl.wind("2h"), horizon)
    assert all(made.isfinite().all() and not torch.equal(made, own) for made, own in zip(mover(5), maps, strict=True))


def test_what_stands_keeps_its_noise_and_lends_none_to_what_moves() -> None:
    maps = noise_maps(levels=5, columns=4)
    moving = torch.zeros(128, 128)
    moving[:, :64] = 1  # as when the land's maps were never searched for
    maps[4][..., 32:] = 0.2
    mover = dl.HomographyMover(maps, dl.wind("9h"), 1.0, moving=moving)
    for made in (mover(60)[4], dl.loop_maps(mover, 20, 60)[4]):
        assert torch.allclose(made[..., 32:], maps[4][..., 32:], atol=1e-6)
        came = made[..., 20:32]  # from behind what stands
        assert abs(float(came.std() / maps[4][..., :32].std()) - 1) < 0.15
    assert torch.allclose(mover(60)[0][..., 2:], maps[0][..., 2:], atol=1e-6)


@pytest.mark.parametrize("moving", [torch.zeros(9, 7), torch.full((9, 7), 0.5), torch.eye(8)])
def test_any_mask_of_what_moves(moving: Tensor) -> None:
    maps = noise_maps(3)
    mover = dl.HomographyMover(maps, dl.wind("2h"), HORIZON, moving=moving)
    for made, own in zip(mover(4), maps, strict=True):
        assert made.isfinite().all()
        assert torch.equal(made, own) == (not moving.any())


def test_sky_and_ground_keep_their_own_noise() -> None:
    maps = noise_maps(levels=5)
    rows = maps[4].shape[2] // 2
    maps[4][:, :, :rows] *= 0.1
    mover = dl.HomographyMover(maps, dl.wind("3h"), 0.5)
    made = mover(150)[4]  # the half of it is new
    assert abs(float(made[:, :, : rows - 4].std() / maps[4][:, :, : rows - 4].std()) - 1) < 0.15
    assert abs(float(made[:, :, rows + 4 :].std() / maps[4][:, :, rows + 4 :].std()) - 1) < 0.15


def test_a_homography_that_folds_a_low_sky_is_refused() -> None:
    shifts = torch.tensor([[0, 0.4], [0, 0.4], [0, 0], [0, 0]])
    dl.HomographyMover(noise_maps(2), shifts, 0.5)
    with pytest.raises(InputError, match="10%"):
        dl.HomographyMover(noise_maps(2), shifts, 0.1)


def test_constant_maps_stay_constant() -> None:
    maps = [torch.zeros(1, 1, 4, 4), torch.full((1, 1, 8, 8), 0.5)]
    mover = dl.HomographyMover(maps, dl.wind("3h"), HORIZON)
    for made, own in zip(mover(7.5), maps, strict=True):
        assert torch.allclose(made, own, atol=1e-6)
    for made, own in zip(dl.loop_maps(mover, 3, 10), maps, strict=True):
        assert torch.allclose(made, own, atol=1e-6)
    assert torch.equal(dl.move_noise(maps[0], dl.wind("3h"), HORIZON, 3, 32), maps[0])


@settings(deadline=None, max_examples=20)
@given(n=st.floats(-300, 300), direction=st.sampled_from(dl.CLOCK), rows=st.integers(4, 9), columns=st.integers(4, 9))
def test_any_time_and_shape(n: float, direction: str, rows: int, columns: int) -> None:
    maps = noise_maps(2, rows, columns)
    made = dl.HomographyMover(maps, dl.wind(direction, "x4"), HORIZON)(n)
    for moved, own in zip(made, maps, strict=True):
        assert moved.shape == own.shape
        assert moved.isfinite().all()
        assert torch.allclose(moved.std(), own.std(), rtol=1e-3)


def test_time_is_continuous() -> None:
    mover = dl.HomographyMover(noise_maps(), dl.wind("12h"), HORIZON)
    for n in (0.0, 10.0, mover.reach, -mover.reach, 2 * mover.reach):
        for before, after in zip(mover(n - 1e-3), mover(n + 1e-3), strict=True):
            assert (before - after).abs().max() < 0.02


def test_noise_between_its_cells_is_noise() -> None:
    cells = torch.randn(1, 1, 65, 65, generator=torch.Generator().manual_seed(0))
    world = World.around(cells)
    y, x = torch.meshgrid(torch.arange(65.0), torch.arange(65.0), indexing="ij")
    whole = torch.stack((x, y), -1)
    assert torch.allclose(world.sample(whole), cells, atol=1e-5)
    assert torch.allclose(world.sample(whole - 65), cells, atol=1e-4)
    for part in (0.25, 0.5, 0.8):
        between = world.sample(whole + part)
        assert abs(float(between.std() / cells.std()) - 1) < 0.03
        neighbours = torch.corrcoef(torch.stack((between[..., 1:].flatten(), between[..., :-1].flatten())))[0, 1]
        assert abs(float(neighbours)) < 0.05


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.0, 5.0])
def test_mixtures_keep_their_variance(apart: float) -> None:
    world = World.around(torch.randn(1, 1, 129, 129, generator=torch.Generator().manual_seed(0)))
    y, x = torch.meshgrid(torch.arange(129.0), torch.arange(129.0), indexing="ij")
    here = torch.stack((x, y), -1)
    there = here + torch.tensor([apart, 0])
    made = mixture([Source(world.sample(here), here, 0.6), Source(world.sample(there), there, 0.4)])
    assert abs(float(made.std()) - 1) < 0.03


def sky(height: int = 60, width: int = 90, rows: int = 30) -> Tensor:
    mask = torch.zeros(height, width)
    mask[:rows] = 1
    return mask


def _stray(mask: Tensor) -> Tensor:
    mask[55, 40] = 1
    return mask


def _hole(mask: Tensor) -> Tensor:
    mask[5, 10] = 0
    return mask


def _tree(mask: Tensor) -> Tensor:
    mask[8:, 30:50] = 0
    return mask


@pytest.mark.parametrize("change", [lambda mask: mask, _stray, _hole, _tree])
def test_the_horizon_is_where_most_of_the_sky_ends(change: Callable[[Tensor], Tensor]) -> None:
    assert abs(dl.find_horizon(change(sky())) - 0.5) < 0.03


def test_no_sky_and_nothing_else() -> None:
    assert dl.find_horizon(torch.zeros(40, 60)) == 0
    assert dl.find_horizon(_stray(sky(rows=0))) == 0
    assert dl.find_horizon(torch.ones(40, 60)) == 1

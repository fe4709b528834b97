"""Short cycles: their numbers, and that loops made of them keep every promise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.config import Config, RenderConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.measure.loop import measure_loop
from cinegan_cli.stages.bands.layer import dequantise, moving_layer, texture_kept
from cinegan_cli.stages.bands.pyramid import pyramid
from cinegan_cli.stages.displacement import SNAPSHOTS, displacements
from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.stages.motion import with_cycles
from cinegan_cli.stages.motion.cycles import MOST_VALUES, SHORTEST, cycles_of
from cinegan_cli.stages.warp.frames import warped_frames
from cinegan_cli.stages.warp.parts import parts_of
from cinegan_cli.types import FALLS, SKY, LayerFrame, Mask, Motion, Photo
from tests.scenes import drift, noise_photo, upper_half


def falls(speed: float, h: int = 40, w: int = 60) -> Motion:
    """Everything down, `speed` widths per second."""
    velocity = torch.zeros(2, h, w)
    velocity[1] = speed * w
    return Motion(velocity, "given")


def everything(width: int = 240, height: int = 160) -> Mask:
    return Mask(torch.ones(height, width), "given")


def frames_of(photo: Photo, mask: Mask, motion: Motion, config: RenderConfig) -> list[NDArray[np.uint8]]:
    layer, coverage = moving_layer(photo, mask, motion), matte(mask)
    region, picture = (coverage > 0).to(torch.uint8), dequantise(layer)
    kept = texture_kept(picture, layer, region)
    warped = warped_frames(picture, pyramid(picture), motion, region, config, kept=kept)
    return [
        frame.numpy() for frame in composite((LayerFrame(moved, layer, photo.pixels_u8) for moved in warped), coverage)
    ]


def patched(motion: Motion) -> Motion:
    """Its left half runs through 3 cycles, its right half through 4."""
    cycles = torch.full(motion.velocity.shape[1:], 3)
    cycles[:, cycles.shape[1] // 2 :] = 4
    return replace(motion, cycles=cycles)


def test_a_cycle_carries_fast_water_no_farther_than_a_seventh_of_the_width() -> None:
    for speed in (0.1, 0.15, 0.2):
        cycles = cycles_of(falls(speed), everything(), 4.0).double()
        assert (speed * 4.0 / cycles).mean() < 0.19
        assert (speed * 4.0 / cycles).mean() > 0.05


def test_slow_things_have_one_cycle() -> None:
    assert int(cycles_of(falls(0.008), everything(), 4.0).max()) == 1


def test_skies_may_travel_farther() -> None:
    motion = falls(0.15)
    sky = replace(motion, kinds=torch.full((40, 60), SKY, dtype=torch.uint8))
    one, other = (cycles_of(m, everything(), 4.0).double().mean() for m in (motion, sky))
    assert other < 0.7 * one


def test_no_cycle_is_shorter_than_allowed() -> None:
    assert 4.0 / int(cycles_of(falls(2.0), everything(), 4.0).max()) >= SHORTEST


def test_fast_water_has_patches_of_neighbouring_numbers() -> None:
    """One number everywhere would beat; many would cost much."""
    cycles = cycles_of(falls(0.25), everything(), 4.0)
    values, counts = cycles.unique(return_counts=True)
    assert 3 <= len(values) <= MOST_VALUES
    assert int(counts.max()) < 0.7 * cycles.numel()


def test_a_small_region_has_shorter_cycles() -> None:
    """A fall a tenth of the width high cannot carry its water a seventh of the width."""
    low = torch.zeros(160, 240)
    low[60:84] = 1
    assert (
        cycles_of(falls(0.1), Mask(low, "given"), 4.0)[18].double().mean()
        > 1.5 * cycles_of(falls(0.1), everything(), 4.0).double().mean()
    )


def test_the_option_says_how_many() -> None:
    motion, mask = falls(0.2), everything()
    made = with_cycles(motion, mask, Config.from_options(cycles=5)).cycles
    assert made is not None
    assert made.unique().tolist() == [5]
    assert with_cycles(motion, mask, Config.from_options(cycles="1")) is motion
    assert with_cycles(motion, mask, Config.from_options()).cycles is not None
    for other in ({"loop": "pingpong"}, {"warp": "splat"}, {"mode": "deep"}):
        assert with_cycles(motion, mask, Config.from_options(**other)).cycles is None


def test_kinds_have_numbers_of_their_own() -> None:
    kinds = torch.full((40, 60), SKY, dtype=torch.uint8)
    kinds[20:] = FALLS
    made = with_cycles(replace(falls(0.2), kinds=kinds), everything(), Config.from_options(cycles="1,falls=6")).cycles
    assert made is not None
    assert made[:20].unique().tolist() == [1]
    assert made[20:].unique().tolist() == [6]


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "often", "", "1000", "²", "auto,falls", "auto,lava=3", "2,sky=0"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--cycles"):
        with_cycles(falls(0.2), everything(), Config.from_options(cycles=text))


@pytest.mark.parametrize("option", [{"warp": "rgb"}, {"loop": "crossfade"}])
def test_a_number_that_nothing_would_read_is_refused(option: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--cycles 3"):
        Config.from_options(cycles=3, **option).require_read(system="pyramid")


@pytest.mark.parametrize(("cycles", "frames"), [(1, 8), (3, 8), (4, 12), (5, 4), (7, 120)])
def test_each_cycle_is_the_same_flow_in_less_time(cycles: int, frames: int) -> None:
    """A steady flow of 2 px/s: what the time since the cycle's start, and until its end, carries."""
    motion = Motion(torch.full((2, 3, 4), 2.0), "given")
    made = list(displacements(motion, frames=frames, fps=10.0, cycles=cycles))
    assert len(made) == frames
    for t, d in enumerate(made):
        phase = cycles * t / frames % 1
        assert d.weight == pytest.approx(phase)
        assert d.forward.mean() == pytest.approx(2.0 * phase * frames / 10 / cycles, abs=1e-5)
        assert d.backward.mean() == pytest.approx(-2.0 * (1 - phase) * frames / 10 / cycles, abs=1e-5)


@pytest.mark.parametrize("warp", ["inverse", "coordinates", "backward"])
def test_promises_of_the_loop_hold_with_patches(warp: str) -> None:
    photo = noise_photo(256, 192)
    mask, motion = upper_half(photo), patched(drift(photo, 40.0))
    config = RenderConfig(seconds=2.0, fps=15.0, warp=warp)  # type: ignore[arg-type]
    frames = frames_of(photo, mask, motion, config)
    report = measure_loop(frames, photo=photo.pixels_u8.numpy(), mask=mask.alpha.numpy())
    assert np.array_equal(frames[0], photo.pixels_u8.numpy())
    assert report.static_error == 0
    assert all(not np.array_equal(one, other) for one, other in pairwise([*frames, frames[0]]))
    assert 0.85 < report.seam < 1.15
    assert all(0.9 < texture < 1.1 for texture in report.texture)


def test_one_cycle_everywhere_is_what_it_is_without_numbers() -> None:
    photo = noise_photo()
    motion = drift(photo, 20.0)
    ones = replace(motion, cycles=torch.ones(motion.velocity.shape[1:], dtype=torch.int64))
    config = RenderConfig(seconds=1.0, fps=6.0)
    both = zip(*(frames_of(photo, upper_half(photo), m, config) for m in (motion, ones)), strict=True)
    assert all(np.array_equal(one, other) for one, other in both)


def test_the_frame_rate_does_not_change_the_moments() -> None:
    """Every second frame at 12 frames per second is a frame at 6."""
    photo = noise_photo(128, 96)
    motion = patched(drift(photo, 30.0))
    slow, fast = (
        frames_of(photo, upper_half(photo), motion, RenderConfig(seconds=2.0, fps=fps)) for fps in (6.0, 12.0)
    )
    for one, other in zip(slow, fast[::2], strict=True):
        assert np.abs(one.astype(int) - other).max() <= 3


def test_each_part_is_rendered_where_it_is_seen() -> None:
    """Weights add up to 1; deep inside one part nothing else is rendered."""
    photo = noise_photo(256, 192)
    region = torch.ones(192, 256, dtype=torch.uint8)
    parts = parts_of(patched(drift(photo, 30.0)), region, RenderConfig())
    assert [part.cycles for part in parts] == [3, 4]
    total: Tensor = sum((part.weight for part in parts if part.weight is not None), torch.zeros(()))
    torch.testing.assert_close(total, torch.ones_like(total))
    left, right = (part.region for part in parts)
    assert bool((left[:, :110] > right[:, :110]).all())
    assert bool((left[:, 146:] < right[:, 146:]).all())
    assert all(part.box is not None and part.box.right - part.box.left < 80 for part in parts)


@pytest.mark.parametrize("frames", [240, 960])
def test_memory_does_not_grow_with_the_loop(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live fields: the snapshots of one cycle at a time, and a few at hand."""
    live = [0, 0]
    original = ops.advect

    class Field(Tensor):
        def __del__(self) -> None:
            live[0] -= 1

    def counted(velocity: Tensor, displacement: Tensor, corner: tuple[int, int]) -> Tensor:
        live[0] += 1
        live[1] = max(live)
        plain = velocity.as_subclass(Tensor), displacement.as_subclass(Tensor)
        return original(*plain, corner=corner).as_subclass(Field)

    monkeypatch.setattr(ops, "advect", counted)
    for _ in displacements(falls(0.1, 4, 6), frames=frames, fps=30.0, cycles=3):
        pass
    assert 0 < live[1] <= 3 * SNAPSHOTS

"""The renderer's promises on small scenes: frame 0, static pixels, seam, contrast, all warps and blends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.measure.loop import LoopReport, measure_loop
from cinegan_cli.stages.bands.layer import moving_layer
from cinegan_cli.stages.bands.pyramid import collapse, pyramid
from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.stages.warp import contrast as contrast_module
from cinegan_cli.stages.warp.contrast import Contrast, measure_contrast
from cinegan_cli.stages.warp.frames import warped_frames
from cinegan_cli.stages.warp.origins import Origins, splat_origins
from cinegan_cli.types import Bands, LayerFrame, Mask, Motion, Photo
from tests.scenes import drift, noise_photo, upper_half

WARPS = ("inverse", "coordinates", "splat", "rgb", "backward")


def loop_of(
    photo: Photo, mask: Mask, motion: Motion, config: RenderConfig
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    layer, coverage = moving_layer(photo, mask), matte(mask)
    warped = warped_frames(layer, pyramid(layer), motion, (coverage > 0).to(torch.uint8), config)
    return [
        frame.numpy() for frame in composite((LayerFrame(moved, layer, photo.pixels_u8) for moved in warped), coverage)
    ]


def report_of(config: RenderConfig, speed: float = 12.0) -> tuple[LoopReport, Photo]:
    photo = noise_photo(256, 192)
    mask = upper_half(photo)
    frames = loop_of(photo, mask, drift(photo, speed), config)
    assert len(frames) == config.frames
    return measure_loop(frames, photo=photo.pixels_u8.numpy(), mask=mask.alpha.numpy()), photo


@pytest.mark.parametrize("warp", WARPS)
@pytest.mark.parametrize("blend", ["contrast", "linear"])
@pytest.mark.parametrize("loop", ["flow", "pingpong", "crossfade"])
def test_frame_0_is_the_photo_and_static_pixels_stay(warp: str, blend: str, loop: str) -> None:
    photo = noise_photo()
    mask = upper_half(photo)
    config = RenderConfig(seconds=1.0, fps=6.0, warp=warp, blend=blend, loop=loop)  # type: ignore[arg-type]
    frames = loop_of(photo, mask, drift(photo, 20.0), config)
    still = mask.alpha.numpy() == 0
    assert np.array_equal(frames[0], photo.pixels_u8.numpy())
    assert all(np.array_equal(frame[still], photo.pixels_u8.numpy()[still]) for frame in frames)
    assert all(not np.array_equal(a, b) for a, b in pairwise([*frames, frames[0]]))


def test_the_default_neither_jumps_nor_pulses_nor_fades() -> None:
    """The limits are those of a clean loop (`eval_loops.py`); the small scene comes within half of them."""
    report, _ = report_of(RenderConfig(seconds=2.0, fps=12.0))
    assert 0.8 < report.seam < 1.2
    assert report.pulse < 0.1
    assert all(0.9 < texture < 1.1 for texture in report.texture)


def test_the_linear_blend_fades_in_mid_cycle() -> None:
    """Why the default is not the paper's blend."""
    linear, _ = report_of(RenderConfig(seconds=2.0, fps=12.0, blend="linear"))
    assert linear.texture[1] < 0.85


def test_texture_moves_with_the_flow() -> None:
    """Early in the cycle, before the second source has weight, the picture is the photo, shifted."""
    photo = noise_photo(128, 96)
    mask = Mask(torch.ones(96, 128), "given")
    frames = loop_of(photo, mask, drift(photo, 24.0), RenderConfig(seconds=4.0, fps=24.0))
    shifted = photo.pixels_u8.numpy()[:, :-2]  # 24 px/s at 24 frames/s: frame 2 is two pixels on
    error = np.abs(frames[2][:, 2:].astype(float) - shifted).mean()
    unmoved = np.abs(frames[2].astype(float) - photo.pixels_u8.numpy()).mean()
    assert error < 0.35 * unmoved


@pytest.mark.parametrize("fill", ["smooth", "paper"])
@pytest.mark.parametrize("warp", ["coordinates", "splat"])
def test_strong_divergence_leaves_no_holes(fill: str, warp: str) -> None:
    """A flow away from the centre tears the grid apart; nothing may stay empty (black) or not finite."""
    photo = noise_photo()
    y, x = torch.meshgrid(torch.arange(32) - 16.0, torch.arange(48) - 24.0, indexing="ij")
    motion = Motion(torch.stack([x, y]) * 1.5, "given")
    mask = Mask(torch.ones(64, 96), "given")
    config = RenderConfig(seconds=1.0, fps=6.0, fill=fill, warp=warp)  # type: ignore[arg-type]
    frames = loop_of(photo, mask, motion, config)
    darkest = int(photo.pixels_u8.min())
    assert min(int(frame.min()) for frame in frames) >= darkest - 40


def test_origins_of_a_shift_are_its_opposite() -> None:
    field = torch.zeros(2, 20, 30)
    field[0], field[1] = 2.5, -1.0
    offsets = splat_origins(field, (4, 4), "smooth")
    assert offsets.shape == (2, 12, 22)
    torch.testing.assert_close(offsets[0], torch.full((12, 22), -2.5))
    torch.testing.assert_close(offsets[1], torch.full((12, 22), 1.0))


def origins_at(weight: float, offset: float) -> Origins:
    return Origins(torch.full((2, 2, 8, 8), offset), weight)


@pytest.mark.parametrize(("likeness", "weight", "gain"), [(0.0, 0.5, 2**0.5), (1.0, 0.3, 1.0), (0.0, 0.0, 1.0)])
def test_gain_restores_what_averaging_takes(likeness: float, weight: float, gain: float) -> None:
    contrast = Contrast(torch.full((4, 4), likeness), losses=(1.0,) * 5, whole=1.0)
    torch.testing.assert_close(contrast.gain(origins_at(weight, 9.0), 8), torch.full((4, 4), gain))


def test_some_rows_tell_the_contrast_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    texture = noise_photo(640, 640).pixels.mean(0, keepdim=True) - 0.5
    needed = torch.ones(640, 640, dtype=torch.uint8)
    ways = torch.tensor([-0.3, 0.2])[:, None, None].expand(2, 64, 64)
    moments = [Origins(torch.stack([-6.0 * w * ways, 6.0 * (1 - w) * ways]), w) for w in (0.0, 0.25, 0.5, 0.75)]
    (some,) = measure_contrast((texture,), (needed,), moments)
    monkeypatch.setattr(contrast_module, "ROWS", 640)
    (every,) = measure_contrast((texture,), (needed,), moments)
    assert some.losses != every.losses, "all rows were looked at"
    assert some.losses == pytest.approx(every.losses, abs=0.01)
    torch.testing.assert_close(some.likeness, every.likeness, atol=0.1, rtol=0)


def test_loss_is_made_good_only_once_things_moved() -> None:
    contrast = Contrast(torch.ones(4, 4), losses=(0.8,) * 5, whole=1.0)
    assert contrast.gain(origins_at(0.0, 0.0), 8).max() == 1
    assert contrast.gain(origins_at(0.4, 3.0), 8).mean() == pytest.approx(1.25)


def test_loss_follows_the_travel() -> None:
    """What has gone further has lost more: the gain of each source is read off the curve at its own travel."""
    contrast = Contrast(torch.ones(4, 4), losses=(1.0, 0.95, 0.9, 0.85, 0.8), whole=2.0)
    near, far = (Origins(torch.full((2, 2, 8, 8), travel * 8 / 2**0.5), 0.0) for travel in (0.5, 2.0))  # of the width
    assert contrast.gain(near, 8).mean() == pytest.approx(1 / 0.95)
    assert contrast.gain(far, 8).mean() == pytest.approx(1 / 0.8)
    less = replace(contrast, kept=0.9)
    assert less.gain(near, 8).mean() == pytest.approx(1 / (0.95 * 0.9))
    assert less.gain(origins_at(0.0, 0.0), 8).max() == 1


def test_still_texture_is_not_amplified() -> None:
    """A flow of a hundredth of a pixel: both sources show the same, and averaging them loses nothing."""
    report, _ = report_of(RenderConfig(seconds=1.0, fps=8.0), speed=0.01)
    assert all(0.98 < texture < 1.02 for texture in report.texture)


@pytest.mark.parametrize("warp", WARPS)
def test_any_list_of_bands_can_be_warped(warp: str) -> None:
    """Bands of a generator need not be a Laplacian pyramid: any sizes, the upsampled sum is the picture."""
    generator = torch.Generator().manual_seed(0)
    levels: tuple[Tensor, ...] = tuple(torch.rand(3, n, n, generator=generator) / 3 for n in (8, 16, 64))
    motion = Motion(torch.ones(2, 16, 16), "given")
    config = RenderConfig(seconds=1.0, fps=4.0, warp=warp)  # type: ignore[arg-type]
    frames = list(
        warped_frames(collapse(Bands(levels)), Bands(levels), motion, torch.ones(64, 64, dtype=torch.uint8), config)
    )
    assert len(frames) == 4
    assert all(frame.shape == (3, 64, 64) and bool(frame.isfinite().all()) for frame in frames)

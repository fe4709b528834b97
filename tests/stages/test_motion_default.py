"""The default motion on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from cinegan_cli.config import MotionConfig
from cinegan_cli.session import Session
from cinegan_cli.stages.motion.make import make_motion
from cinegan_cli.types import Mask, Motion, Photo

Array = np.ndarray


def default_motion(photo: Photo, mask: Mask) -> Motion:
    """What moves how when nobody says anything."""
    return make_motion(photo, mask, MotionConfig(), session=Session())


def streaks(height: int, width: int, degrees: float, seed: int = 0) -> Array:
    """Grey noise [h, w] drawn out along an angle (0 level, 90 upright, towards +y)."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    kernel = np.zeros((41, 41), np.float32)
    angle = np.radians(degrees)
    end = (20 + round(20 * np.cos(angle)), 20 + round(20 * np.sin(angle)))
    cv2.line(kernel, (40 - end[0], 40 - end[1]), end, 1.0)
    drawn = cv2.filter2D(noise, -1, kernel / kernel.sum())
    return np.clip(0.7 + 0.6 * drawn, 0, 1)


def photo_of(grey: Array) -> Photo:
    pixels = torch.from_numpy(np.repeat(grey[None], 3, 0).astype(np.float32))
    u8 = (pixels.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous()
    return Photo(pixels, u8, (grey.shape[1], grey.shape[0]), (0.0, 0.0, grey.shape[1], grey.shape[0]))


def mask_of(sky: Array, water: Array) -> Mask:
    sky, water = sky.astype(np.float32), water.astype(np.float32)
    return Mask(torch.from_numpy(np.maximum(sky, water)), "predicted", torch.from_numpy(sky), torch.from_numpy(water))


def fall(degrees: float = 90.0) -> tuple[Photo, Mask]:
    """White streaks in a slot between dark rocks."""
    height, width = 240, 200
    water = np.zeros((height, width), bool)
    water[30:220, 70:130] = True
    grey = np.where(water, streaks(height, width, degrees), 0.15)
    return photo_of(grey), mask_of(np.zeros_like(water), water)


def test_falls_go_down_fast() -> None:
    photo, mask = fall()
    velocity = default_motion(photo, mask).velocity[:, 60:190, 80:120].numpy()
    assert velocity[1].min() > 0.03 * 240  # of the longer side per second
    assert velocity[1].max() < 0.07 * 240  # a cycle of 4 s stays under 28 % of the picture
    assert np.abs(velocity[0]).max() < 0.2 * velocity[1].min()


@pytest.mark.parametrize("degrees", [60.0, 120.0])
def test_slanted_streams_follow_their_streaks_downhill(degrees: float) -> None:
    photo, mask = fall(degrees)
    velocity = default_motion(photo, mask).velocity[:, 60:190, 80:120].numpy()
    angle = np.degrees(np.arctan2(velocity[1], velocity[0]))
    assert np.abs(angle - degrees).mean() < 12
    assert velocity[1].min() > 0


def test_one_region_flows_in_one_sense() -> None:
    """Streaks from slanted to nearly level: neighbours never flow against each other."""
    height, width = 200, 300
    water = np.zeros((height, width), bool)
    water[40:190] = True
    grey = np.where(np.arange(width) < 150, streaks(height, width, 40.0), streaks(height, width, 5.0))
    velocity = default_motion(photo_of(grey), mask_of(~water & False, water)).velocity.numpy()
    inside = velocity[:, 45:185]
    assert (inside[:, :, 1:] * inside[:, :, :-1]).sum(0).min() >= 0
    assert inside[0].mean() > 0


def test_sky_is_slower_towards_the_horizon() -> None:
    height, width = 200, 300
    sky = np.zeros((height, width), bool)
    sky[:120] = True
    grey = np.where(sky, streaks(height, width, 0.0), 0.2)
    velocity = default_motion(photo_of(grey), mask_of(sky, sky & False)).velocity.numpy()
    rows = velocity[0, :118].mean(1)
    assert (np.diff(rows) < 1e-3).all()
    assert rows[2] > 2.5 * rows[115] > 0
    assert 0.015 * width < rows[2] < 0.04 * width


def lake(mirrored: bool) -> tuple[Photo, Mask]:
    """Sky, uneven mountains, a level shore, and below it their mirror image or level waves."""
    height, width = 200, 300
    ridge = 50 + 15 * np.sin(np.arange(width) / 17) + 8 * np.sin(np.arange(width) / 5)
    rows = np.arange(100)[:, None]
    above = np.where(rows > ridge, 0.25 + 0.15 * streaks(100, width, 70.0, 3), 0.85).astype(np.float32)
    below = above[::-1] * 0.9 if mirrored else streaks(100, width, 0.0, 4)
    grey = np.concatenate([above, below])
    sky, water = np.zeros((height, width), bool), np.zeros((height, width), bool)
    sky[:100], water[100:] = rows <= ridge, True
    return photo_of(grey), mask_of(sky, water)


def test_reflections_hardly_move_and_waves_drift_gently() -> None:
    speeds = {}
    for mirrored in (True, False):
        photo, mask = lake(mirrored)
        speeds[mirrored] = default_motion(photo, mask).velocity[:, 110:].norm(dim=0).numpy() / 300
    assert speeds[True].min() > 0
    assert speeds[True].max() < 0.006
    assert 0.012 < speeds[False].max() < 0.03
    assert speeds[False][:20].mean() < 0.7 * speeds[False][-30:].mean()


@pytest.mark.parametrize(("certainty", "falls"), [(0.55, True), (1.0, False)])
def test_a_fall_that_is_doubtfully_sky_falls(certainty: float, falls: bool) -> None:
    """Networks take white falls for sky, but not with certainty; sure sky stays sky, whatever its streaks."""
    photo, mask = fall()
    sky = mask.alpha * certainty
    velocity = default_motion(photo, Mask(mask.alpha, "predicted", sky, mask.alpha - sky)).velocity
    middle = velocity[:, 60:190, 90:110].mean((1, 2))
    assert (middle[1] > 5 * middle[0].abs()) == falls
    assert (middle[0] > 5 * middle[1].abs()) != falls


def test_a_cloud_taken_for_water_stays_sky() -> None:
    """Sky lies above water: a patch of "water" with sky over and under it drifts with the sky."""
    photo, mask = lake(False)
    assert mask.sky is not None
    assert mask.water is not None
    sky, water = mask.sky.clone(), mask.water.clone()
    sky[10:22, 100:180], water[10:22, 100:180] = 0.3, 0.7
    wrong = default_motion(photo, Mask(mask.alpha, "predicted", sky, water)).velocity
    torch.testing.assert_close(wrong, default_motion(photo, mask).velocity, atol=0.05, rtol=0)


def test_a_mask_by_file_is_sorted_into_sky_and_water() -> None:
    """The same lake without classes: sky and water found by place, the horizon by its edge."""
    photo, mask = lake(False)
    known = default_motion(photo, mask).velocity
    guessed = default_motion(photo, Mask(mask.alpha, "given")).velocity
    inside = mask.alpha > 0
    difference = (known - guessed).norm(dim=0)[inside].median()
    assert difference < 0.25 * known.norm(dim=0)[inside].median()


def test_a_fall_by_file_that_touches_the_top_still_falls() -> None:
    height, width = 240, 200
    water = np.zeros((height, width), np.float32)
    water[:150, 70:130] = 1.0
    grey = np.where(water > 0, streaks(height, width, 90.0), 0.15)
    velocity = default_motion(photo_of(grey), Mask(torch.from_numpy(water), "given")).velocity
    assert velocity[1, 30:120, 80:120].min() > 0.03 * 240


def test_the_default_is_smooth_inside_regions() -> None:
    photo, mask = lake(False)
    velocity = default_motion(photo, mask).velocity
    for inside in (velocity[:, 102:], velocity[:, :40]):
        for axis in (1, 2):
            assert inside.diff(dim=axis).abs().max() < 0.1 * velocity.norm(dim=0).max()


@pytest.mark.parametrize("size", [(2, 2), (2, 40), (40, 2), (16, 16), (10, 300)])
def test_tiny_and_thin_pictures_work(size: tuple[int, int]) -> None:
    photo = photo_of(np.random.default_rng(0).random(size).astype(np.float32))
    for alpha in (torch.ones(size), torch.zeros(size)):
        velocity = default_motion(photo, Mask(alpha, "given")).velocity
        assert velocity.isfinite().all()

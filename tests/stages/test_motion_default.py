"""The motion of kinds: pictures whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from cinegan_cli.config import MotionConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.motion.make import make_motion
from cinegan_cli.types import FALLS, KINDS, LAKE, RIVER, SEA, SKY, Mask, Motion, Photo, Sight

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


def scene(size: tuple[int, int], **areas: tuple[slice, slice]) -> tuple[Photo, Mask]:
    """A photo without structure of (height, width), and what is seen in it: later kinds lie over earlier ones."""
    seen = np.zeros(size, np.uint8)
    for kind, area in areas.items():
        seen[area] = KINDS.index(kind.rstrip("_"))
    return photo_of(np.full(size, 0.5, np.float32)), mask_seen(seen)


def mask_seen(seen: Array, heading: tuple[float, float] = (0.0, 0.0)) -> Mask:
    """The mask of a seer that is sure of its kinds, indices in KINDS [h, w]; and of one heading everywhere."""
    kinds = torch.from_numpy(np.eye(len(KINDS), dtype=np.float32)[seen]).permute(2, 0, 1).contiguous()
    plain = torch.zeros(2, *seen.shape)
    headings = plain + torch.tensor(heading)[:, None, None]
    alpha = torch.from_numpy((seen > 0).astype(np.float32))
    return Mask(alpha, "given", sight=Sight(kinds, headings, plain, plain[0]))


def speeds(velocity: torch.Tensor) -> torch.Tensor:
    """Widths per second, [h, w]."""
    return velocity.norm(dim=0) / velocity.shape[2]


def test_falls_go_down_fast_and_slower_at_their_brink() -> None:
    photo, mask = scene((240, 200), falls=np.s_[30:220, 70:130])
    velocity = default_motion(photo, mask).velocity
    assert (velocity[1, 40:210, 80:120] > 10 * velocity[0, 40:210, 80:120].abs()).all()
    assert 0.06 < speeds(velocity)[120, 100] < 0.3
    assert speeds(velocity)[36, 100] < 0.8 * speeds(velocity)[200, 100]


def test_a_slanted_fall_follows_its_own_axis() -> None:
    rows, columns = np.mgrid[0:240, 0:240]
    seen = np.where(np.abs(columns - 40 - rows * 0.6) < 14, KINDS.index("falls"), 0)
    velocity = default_motion(photo_of(np.full((240, 240), 0.5)), mask_seen(seen)).velocity
    x, y = velocity[:, 120, 112]
    assert 0.25 < float(x / y) < 0.8


def test_a_river_follows_its_bed_from_its_far_end_to_the_viewer() -> None:
    """A bed with two bends: down, to the right, and down again to the lower border."""
    photo, mask = scene(
        (240, 320), river=np.s_[40:130, 60:90], river_=np.s_[110:140, 60:240], river__=np.s_[110:240, 210:240]
    )
    velocity = default_motion(photo, mask).velocity
    for place, way in (((70, 75), (0, 1)), ((125, 150), (1, 0)), ((190, 225), (0, 1))):
        flow = velocity[:, place[0], place[1]]
        assert float(flow @ torch.tensor(way, dtype=torch.float32)) > 0.9 * float(flow.norm()) > 0
    assert speeds(velocity)[230, 225] > 2 * speeds(velocity)[50, 75]  # near and far


def test_a_sure_seer_turns_a_river_about() -> None:
    seen = np.zeros((200, 300), int)
    seen[60:, 120:180] = KINDS.index("river")
    photo = photo_of(np.full((200, 300), 0.5))
    for heading, sign in (((0.0, 0.0), 1), ((0.0, -0.65), -1)):
        assert (sign * default_motion(photo, mask_seen(seen, heading)).velocity[1, 90:180, 140:160] > 0).all()


def test_water_runs_off_from_the_foot_of_a_fall() -> None:
    photo, mask = scene((240, 320), falls=np.s_[20:120, 140:180], lake=np.s_[120:240, :])
    velocity = default_motion(photo, mask).velocity
    assert velocity[0, 150, 230] > 0 > velocity[0, 150, 90]
    assert velocity[1, 180, 160] > 0
    assert speeds(velocity)[128, 160] > 2 * speeds(velocity)[230, 20]


@pytest.mark.parametrize(("beach", "sign"), [(np.s_[:, :100], -1), (np.s_[:, 220:], 1)])
def test_surf_runs_up_the_beach(beach: tuple[slice, slice], sign: int) -> None:
    photo, mask = scene((240, 320), sky=np.s_[:60, :], surf=np.s_[60:, :], static=(slice(60, None), beach[1]))
    velocity = default_motion(photo, mask).velocity[:, 120:220, 130:190]
    assert (sign * velocity[0] > 0).float().mean() > 0.9


def test_waves_come_to_the_viewer_and_are_slower_far_away() -> None:
    photo, mask = scene((240, 320), sky=np.s_[:80, :], sea=np.s_[80:, :])
    velocity = default_motion(photo, mask).velocity
    assert (velocity[1, 90:] > velocity[0, 90:].abs()).all()
    assert speeds(velocity)[230, 160] > 2.5 * speeds(velocity)[95, 160]


def test_a_sure_heading_holds_for_the_sea() -> None:
    seen = np.full((120, 160), KINDS.index("sea"))
    velocity = default_motion(photo_of(np.full((120, 160), 0.5)), mask_seen(seen, (-0.9, 0.0))).velocity
    assert (velocity[0] < -5 * velocity[1].abs()).all()


def test_sky_is_slower_towards_the_horizon_and_goes_right() -> None:
    photo, mask = scene((200, 300), sky=np.s_[:120, :])
    velocity = default_motion(photo, mask).velocity
    rows = velocity[0, 4:116].mean(1)
    assert (rows.diff() < 1e-3).all()
    assert rows[0] > 2 * rows[-1] > 0
    assert 0.015 * 300 < rows[0] < 0.04 * 300


@pytest.mark.parametrize("degrees", [25.0, 155.0])
def test_clouds_drift_along_the_seers_axis(degrees: float) -> None:
    photo, mask = scene((200, 300), sky=np.s_[:160, :])
    assert mask.sight is not None
    angle = np.radians(2 * degrees)
    axis = torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float32)[:, None, None].expand(2, 200, 300)
    seen = replace(mask, sight=replace(mask.sight, axis=axis.contiguous()))
    x, y = default_motion(photo, seen).velocity[:, 30:120, 50:250].mean((1, 2))
    assert x > 0
    assert float(torch.atan2(y, x).rad2deg()) == pytest.approx(degrees if degrees < 90 else degrees - 180, abs=15)


def test_kinds_have_their_own_speeds_and_join_smoothly() -> None:
    photo, mask = scene((240, 320), river=np.s_[:120, 100:220], rapids=np.s_[120:, 100:220])
    velocity = default_motion(photo, mask).velocity[:, :, 110:210]
    assert speeds(velocity)[180].mean() > 1.5 * speeds(velocity)[60].mean() > 0
    assert velocity.diff(dim=1).abs().max() < 0.1 * velocity.norm(dim=0).max()


def test_labels_say_what_is_where() -> None:
    photo, mask = scene((200, 300), sky=np.s_[:80, :], sea=np.s_[100:, :])
    motion = default_motion(photo, mask)
    assert motion.kinds is not None
    assert motion.nearness is not None
    assert motion.kinds.dtype == torch.uint8
    assert motion.kinds.shape == motion.nearness.shape == motion.velocity.shape[1:]
    assert [int(motion.kinds[row, 150]) for row in (40, 90, 150)] == [SKY, 0, SEA]
    assert 0 < motion.nearness.min() < 0.1
    assert motion.nearness.max() == 1


def test_a_crumb_of_another_kind_goes_along_with_what_is_around() -> None:
    photo, mask = scene((200, 300), sea=np.s_[100:, :], falls=np.s_[150:156, 150:156])
    motion = default_motion(photo, mask)
    assert motion.kinds is not None
    assert (motion.kinds[105:, 5:-5] == SEA).all()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((), (SEA, LAKE)),
        (("river",), (RIVER, RIVER)),
        (("river@150,50",), (RIVER, LAKE)),
        (("river", "falls@150,180"), (RIVER, FALLS)),
        (("sky",), (SKY, SKY)),  # nothing is sky: all of it is meant
    ],
)
def test_kind_is_heeded(asked: tuple[str, ...], found: tuple[int, int]) -> None:
    photo, mask = scene((200, 300), sea=np.s_[20:90, 50:250], lake=np.s_[120:190, 50:250])
    kinds = make_motion(photo, mask, MotionConfig(kind=asked), session=Session()).kinds
    assert kinds is not None
    assert (int(kinds[50, 150]), int(kinds[150, 150])) == found


@pytest.mark.parametrize("kind", ["ocean", "falls@", "falls@1", "falls@9999,5", "falls@a,b", "falls@5,5", "static"])
def test_a_wrong_kind_is_one_line(kind: str) -> None:
    photo, mask = scene((200, 300), sea=np.s_[100:, :])
    with pytest.raises(UsageError) as caught:
        make_motion(photo, mask, MotionConfig(kind=(kind,)), session=Session())
    assert f"--kind {kind}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "sky", "lake", "river"),
    [
        (MotionConfig(), 0, 1, 0),
        (MotionConfig(water="ripple"), 0, 1, 1),
        (MotionConfig(water="flow"), 0, 0, 0),
        (MotionConfig(arrow=((150.0, 100.0, 160.0, 100.0),)), 0, 0, 0),
    ],
)
def test_ripple_is_for_calm_water_unless_told(config: MotionConfig, sky: float, lake: float, river: float) -> None:
    photo, mask = scene((200, 300), sky=np.s_[:50, :], lake=np.s_[80:120, :], river=np.s_[150:, 100:200])
    ripple = make_motion(photo, mask, config, session=Session()).ripple
    assert ripple is not None
    for row, share in ((25, sky), (100, lake), (180, river)):
        assert float(ripple[row, 150]) == pytest.approx(share, abs=0.01)


def test_without_a_seer_a_fall_by_file_that_touches_the_top_falls() -> None:
    height, width = 240, 200
    water = np.zeros((height, width), np.float32)
    water[:150, 70:130] = 1.0
    grey = np.where(water > 0, streaks(height, width, 90.0), 0.15)
    motion = default_motion(photo_of(grey), Mask(torch.from_numpy(water), "given"))
    assert motion.velocity[1, 30:120, 80:120].min() > 0.03 * 240
    assert motion.kinds is not None
    assert int(motion.kinds[75, 100]) == FALLS


def test_without_a_seer_sky_is_what_touches_the_top() -> None:
    moving = np.zeros((200, 300), np.float32)
    moving[:80], moving[120:] = 1.0, 1.0
    motion = default_motion(photo_of(np.full((200, 300), 0.5)), Mask(torch.from_numpy(moving), "given"))
    assert motion.kinds is not None
    assert [int(motion.kinds[row, 150]) for row in (40, 160)] == [SKY, LAKE]


@pytest.mark.parametrize("size", [(2, 2), (2, 40), (40, 2), (16, 16), (10, 300)])
@pytest.mark.parametrize("kind", [None, *KINDS[1:]])
def test_tiny_and_thin_pictures_work(size: tuple[int, int], kind: str | None) -> None:
    photo = photo_of(np.random.default_rng(0).random(size).astype(np.float32))
    for alpha in (torch.ones(size), torch.zeros(size)):
        seen = alpha.int().numpy() * KINDS.index(kind or "static")
        mask = Mask(alpha, "given") if kind is None else mask_seen(seen)
        velocity = default_motion(photo, mask).velocity
        assert velocity.isfinite().all()

"""The motion stage: options, directions, speed, grey masks, extension, windows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cinegan_cli.config import MotionConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.motion.extend import grid_size
from cinegan_cli.stages.motion.make import make_motion
from cinegan_cli.stages.motion.picture import colour_wheel
from cinegan_cli.types import Mask, Motion, Photo

Window = tuple[float, float, float, float]


def photo_of(pixels: Tensor, window: Window | None = None, source: tuple[int, int] | None = None) -> Photo:
    """A photo of [3, H, W] in [0, 1]; by default the whole file."""
    height, width = pixels.shape[1:]
    u8 = (pixels.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous()
    return Photo(pixels.contiguous(), u8, source or (width, height), window or (0.0, 0.0, width, height))


def noise(width: int = 96, height: int = 64, seed: int = 0) -> Photo:
    return photo_of(torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed)))


def moving(photo: Photo, value: float = 1.0) -> Mask:
    return Mask(torch.full(photo.size[::-1], value), "given")


def save_field(path: Path, field: np.ndarray) -> Path:
    np.save(path, field)
    return path


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((1024, 1024), (512, 512)),
        ((3840, 2160), (512, 288)),
        ((600, 1200), (256, 512)),
        ((96, 64), (96, 64)),
        ((20000, 10), (512, 2)),
    ],
)
def test_grid_has_near_square_cells(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert grid_size(*size) == grid


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("right", (1, 0)),
        ("left", (-1, 0)),
        ("up", (0, -1)),
        ("down", (0, 1)),
        ("90deg", (0, -1)),
        ("210deg", (-math.sqrt(3) / 2, 0.5)),
        ("-30", (math.sqrt(3) / 2, 0.5)),
    ],
)
def test_direction_turns_everything_and_keeps_the_speeds(text: str, unit: tuple[float, float]) -> None:
    photo = noise()
    default = make_motion(photo, moving(photo), MotionConfig(), session=Session()).velocity
    motion = make_motion(photo, moving(photo), MotionConfig(direction=text), session=Session())
    expected = default.norm(dim=0) * torch.tensor(unit)[:, None, None]
    torch.testing.assert_close(motion.velocity, expected, atol=1e-4, rtol=1e-4)
    assert motion.provenance == "given"


@pytest.mark.parametrize("config", [MotionConfig(), MotionConfig(arrow=((10, 10, 30, 20),))])
def test_speed_is_a_factor(config: MotionConfig) -> None:
    photo = noise()
    slow = make_motion(photo, moving(photo), config, session=Session()).velocity
    fast = make_motion(photo, moving(photo), MotionConfig(arrow=config.arrow, speed=2.5), session=Session()).velocity
    assert slow.abs().max() > 0
    torch.testing.assert_close(fast, slow * 2.5)


def test_default_is_deterministic_finite_and_called_default() -> None:
    photo = noise()
    first, second = (make_motion(photo, moving(photo), MotionConfig(), session=Session()) for _ in range(2))
    assert torch.equal(first.velocity, second.velocity)
    assert first.velocity.isfinite().all()
    assert first.velocity.dtype == torch.float32
    assert first.provenance == "default"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (MotionConfig(direction="north"), "--direction north"),
        (MotionConfig(direction="infdeg"), "--direction infdeg"),
        (MotionConfig(direction="up", arrow=((1, 1, 2, 2),)), "--direction and --arrow"),
        (MotionConfig(motion=Path("x.npy"), direction="up"), "--motion and --direction"),
        (MotionConfig(motion=Path("x.npy"), anchor=((1, 1),)), "--anchor"),
        (MotionConfig(arrow=((1, 1, 200, 2),)), "leaves the picture, which is 96x64 px"),
        (MotionConfig(arrow=((1, 1, math.inf, 2),)), "leaves the picture"),
        (MotionConfig(arrow=((5, 5, 5, 5),)), "--anchor 5,5"),
        (MotionConfig(anchor=((-1, 5),)), "outside the picture"),
    ],
)
def test_bad_options_are_one_line(config: MotionConfig, words: str) -> None:
    photo = noise()
    with pytest.raises(UsageError) as caught:
        make_motion(photo, moving(photo), config, session=Session())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_keeps_its_grid_and_becomes_per_second(tmp_path: Path) -> None:
    field = np.random.default_rng(1).normal(size=(1, 2, 32, 48)).astype(np.float16)
    photo = noise()
    motion = make_motion(
        photo, moving(photo), MotionConfig(motion=save_field(tmp_path / "m.npy", field)), session=Session()
    )
    torch.testing.assert_close(motion.velocity, torch.from_numpy(field[0].astype(np.float32)) * 30)
    assert motion.provenance == "given"
    assert motion.notices == ()


@pytest.mark.parametrize(("shape", "count"), [((2, 32, 32), 0), ((2, 64, 32), 1), ((2, 32, 48), 0)])
def test_a_field_of_another_shape_is_stretched_with_a_notice(
    tmp_path: Path, shape: tuple[int, ...], count: int
) -> None:
    photo = noise()
    file = save_field(tmp_path / "m.npy", np.ones(shape))
    motion = make_motion(photo, moving(photo), MotionConfig(motion=file), session=Session())
    assert len(motion.notices) == count
    assert motion.velocity.shape == shape


def test_a_grey_mask_halves_the_speed_but_a_soft_edge_does_not(tmp_path: Path) -> None:
    path = save_field(tmp_path / "m.npy", np.ones((2, 64, 96)))
    photo = noise()
    alpha = torch.zeros(64, 96)
    alpha[:, 2:40], alpha[:, 60:] = 1.0, 0.5
    alpha[:, 40] = 0.5  # one soft column at the edge
    velocity = make_motion(photo, Mask(alpha, "given"), MotionConfig(motion=path), session=Session()).velocity
    torch.testing.assert_close(velocity[:, :, 2:41], torch.full((2, 64, 39), 30.0), rtol=2e-3, atol=0)
    torch.testing.assert_close(velocity[:, :, 64:], torch.full((2, 64, 32), 15.0), rtol=2e-3, atol=0)


def test_beyond_the_mask_the_field_goes_on_between_the_values_inside(tmp_path: Path) -> None:
    field = np.zeros((2, 64, 96), np.float32)
    field[0, :, :48], field[0, :, 48:] = 1.0, 3.0
    field[:, 20:, :] = 1000.0  # static there: never looked at
    photo = noise()
    alpha = torch.zeros(64, 96)
    alpha[:16] = 1.0
    config = MotionConfig(motion=save_field(tmp_path / "m.npy", field))
    velocity = make_motion(photo, Mask(alpha, "given"), config, session=Session()).velocity
    assert velocity[0].min() >= 30 - 1e-3
    assert velocity[0].max() <= 90 + 1e-3
    assert velocity[0, 30, 8].item() == pytest.approx(30, rel=0.05)
    assert velocity[0, 30, 88].item() == pytest.approx(90, rel=0.05)


def test_a_cropped_photo_cuts_the_field_alike(tmp_path: Path) -> None:
    """A window of the right half: the grid's right half, the same px per second."""
    field = np.random.default_rng(2).normal(size=(2, 32, 48)).astype(np.float32)
    photo = photo_of(torch.zeros(3, 64, 48), (48.0, 0.0, 48.0, 64.0), (96, 64))
    motion = make_motion(
        photo, moving(photo), MotionConfig(motion=save_field(tmp_path / "m.npy", field)), session=Session()
    )
    torch.testing.assert_close(motion.velocity, torch.from_numpy(field[:, :, 24:]) * 30, atol=1e-3, rtol=1e-4)


def test_padding_a_photo_keeps_speeds_in_photo_pixels(tmp_path: Path) -> None:
    """--fit pad: the window reaches beyond the file. 1 grid px/frame of a 48-wide grid on a 96-wide file is 60 px/s."""
    photo = photo_of(torch.zeros(3, 64, 128), (-16.0, 0.0, 128.0, 64.0), (96, 64))
    path = save_field(tmp_path / "m.npy", np.ones((2, 32, 48)))
    velocity = make_motion(photo, moving(photo), MotionConfig(motion=path), session=Session()).velocity
    assert velocity.shape == (2, 32, 64)
    torch.testing.assert_close(velocity[0] * 128 / velocity.shape[2], torch.full((32, 64), 60.0))


def test_colour_wheel_shows_direction_and_stillness() -> None:
    velocity = torch.zeros(2, 32, 48)
    velocity[0, :, 24:] = 5.0
    picture = colour_wheel(Motion(velocity, "given"), arrows=False).numpy()
    assert picture.shape == (32, 48, 3)
    assert picture.dtype == np.uint8
    assert (picture[:, :24] == 255).all()
    assert (picture[:, 24:] == [255, 0, 0]).all()


@pytest.mark.parametrize("size", [(32, 48), (2, 2), (512, 300), (600, 20)])
def test_colour_wheel_with_arrows_is_readable_at_any_size(size: tuple[int, int]) -> None:
    velocity = torch.ones(2, *size)
    picture = colour_wheel(Motion(velocity, "given")).numpy()
    assert max(picture.shape[:2]) == max(480, *size)
    assert (picture < 100).all(-1).any()  # dark arrows are there
    still = colour_wheel(Motion(velocity * 0, "given")).numpy()
    assert (still == 255).all(-1).mean() > 0.8

"""Compact sharp-edged things inside what moves are held still; clouds, waves and rocks beside it are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cinegan_cli.stages.mask.objects import without_objects

Bytes = NDArray[np.uint8]
ALL = np.ones((400, 640), np.float32)


def sky(seed: int = 0) -> Bytes:
    """Blue, with soft clouds of several sizes, uint8 [400, 640, 3]."""
    generator = np.random.default_rng(seed)
    clouds = np.zeros((400, 640), np.float32)
    for cells in (3, 6, 12):
        small = generator.random((cells, 2 * cells), np.float32)
        clouds += cv2.resize(small, (640, 400), interpolation=cv2.INTER_CUBIC) / 3
    share = np.clip(4 * clouds - 1.8, 0, 1)[:, :, None]
    return np.asarray((1 - share) * np.array([70, 120, 200]) + share * np.array([240, 240, 245]), np.uint8)


def held(picture: Bytes, alpha: NDArray[np.float32] = ALL) -> NDArray[np.float32]:
    """Where things are held still that `alpha` would move, [H, W]."""
    return alpha - without_objects(picture, alpha)[0]


def middles(picture: Bytes, alpha: NDArray[np.float32] = ALL) -> list[tuple[float, float]]:
    """Of the things that are held, left to right."""
    _, _, _, found = cv2.connectedComponentsWithStats((held(picture, alpha) > 0.5).astype(np.uint8))
    return sorted((float(x), float(y)) for x, y in found[1:])


def test_a_cloudy_sky_has_none() -> None:
    for seed in range(4):
        assert without_objects(sky(seed), ALL)[1] == ()


def test_white_noise_has_none() -> None:
    """What is everywhere alike does not stand out, however sharp."""
    noise = np.random.default_rng(1).integers(0, 255, (400, 640, 3), np.uint8)
    assert middles(noise) == []


@pytest.mark.parametrize("colour", [(250, 30, 30), (20, 20, 25)])
@pytest.mark.parametrize("radius", [8, 25])
def test_a_disc_is_found_where_it_is(colour: tuple[int, int, int], radius: int) -> None:
    picture = sky()
    cv2.circle(picture, (200, 150), radius, colour, -1, cv2.LINE_AA)
    ((x, y),) = middles(picture)
    assert x == pytest.approx(200, abs=2)
    assert y == pytest.approx(150, abs=2)
    still = held(picture)
    rows, columns = np.indices(still.shape)
    inside = np.hypot(columns - 200, rows - 150) <= radius
    assert still[inside].min() == 1
    assert still.sum() < 1.9 * inside.sum(), "and little around it"


def test_the_place_is_in_pixels_of_the_photo() -> None:
    picture = cv2.resize(sky(), (1920, 1200))
    cv2.circle(picture, (900, 600), 60, (250, 30, 30), -1, cv2.LINE_AA)
    _, (notice,) = without_objects(np.asarray(picture, np.uint8), cv2.resize(ALL, (1920, 1200)))
    x, y = (int(number) for number in notice.split("(")[1].split(")")[0].split(","))
    assert abs(x - 900) < 10
    assert abs(y - 600) < 10


def test_lettering_is_found_letter_by_letter() -> None:
    picture = sky()
    for number, letter in enumerate("HELLO"):
        place = (60 + 110 * number, 200)
        cv2.putText(picture, letter, place, cv2.FONT_HERSHEY_SIMPLEX, 2.5, (250, 40, 40), 8, cv2.LINE_AA)
    assert len(middles(picture)) == 5
    assert "2 more" in without_objects(picture, ALL)[1][0]


def test_what_stands_outside_or_is_soft_is_not_held() -> None:
    picture = sky()
    cv2.circle(picture, (200, 150), 25, (250, 30, 30), -1, cv2.LINE_AA)
    static = ALL.copy()
    static[100:200, 100:300] = 0
    assert middles(picture, static) == []
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 8), np.uint8)
    assert middles(soft) == []


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (40, 30)])
def test_tiny_pictures_and_nothing_moving(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 128, np.uint8)
    for alpha in (np.ones(size, np.float32), np.zeros(size, np.float32)):
        assert np.array_equal(without_objects(picture, alpha)[0], alpha)


def test_in_white_water_things_are_only_named() -> None:
    picture = sky()
    cv2.circle(picture, (200, 150), 25, (250, 30, 30), -1, cv2.LINE_AA)
    cv2.circle(picture, (500, 150), 25, (250, 30, 30), -1, cv2.LINE_AA)
    white = np.zeros((40, 64), np.float32)
    white[:, :32] = 1
    alpha, notes = without_objects(picture, ALL, white)
    assert alpha[150, 200] == 1
    assert alpha[150, 500] == 0
    assert len(notes) == 2
    assert any("--freeze" in note for note in notes)

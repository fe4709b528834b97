"""Arrows, still points and labelme files, diffused inside the regions of the mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cinegan_cli.config import MotionConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.motion.diffusion import diffuse
from cinegan_cli.stages.motion.make import make_motion
from cinegan_cli.types import Mask, Photo

WIDTH, HEIGHT = 96, 64  # small photos are their own grid: grid px are photo px


def blank(window: tuple[float, float, float, float] = (0.0, 0.0, WIDTH, HEIGHT)) -> Photo:
    pixels = torch.full((3, HEIGHT, WIDTH), 0.5)
    return Photo(pixels, torch.full((HEIGHT, WIDTH, 3), 128, dtype=torch.uint8), (WIDTH, HEIGHT), window)


def halves() -> Mask:
    """Two regions with a static strip between them."""
    alpha = torch.ones(HEIGHT, WIDTH)
    alpha[:, 44:52] = 0.0
    return Mask(alpha, "given")


def everything() -> Mask:
    return Mask(torch.ones(HEIGHT, WIDTH), "given")


def test_one_arrow_moves_its_whole_region_and_no_other() -> None:
    motion = make_motion(blank(), halves(), MotionConfig(arrow=((10, 20, 22, 15),)), session=Session())
    torch.testing.assert_close(motion.velocity[0, :, :44], torch.full((64, 44), 12.0), rtol=0.01, atol=0)
    torch.testing.assert_close(motion.velocity[1, :, :44], torch.full((64, 44), -5.0), rtol=0.01, atol=0)
    assert torch.equal(motion.velocity[:, :, 52:], torch.zeros(2, 64, 44))
    assert motion.provenance == "given"
    assert len(motion.notices) == 1
    assert "1 moving area has no arrow" in motion.notices[0]


def test_two_arrows_are_met_exactly_and_mixed_between() -> None:
    config = MotionConfig(arrow=((8, 32, 18, 32), (88, 32, 78, 32)))
    velocity = make_motion(blank(), everything(), config, session=Session()).velocity
    torch.testing.assert_close(velocity[0, 32, 8:19], torch.full((11,), 10.0), rtol=0.01, atol=0)
    torch.testing.assert_close(velocity[0, 32, 78:89], torch.full((11,), -10.0), rtol=0.01, atol=0)
    assert abs(velocity[0, 32, 48].item()) < 0.5
    assert velocity[0].abs().max() <= 10.01  # a harmonic field has its extremes at the arrows
    assert velocity[0, 32].diff()[18:77].max() <= 1e-3
    assert velocity[1].abs().max() < 1e-3


def test_an_anchor_is_still_and_slows_what_is_near() -> None:
    config = MotionConfig(arrow=((8, 32, 18, 32),), anchor=((80, 32),))
    speed = make_motion(blank(), everything(), config, session=Session()).velocity.norm(dim=0)
    assert speed[32, 80] < 0.05
    assert speed[32, 80] < speed[32, 70] < speed[32, 40] < speed[32, 12]


def test_an_anchor_alone_stills_the_default_motion_around_it() -> None:
    plain = make_motion(blank(), everything(), MotionConfig(), session=Session()).velocity.norm(dim=0)
    held = make_motion(blank(), everything(), MotionConfig(anchor=((48, 32),)), session=Session()).velocity.norm(dim=0)
    assert held[32, 48] < 0.05 * plain[32, 48]
    assert held[2, 2] > 0.9 * plain[2, 2]


def test_the_window_maps_file_pixels() -> None:
    """The photo is the right half of the file, twice enlarged: an arrow of 12 file px is 24 photo px."""
    photo = blank((48.0, 0.0, 48.0, 32.0))
    velocity = make_motion(photo, everything(), MotionConfig(arrow=((60, 10, 72, 10),)), session=Session()).velocity
    torch.testing.assert_close(velocity[0], torch.full((64, 96), 24.0), rtol=0.01, atol=0)


def test_crumbs_go_along_with_their_surroundings() -> None:
    alpha = torch.ones(HEIGHT, WIDTH)
    alpha[:, 40:60] = 0.0
    alpha[30:33, 48:51] = 1.0  # sky between branches
    motion = make_motion(
        blank(), Mask(alpha, "given"), MotionConfig(arrow=((10, 20, 20, 20), (70, 20, 80, 20))), session=Session()
    )
    assert motion.velocity[0, 31, 49].item() == pytest.approx(10.0, rel=0.02)
    assert motion.notices == ()


def test_arrows_beside_what_moves() -> None:
    with pytest.raises(UsageError, match="where nothing moves"):
        make_motion(blank(), halves(), MotionConfig(arrow=((45, 20, 50, 25),)), session=Session())
    motion = make_motion(
        blank(), halves(), MotionConfig(arrow=((45, 20, 50, 25), (5, 5, 15, 5), (70, 5, 80, 5))), session=Session()
    )
    assert len(motion.notices) == 1
    assert "--arrow 45,20,50,25" in motion.notices[0]


def test_an_arrow_on_the_last_edge_counts() -> None:
    velocity = make_motion(blank(), everything(), MotionConfig(arrow=((96, 64, 86, 64),)), session=Session()).velocity
    torch.testing.assert_close(velocity[0], torch.full((64, 96), -10.0), rtol=0.01, atol=0)


def labelme(path: Path, shapes: list[dict[str, Any]], **extra: Any) -> Path:
    path.write_text(json.dumps({"shapes": shapes, "imageWidth": WIDTH, "imageHeight": HEIGHT} | extra))
    return path


def test_labelme_lines_paths_and_points(tmp_path: Path) -> None:
    shapes = [
        {"label": "motion", "shape_type": "polygon", "points": [[0, 0], [9, 0], [9, 9]]},
        {"label": "hint0", "shape_type": "line", "points": [[8, 8], [16, 8]]},
        {"label": "path", "shape_type": "linestrip", "points": [[60, 40], [70, 40], [70, 50]]},
        {"label": "still", "shape_type": "point", "points": [[90, 60]]},
    ]
    config = MotionConfig(hints=labelme(tmp_path / "h.json", shapes))
    velocity = make_motion(blank(), everything(), config, session=Session()).velocity
    assert velocity[0, 8, 12].item() == pytest.approx(8.0, rel=0.02)
    assert velocity[0, 40, 65].item() == pytest.approx(20.0, rel=0.02)
    assert velocity[1, 46, 70].item() == pytest.approx(20.0, rel=0.02)
    assert velocity[:, 60, 90].norm() < 0.1


def test_labelme_is_scaled_to_the_photo(tmp_path: Path) -> None:
    shapes = [{"label": "a", "shape_type": "line", "points": [[10, 10], [20, 10]]}]
    path = labelme(tmp_path / "h.json", shapes, imageWidth=WIDTH // 2, imageHeight=HEIGHT // 2)
    velocity = make_motion(blank(), everything(), MotionConfig(hints=path), session=Session()).velocity
    torch.testing.assert_close(velocity[0], torch.full((64, 96), 20.0), rtol=0.01, atol=0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_hints_written_on_other_systems(tmp_path: Path, encoding: str) -> None:
    shapes = [{"label": "étang", "shape_type": "line", "points": [[8, 8], [16, 8]]}]
    text = json.dumps({"shapes": shapes}, ensure_ascii=False, indent=1).replace("\n", "\r\n")
    (tmp_path / "h.json").write_bytes(text.encode(encoding))
    velocity = make_motion(blank(), everything(), MotionConfig(hints=tmp_path / "h.json"), session=Session()).velocity
    assert velocity[0, 8, 12].item() == pytest.approx(8.0, rel=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"shapes": 3}',
        '{"shapes": []}',
        '{"shapes": [{"points": [[1, 2], [3]]}]}',
        '{"shapes": [{"points": [[1, 2], [NaN, 3]]}]}',
        '{"shapes": [{"points": []}]}',
        '{"shapes": [{"points": [[500, 2], [501, 3]]}]}',
        '{"shapes": [{"points": [[5, 2], [6, 3]]}], "imageWidth": "wide"}',
        '{"shapes": [{"shape_type": "rectangle", "points": [[5, 2], [6, 3]]}]}',
    ],
)
def test_wrong_hints_are_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "h.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        make_motion(blank(), everything(), MotionConfig(hints=path), session=Session())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_or_binary_hints(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x01")
    for name in ("absent.json", "b.json"):
        with pytest.raises(InputError, match=name):
            make_motion(blank(), everything(), MotionConfig(hints=tmp_path / name), session=Session())


def test_diffusion_follows_the_region_not_the_straight_line() -> None:
    """A U-shaped channel: the far arm is nearest across the wall, but follows its own end."""
    region = np.ones((60, 60), np.float32)
    region[:50, 25:35] = 0.0
    weight, target = np.zeros((60, 60), np.float32), np.zeros((1, 60, 60), np.float32)
    weight[5, 20] = weight[5, 40] = 1e3
    target[0, 5, 40] = 1.0
    result = diffuse(target, weight, region)[0]
    assert result[40, 15] < result[55, 30] < result[40, 45]
    assert result[10, 24] < 0.1
    assert result[10, 36] > 0.9
    assert (result[region == 0] == 0).all()

"""Motion against arrows drawn by eye: the truth itself scores 1, its opposite 0, whatever the grids and the cut."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.errors import ExitStatus, InputError
from cinegan_cli.evaluate.arrows import Point, by_kind, compare, confusion
from cinegan_cli.evaluate.kinds import LABELS
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.training.data import Arrow, read_arrows
from cinegan_cli.types import Mask, Motion, Photo, Scene
from tests.small_scene import invoke

Capture = pytest.CaptureFixture[str]

HARBOUR = Path(__file__).parents[2] / "examples" / "harbour.jpg"
ARROWS = (
    Arrow("sky", 0.5, (0.30, 0.10), (0.02, 0.001)),
    Arrow("sky", 0.5, (0.70, 0.15), (0.01, -0.002)),
    Arrow("river", 0.9, (0.45, 0.50), (-0.03, 0.02)),
    Arrow("river", 0.5, (0.35, 0.60), (0.0, 0.04)),
    Arrow("falls", 0.97, (0.75, 0.40), (0.01, 0.30)),
)
WINDOW = (12.0, 8.0, 160.0, 120.0)  # of a photo of 200 x 150 px, in px of the file


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


def scene_of(arrows: tuple[Arrow, ...], *, kinds: bool = False) -> Scene:
    """A scene that moves, where each arrow starts, as the arrow says, and nowhere else: grid 40 x 60."""
    pixels = torch.zeros(3, 60, 80)
    photo = Photo(pixels, torch.zeros(60, 80, 3, dtype=torch.uint8), (200, 150), WINDOW)
    alpha, velocity, labels = torch.zeros(60, 80), torch.zeros(2, 60, 40), torch.zeros(60, 40, dtype=torch.uint8)
    for arrow in arrows:
        x, y = (arrow.start[0] * 200 - 12) / 160, (arrow.start[1] * 200 - 8) / 120
        row, column = int(y * 60), int(x * 40)
        velocity[:, row, column] = torch.tensor([arrow.travel[0] * 200 / 160 * 40, arrow.travel[1] * 200 / 120 * 60])
        labels[row, column] = LABELS[arrow.kind]
        alpha[int(y * 60), int(x * 80)] = 1
    return Scene(photo, Mask(alpha, "given"), Motion(velocity, "given", kinds=labels if kinds else None))


def rows_of(scene: Scene, arrows: tuple[Arrow, ...] = ARROWS) -> dict[str, dict[str, Any]]:
    return {str(row["kind"]): row for row in by_kind([compare(arrow, scene) for arrow in arrows])}


def test_the_truth_as_prediction_has_every_share_1() -> None:
    rows = rows_of(scene_of(ARROWS))
    assert list(rows) == ["sky", "river", "falls", "water, all kinds"]
    assert (rows["sky"]["moves"], rows["sky"]["axis_close"], rows["sky"]["axis"]) == (1, 1, 1)
    for name in ("river", "falls", "water, all kinds"):
        assert (rows[name]["moves"], rows[name]["within"], rows[name]["factor"]) == (1, 1, 1)
        assert rows[name]["ratio"] == pytest.approx(1, abs=1e-5)
    assert (rows["river"]["points"], rows["river"]["judged"]) == (2, 1), "the unsure arrow's direction is not judged"
    assert rows["water, all kinds"]["points"] == 3


def test_the_opposite_of_the_truth_has_no_direction_right_but_every_axis() -> None:
    scene = scene_of(ARROWS)
    rows = rows_of(replace(scene, motion=replace(scene.motion, velocity=-3 * scene.motion.velocity)))
    assert (rows["river"]["within"], rows["falls"]["within"], rows["water, all kinds"]["within"]) == (0, 0, 0)
    assert (rows["sky"]["axis"], rows["sky"]["within"]) == (1, None)
    assert (rows["falls"]["moves"], rows["falls"]["factor"]) == (1, 0)
    assert rows["falls"]["ratio"] == pytest.approx(3, abs=1e-5)


def test_a_turn_counts_by_its_angle() -> None:
    scene = scene_of(ARROWS[:1])

    def turned(degrees: float) -> dict[str, Any]:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        x, y = scene.motion.velocity * torch.tensor([160 / 40, 120 / 60])[:, None, None]  # in px of the file
        velocity = torch.stack([(c * x - s * y) * 40 / 160, (s * x + c * y) * 60 / 120])
        return rows_of(replace(scene, motion=replace(scene.motion, velocity=velocity)), ARROWS[:1])["sky"]

    assert [turned(a)["axis_close"] for a in (19, 21, 159, 161)] == [1, 0, 0, 1]
    assert [turned(a)["axis"] for a in (44, 46, 134, 136)] == [1, 0, 0, 1]


def test_what_is_held_still_is_wrong_for_the_share_that_moves_and_not_judged() -> None:
    scene = scene_of(ARROWS)
    held = scene.mask.alpha.clone()
    held[:40] = 0.4  # both skies, and the falls
    rows = rows_of(replace(scene, mask=replace(scene.mask, alpha=held)))
    assert [rows["sky"][name] for name in ("moves", "judged", "axis", "ratio")] == [0, 0, None, None]
    assert rows["water, all kinds"]["moves"] == pytest.approx(2 / 3)
    assert rows["water, all kinds"]["within"] == 1
    still = replace(scene, motion=replace(scene.motion, velocity=torch.zeros(2, 60, 40)))
    assert rows_of(still)["river"]["moves"] == 0


def test_kinds_seen_are_set_against_the_true_ones() -> None:
    right = confusion([compare(arrow, scene_of(ARROWS, kinds=True)) for arrow in ARROWS])
    assert [(row["kind"], row["points"], row[str(row["kind"])]) for row in right.rows] == [
        ("sky", 2, 1),
        ("river", 2, 1),
        ("falls", 1, 1),
    ]
    wrong = confusion([Point(ARROWS[2], "lake"), Point(ARROWS[3])])
    assert [dict(row) for row in wrong.rows] == [{"kind": "river", "points": 2, "lake": 0.5, "-": 0.5}]
    assert [column.key for column in wrong.shown] == ["kind", "points", "lake", "-"]


def write_data(folder: Path) -> Scene:
    """Three photos of a harbour, two with arrows along the motion that the default finds in them."""
    (folder / "photos").mkdir()
    with Image.open(HARBOUR) as picture:
        small = picture.convert("RGB").resize((193, 129))  # cut to even sides
    for name in ("harbour", "other", "bare"):
        small.save(folder / "photos" / f"{name}.png")
    rows = ("file,split", "photos/harbour.png,eval", "photos/other.png,train", "photos/bare.png,eval")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return prepare(folder / "photos" / "harbour.png", Config(), Session())


def write_arrows(folder: Path, scene: Scene, *, sign: float) -> None:
    """Arrows at a dozen places of what moves, a second's travel long."""
    left, top, across, down = scene.photo.window
    height, width = scene.mask.alpha.shape
    rows, columns = scene.motion.velocity.shape[1:]
    arrows = []
    for y, x in np.argwhere(scene.mask.alpha.numpy() > 0.9)[::200]:
        share = ((x + 0.5) / width, (y + 0.5) / height)
        cell = scene.motion.velocity[:, int(share[1] * rows), int(share[0] * columns)].numpy()
        start = np.array([left + share[0] * across, top + share[1] * down])
        end = start + sign * cell * [across / columns, down / rows]
        arrows.append([*(start / 0.193), *(end / 0.193)])
    photo = {"regions": [{"kind": "sea", "sure": 0.9, "arrows": arrows}]}
    (folder / "arrows.json").write_text(json.dumps({"harbour": photo, "other": photo}))


def test_the_command_finds_the_motion_that_the_arrows_were_drawn_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "nothing"))
    scene = write_data(tmp_path)
    assert scene.photo.size == (192, 128)
    write_arrows(tmp_path, scene, sign=1)
    outcome = invoke("evaluate . --motion-error --split eval --json", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
    row = json.loads(outcome.stdout)["means"]["rows"][0]
    assert (row["kind"], row["moves"], row["within"], row["factor"]) == ("sea", 1, 1, 1)
    assert row["points"] > 10
    assert row["ratio"] == pytest.approx(1, abs=1e-4)
    write_arrows(tmp_path, scene, sign=-1)
    outcome = invoke("evaluate . --motion-error --split eval --csv rows.csv", capfd)
    assert "true kind" in outcome.stdout
    with Path("rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == ["harbour", "harbour"], "of the split, and with arrows"
    assert {(row["moves"], row["within"], row["factor"]) for row in rows} == {("1.0", "0.0", "1.0")}


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"a": 1}',
        '{"a": {"regions": [{"kind": "soup", "sure": 1, "arrows": []}]}}',
        '{"a": {"regions": [{"kind": "sea", "sure": 1, "arrows": [[1, 2, 3]]}]}}',
        '{"a": {"regions": [{"kind": "sea", "sure": 1, "arrows": [[1, 2, 1, 2]]}]}}',
        '{"a": {"regions": [{"kind": "sea", "sure": 1, "arrows": [[1, 2, Infinity, 2]]}]}}',
        '{"a": {"regions": [{"kind": "sea", "sure": 1, "arrows": [[1, 2, 18446744073709551616, 2]]}]}}',
    ],
)
def test_files_that_hold_no_arrows_are_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "arrows.json").write_text(text)
    with pytest.raises(InputError, match=r"arrows\.json"):
        read_arrows(tmp_path / "arrows.json")

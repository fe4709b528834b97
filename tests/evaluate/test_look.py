"""Contact sheets: what is in a row, that a stopped run goes on, and that one bad photo spoils nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.look import look_at
from cinegan_cli.evaluate.sheet import draw_row, stacked
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from tests.small_scene import invoke, pixels

Capture = pytest.CaptureFixture[str]
Run = Callable[[str], dict[str, Any]]

HARBOUR = Path(__file__).parents[2] / "examples" / "harbour.jpg"
LOOK = "--look --out sheets --max-side 96 --seconds 1 --backbone pyramid"


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    set_threads(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos/ with two photos and one that is broken; no models are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "nothing"))
    (tmp_path / "photos").mkdir()
    with Image.open(HARBOUR) as picture:
        small = picture.convert("RGB").resize((192, 128))
    small.save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_bytes(b"no picture")
    small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "photos" / "c.png")
    return tmp_path


@pytest.fixture
def looked(folder: Path, capfd: Capture) -> Run:
    """`cinegan evaluate ARGUMENTS --json` with LOOK, which must succeed."""

    def run(arguments: str) -> dict[str, Any]:
        outcome = invoke(f"evaluate {arguments} {LOOK} --json", capfd)
        assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
        found: dict[str, Any] = json.loads(outcome.stdout)
        return found

    return run


def test_a_row_shows_photo_mask_arrows_quarters_of_the_loop_and_their_change(folder: Path) -> None:
    config = Config.from_options(seconds=1, fps=8, max_side=96, backbone="pyramid")
    row = look_at(folder / "photos" / "a.png", config, Session())
    scene = prepare(folder / "photos" / "a.png", config, Session())
    photo = scene.photo.pixels_u8.numpy()
    frames = list(render(scene, config))
    assert len(row.cells) == 7
    assert np.array_equal(row.cells[0], photo)
    for cell, frame in zip(row.cells[3:6], frames[2::2], strict=True):
        assert np.abs(cell.astype(int) - frame).max() <= 1
    still = scene.mask.alpha.numpy() == 0
    assert not row.cells[6][still].any()
    assert np.array_equal(row.cells[6], np.minimum(3 * np.abs(row.cells[4].astype(int) - photo), 255))
    assert (row.cells[2] != photo).any(axis=2).sum() > 20, "arrows are drawn"
    assert (row.cells[1][still].astype(int) <= photo[still]).all(), "what stays is darker"


def test_a_broken_photo_is_told_in_its_row_and_the_others_are_shown(folder: Path, looked: Run) -> None:
    found = looked("photos")
    rows = {row["photo"]: row for row in found["each"]["rows"]}
    assert "b.png" in rows["b.png"]["problem"]
    assert rows["a.png"]["problem"] is None
    assert 0 < rows["c.png"]["moving"] < 1
    assert [path.name for path in sorted(Path("sheets").iterdir())] == ["sheet_001.jpg", "sheets.json"]
    sheet = pixels(Path("sheets/sheet_001.jpg"))
    assert sheet.shape[1] == 7 * 282 + 6 * 3
    assert any("b.png" in note for note in found["means"]["notes"])


def test_a_stopped_run_is_gone_on_with(folder: Path, looked: Run) -> None:
    looked("photos --rows 1 --count 2")
    before = Path("sheets/001_a.jpg").stat().st_mtime_ns
    assert pixels(Path("sheets/001_a.jpg")).shape[1] == 7 * 96 + 6 * 3, "a photo by itself is not scaled down"
    Path("sheets/002_b.jpg").unlink()
    found = looked("photos --rows 1 --count 2")
    assert [row["photo"] for row in found["each"]["rows"]] == ["b.png"]
    assert Path("sheets/002_b.jpg").is_file()
    assert Path("sheets/001_a.jpg").stat().st_mtime_ns == before


def test_sheets_of_other_settings_are_replaced_only_on_demand(folder: Path, looked: Run, capfd: Capture) -> None:
    broken = "photos/b.png photos/b.png"
    looked(f"{broken} --rows 2")
    refused = invoke(f"evaluate {broken} {LOOK} --rows 1", capfd)
    assert refused.status == ExitStatus.ENCODER
    assert [("sheets" in line, "--overwrite" in line) for line in refused.complaints] == [(True, True)]
    looked(f"{broken} --rows 1 --overwrite")
    assert [path.name for path in sorted(Path("sheets").iterdir())] == ["001_b.jpg", "002_b.jpg", "sheets.json"]


@pytest.mark.parametrize(
    ("arguments", "status", "names"),
    [
        ("photos --look", ExitStatus.USAGE, "--look --out"),
        ("photos --look --out photos/a.png", ExitStatus.ENCODER, "photos/a.png"),
        ("photos/b.png photos/001_b.jpg --look --out photos --rows 1 --overwrite", ExitStatus.USAGE, "001_b.jpg"),
        ("photos --look --out other", ExitStatus.ENCODER, "other/sheets.json"),
        ("photos --look --out sheets --masks photos", ExitStatus.USAGE, "--masks --look"),
        ("photos --mask-iou --out sheets", ExitStatus.USAGE, "--out --mask-iou"),
        ("empty --look --out sheets", ExitStatus.INPUT, "empty"),
    ],
)
def test_mistakes_are_told_in_one_line(
    folder: Path, capfd: Capture, arguments: str, status: ExitStatus, names: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "sheets.json").write_text("[1]")
    (folder / "photos" / "001_b.jpg").write_bytes(b"no picture")
    outcome = invoke(f"evaluate {arguments}", capfd)
    assert (outcome.status, outcome.stdout) == (status, "")
    assert len(outcome.complaints) == 1
    assert all(name in outcome.complaints[0] for name in names.split())
    assert not Path("sheets").exists()


def test_pictures_keep_their_places_and_proportions_in_a_row() -> None:
    red, tall = np.full((20, 40, 3), (255, 0, 0), np.uint8), np.full((80, 20, 3), (0, 255, 0), np.uint8)
    row = draw_row([red, tall], (), 40)
    assert row.shape[1] == 7 * 40 + 6 * 3
    reds, greens = ((row == colour).all(axis=2) for colour in ((255, 0, 0), (0, 255, 0)))
    assert (reds.sum(), greens.sum()) == (20 * 40, 40 * 10)
    assert np.nonzero(greens)[1].min() == 43 + 15
    assert stacked([row, row]).shape == (2 * row.shape[0] + 6, row.shape[1], 3)

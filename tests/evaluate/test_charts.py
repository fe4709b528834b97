"""Charts of `check --plot` and `evaluate --plot`: what is drawn is what was measured; bad input gives one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.check import check_loop
from cinegan_cli.evaluate.loop_chart import loop_chart
from cinegan_cli.evaluate.tables import Column, Results, Table
from cinegan_cli.evaluate.tables_chart import tables_chart
from tests.evaluate.test_check import COUNT, good_loop, held, written
from tests.small_scene import invoke, tree, write_scene

Capture = pytest.CaptureFixture[str]
OK, CHECK, USAGE, ENCODER = ExitStatus.OK, ExitStatus.CHECK, ExitStatus.USAGE, ExitStatus.ENCODER
COLUMNS = (
    Column("method", "method"),
    Column("psnr", "PSNR↑", 1, "dB"),
    Column("seam", "seam→1", 2),
    Column("no", "no"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a good loop of frames in good/ and one that holds a frame in bad/."""
    monkeypatch.chdir(tmp_path)
    for name, frames in (("good", good_loop()), ("bad", held(good_loop()))):
        written(frames, tmp_path / name / "%04d.png")
    return tmp_path


def test_the_chart_of_a_loop_draws_what_was_measured(folder: Path) -> None:
    report = check_loop(folder / "good")
    steps, seam, texture = loop_chart(report).axes
    lines = {line.get_label(): line.get_xydata() for axes in (steps, texture) for line in axes.lines}
    assert [*lines["steps inside the cycle"][:, 1], *lines["the seam"][:, 1]] == list(report.loop.steps)
    assert [tuple(point) for point in lines["texture"]] == list(enumerate(report.textures))
    assert report.textures[COUNT // 2] == report.loop.texture[1]
    allowed, *bars = seam.patches
    around = [*report.loop.steps[-len(bars) // 2 :], *report.loop.steps[: len(bars) // 2]]
    assert [bar.get_height() for bar in bars] == around
    assert report.limits is not None
    assert (allowed.get_y(), allowed.get_y() + allowed.get_height()) == pytest.approx(report.limits.seam)
    (band,) = steps.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(
        (report.limits.slowest, report.limits.fastest)
    )


def test_what_is_shaded_is_what_passes(folder: Path) -> None:
    for name in ("good", "bad"):
        report = check_loop(folder / name)
        assert report.limits is not None
        inside = all(report.limits.slowest <= step <= report.limits.fastest for step in report.loop.steps[:-1])
        assert inside == report.passed == (name == "good")


def test_check_writes_a_chart_and_keeps_its_status(folder: Path, capfd: Capture) -> None:
    assert invoke("check good --plot chart.png", capfd).status == OK
    assert invoke("check bad --plot chart.png", capfd).status == ENCODER  # exists
    assert invoke("check bad --plot chart.png --overwrite", capfd).status == CHECK
    with Image.open("chart.png") as chart:
        assert chart.format == "PNG"
        assert min(chart.size) > 800
        assert len(np.unique(np.array(chart.convert("RGB")).reshape(-1, 3), axis=0)) > 100
    assert "matplotlib.pyplot" not in sys.modules
    still = np.repeat(good_loop()[:1], 5, axis=0)
    written(still, folder / "still" / "%04d.png")
    assert invoke("check still --plot still.png", capfd).status == CHECK
    assert sorted(path.name for path in folder.glob("*.png*")) == ["chart.png", "still.png"]


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("check good --plot chart.jpg", USAGE, "must end in .png"),
        ("check good --plot gone/chart.png", ENCODER, "make it first"),
        ("check good --plot folder.png", ENCODER, "is a folder"),
        ("check good bad --plot chart.png", USAGE, "one at a time"),
        ("check old.png --plot old.png --overwrite", USAGE, "is an input"),
        ("evaluate good --plot chart.svg", USAGE, "must end in .png"),
        ("evaluate good --plot old.png", ENCODER, "exists already"),
        ("evaluate good --plot gone/chart.png", ENCODER, "make it first"),
    ],
)
def test_charts_that_cannot_be_are_refused_before_any_work(
    folder: Path, line: str, status: ExitStatus, words: str, capfd: Capture
) -> None:
    (folder / "folder.png").mkdir()
    (folder / "old.png").write_bytes(b"old")
    before = tree(folder)
    outcome = invoke(line, capfd)
    assert outcome.status == status
    assert words in outcome.stderr
    assert len(outcome.complaints) == 1
    assert outcome.stdout == ""
    assert tree(folder) == before


def test_without_matplotlib_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setattr("cinegan_cli.charts.can_plot", lambda: False)
    outcome = invoke("check good --plot chart.png", capfd)
    assert outcome.status == USAGE
    assert len(outcome.complaints) == 1
    assert 'pip install "cinegan[plot]"' in outcome.stderr


def test_the_chart_of_tables_draws_every_figure_and_what_it_is_the_mean_of() -> None:
    means = ({"method": "ours", "psnr": 30.5, "seam": 1.0}, {"method": "theirs", "psnr": 28.0, "seam": None})
    each = tuple(
        {"clip": c, "method": m, "psnr": p}
        for c, m, p in (("a", "ours", 30.0), ("b", "ours", 31.0), ("a", "theirs", 28.0))
    )
    more = Table("Kinds", (Column("kind", "kind"), Column("n", "arrows", 0)), ({"kind": "sky", "n": 4.0},))
    words = Table("Words", (Column("kind", "kind"),), ({"kind": "sky"},))
    results = Results(
        Table("Loops", COLUMNS, means), Table("each", (Column("clip", "clip"), *COLUMNS), each), (more, words)
    )
    psnr, seam, kinds = tables_chart(results).axes
    assert [axes.get_xlabel() for axes in (psnr, seam, kinds)] == ["PSNR [dB]", "seam", "arrows"]
    assert [(bar.get_width(), round(bar.get_y() + 0.3)) for bar in psnr.patches] == [(30.5, 0), (28.0, 1)]
    assert [tuple(point) for point in psnr.collections[0].get_offsets()] == [(30.0, 0), (31.0, 0), (28.0, 1)]
    assert [tick.get_text() for tick in psnr.get_yticklabels()] == ["ours", "theirs"]
    assert [(bar.get_width(), bar.get_y() > -1) for bar in (*seam.patches, *kinds.patches)] == [
        (1.0, True),
        (4.0, True),
    ]
    assert not tables_chart(Results(words, words)).axes


def test_evaluate_draws_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path)
    outcome = invoke("evaluate . --motion-error --plot chart.png --csv rows.csv", capfd)
    assert (outcome.status, outcome.stderr) == (OK, "")
    with Image.open("chart.png") as chart:
        assert chart.size[0] > 900

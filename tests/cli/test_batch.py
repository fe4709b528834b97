"""`cinegan animate FOLDER`: the tree mirrored, failures listed at the end, a second run does only what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinegan_cli import pipeline
from cinegan_cli.cli import batch, runs
from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.check import check_loop
from cinegan_cli.measure.findings import Finding
from tests.small_scene import MOTION, QUICK, invoke, texture, tree, upper_half

OPTIONS = f"--mask mask.png {MOTION} {QUICK}"
LOOPS = {"a.jpg.mp4", "a.png.mp4", "b.mp4", "sub/c.mp4", "sub/deep/d.mp4"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: mask.png, and six photos in photos/, of which sub/broken.png is cut in half."""
    Image.fromarray(upper_half()).save(tmp_path / "mask.png")
    (tmp_path / "photos/sub/deep").mkdir(parents=True)
    for k, name in enumerate(("a.png", "a.jpg", "b.webp", "sub/c.tif", "sub/deep/d.bmp", "sub/broken.png")):
        Image.fromarray(np.roll(texture(), 7 * k, axis=1)).save(tmp_path / "photos" / name)
    broken = tmp_path / "photos/sub/broken.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    (tmp_path / "photos/notes.txt").write_text("no photo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path, pattern: str = "*.mp4") -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(pattern)}


def test_five_loops_of_six_photos_and_a_second_run_for_what_is_missing(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert len(outcome.complaints) == 1
    assert outcome.complaints[0].startswith("cinegan: 1 of 6 photos failed: photos/sub/broken.png: ")
    assert files(folder / "loops") == LOOPS
    assert files(folder / "loops", "*.json") == {name.replace(".mp4", ".json") for name in LOOPS}
    assert not list(folder.rglob(".*"))
    assert all(check_loop(folder / "loops" / name).passed for name in LOOPS)

    (folder / "loops/b.mp4").unlink()
    for name in LOOPS - {"b.mp4"}:
        (folder / "loops" / name).write_text("finished")
    outcome = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert any("4 of 6 photos were done already" in note for note in outcome.notes)
    assert check_loop(folder / "loops/b.mp4").passed
    assert {(folder / "loops" / name).read_text() for name in LOOPS - {"b.mp4"}} == {"finished"}

    Image.fromarray(texture()).save(folder / "photos/sub/broken.png")
    assert invoke(f"animate photos {OPTIONS} --out loops", capfd).status == ExitStatus.OK
    assert files(folder / "loops") == LOOPS | {"sub/broken.mp4"}


def test_pattern_places_other_kinds(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"animate photos/sub {OPTIONS} --out 'loops/*.gif' --out 'frames/*/%d.png' --no-sidecar", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert files(folder / "loops", "*.*") == {"c.gif", "deep/d.gif"}
    expected = {f"{name}/{k}.png" for name in ("c", "deep/d") for k in range(3)}
    assert files(folder / "frames", "*.*") == expected


def test_masks_and_earlier_loops_are_no_photos(folder: Path, capfd: Capture) -> None:
    arguments = f"animate . {OPTIONS} --out 'loops/*.webp' --out 'frames/*/%d.png'"
    invoke(arguments, capfd)
    before = tree(folder)
    assert "loops/photos/b.webp" in before
    assert "frames/photos/b/0.png" in before
    outcome = invoke(arguments, capfd)
    assert any("5 of 6 photos" in note for note in outcome.notes)
    assert tree(folder) == before


def test_json_of_a_batch_is_one_list(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"animate photos {OPTIONS} --out loops --json --quiet", capfd)
    assert {output["path"] for run in json.loads(outcome.stdout) for output in run["outputs"]} == {
        f"loops/{name}" for name in LOOPS
    }


def test_dry_run_of_a_batch_writes_nothing(folder: Path, capfd: Capture) -> None:
    before = tree(folder)
    outcome = invoke(f"animate photos {OPTIONS} --out loops --dry-run", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert outcome.stdout.count("would render") == 5
    assert tree(folder) == before


@pytest.mark.parametrize("place", ["loops", "photos"])
def test_frames_of_many_photos_in_one_folder(folder: Path, capfd: Capture, place: str) -> None:
    (folder / "photos/sub/broken.png").unlink()
    assert invoke(f"animate photos {OPTIONS} --out {place}/*_%04d.png", capfd).status == ExitStatus.OK
    names = {"a.jpg", "a.png", "b", "sub/c", "sub/deep/d"}
    assert {str(path.relative_to(folder / place)) for path in (folder / place).rglob("*_0002.png")} == {
        f"{name}_0002.png" for name in names
    }
    assert files(folder / place, "*.json") == {f"{name}.json" for name in names}
    outcome = invoke(f"animate photos {OPTIONS} --out {place}/*_%04d.png", capfd)
    assert outcome.notes == ["note: 5 of 5 photos were done already; --overwrite renders them again"]


def test_a_percent_sign_in_a_name_is_no_pattern(folder: Path, capfd: Capture) -> None:
    (folder / "photos/sub/broken.png").unlink()
    (folder / "photos/b.webp").rename(folder / "photos/50%off.webp")
    for _ in range(2):
        assert invoke(f"animate photos {OPTIONS} --out loops", capfd).status == ExitStatus.OK
        assert "50%off.mp4" in files(folder / "loops")


def test_whatever_fails_the_others_are_made(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    (folder / "photos/sub/broken.png").unlink()
    real = runs.animate_one

    def short(photo: Path, *arguments: Any, **options: Any) -> None:
        if photo.name == "a.jpg":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        real(photo, *arguments, **options)

    monkeypatch.setattr(batch, "animate_one", short)
    outcome = invoke(f"animate photos {OPTIONS} --out loops --json", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert "a.jpg: not enough memory for this picture" in outcome.complaints[0]
    assert len(json.loads(outcome.stdout)) == 4


def test_what_strict_refuses_is_not_there_for_the_next_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setattr(pipeline, "motion_findings", lambda *_, **__: (Finding("seam", False, "2", "1", "it jumps"),))
    for _ in range(2):
        outcome = invoke(f"animate photos {OPTIONS} --strict --out loops", capfd)
        assert outcome.status == ExitStatus.PARTIAL
        assert "6 of 6 photos failed" in outcome.complaints[0]
        assert not list(folder.glob("loops/**/*.*"))

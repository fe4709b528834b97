"""`cinegan animate FOLDER`: the tree mirrored, failures listed at the end, a second run does only what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinegan_cli import pipeline
from cinegan_cli import session as sessions
from cinegan_cli.claims import claimed
from cinegan_cli.cli import batch, runs
from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.check import check_loop
from cinegan_cli.measure.findings import Finding
from tests.small_scene import HEIGHT, MOTION, QUICK, WIDTH, invoke, texture, tree, upper_half

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


@pytest.mark.parametrize(
    "said",
    ["DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", "can't start new thread"],
)
def test_whatever_fails_the_others_are_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, said: str
) -> None:
    (folder / "photos/sub/broken.png").unlink()
    real = runs.animate_one

    def short(photo: Path, *arguments: Any, **options: Any) -> None:
        if photo.name == "a.jpg":
            raise RuntimeError(said)
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


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: mask.png, and two photos in photos/."""
    Image.fromarray(upper_half()).save(tmp_path / "mask.png")
    (tmp_path / "photos").mkdir()
    for k, name in enumerate(("lake.png", "river.jpg")):
        Image.fromarray(np.roll(texture(), 7 * k, axis=1)).save(tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_photos_become_a_folder_of_loops(pair: Path, capfd: Capture) -> None:
    outcome = invoke(f"animate photos/lake.png gone.png photos/river.jpg {OPTIONS} --out loops", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert len(outcome.complaints) == 1
    assert "gone.png" in outcome.complaints[0]
    assert files(pair / "loops") == {"lake.mp4", "river.mp4"}
    outcome = invoke(f"animate photos photos/lake.png {OPTIONS} --out loops", capfd)
    assert (outcome.status, len(outcome.notes)) == (ExitStatus.OK, 1)  # a folder and a photo in it: two photos
    assert "2 of 2" in outcome.notes[0]


@pytest.mark.parametrize("command", ["animate", "style --target noir", "mask", "motion"])
@pytest.mark.parametrize(("out", "named"), [("", "--out"), ("--out a.mp4", "--out a.mp4"), ("--out -", "--out -")])
def test_many_photos_need_a_folder(command: str, out: str, named: str, pair: Path, capfd: Capture) -> None:
    before = tree(pair)
    outcome = invoke(f"{command} photos/lake.png photos/river.jpg {out}", capfd)
    assert (outcome.status, outcome.stdout) == (ExitStatus.USAGE, "")
    assert len(outcome.complaints) == 1
    assert named in outcome.complaints[0]
    assert tree(pair) == before


def test_photos_of_one_name_are_not_written_over_each_other(pair: Path, capfd: Capture) -> None:
    (pair / "other").mkdir()
    Image.fromarray(texture()).save(pair / "other/lake.png")
    before = tree(pair)
    outcome = invoke(f"animate photos other/lake.png {OPTIONS} --out loops", capfd)
    assert outcome.status == ExitStatus.USAGE
    assert "other/lake.png" in outcome.complaints[0]
    assert "photos/lake.png" in outcome.complaints[0]
    assert tree(pair) == before


def test_files_beside_a_photo_go_with_it(pair: Path, capfd: Capture) -> None:
    Image.fromarray(255 - upper_half()).save(pair / "photos/lake_mask.png")
    Image.fromarray(upper_half() // 2).save(pair / "photos/lake_freeze.png")
    np.save(pair / "photos/lake_motion.npy", np.ones((2, HEIGHT, WIDTH), np.float32))
    said = invoke(f"animate photos {QUICK} --move everything --out loops --dry-run", capfd).stdout
    assert said.count("would render") == 2
    for option, ending in (("mask", "mask.png"), ("freeze", "freeze.png"), ("motion", "motion.npy")):
        assert said.count(f"--{option} photos/lake_{ending}") == 1
    assert invoke(f"animate photos {QUICK} --move everything --out loops", capfd).status == ExitStatus.OK
    assert files(pair / "loops") == {"lake.mp4", "river.mp4"}
    masks = {"--photo photos/lake.png --mask photos/lake_mask.png": ExitStatus.OK}
    masks["--photo photos/lake.png --mask mask.png"] = ExitStatus.CHECK  # of what moves, as if it were static
    for options, status in masks.items():
        assert invoke(f"check loops/lake.mp4 {options}", capfd).status == status

    said = invoke(f"animate photos {OPTIONS} --out others --dry-run", capfd).stdout
    assert said.count("--mask mask.png") == 2
    assert "lake_mask" not in said
    assert "lake_motion" not in said


@pytest.mark.parametrize("outputs", ["*.gif", "*.webp", "*.apng", "*/%03d.png", "*_%d.png", "*-%02d.frame.png"])
def test_loops_of_an_earlier_run_with_other_options_are_no_photos(outputs: str, pair: Path, capfd: Capture) -> None:
    photo = pair / "photos/river.jpg"
    photo.rename(photo.with_name("lake_1.v2 [50%].jpg"))  # which could be a frame of lake.png
    run = f"animate photos {OPTIONS}"
    assert invoke(f"{run} --out 'photos/loops.d/{outputs}'", capfd).status == ExitStatus.OK
    assert invoke(f"{run} --out 'photos/{outputs}' --speed 2", capfd).status == ExitStatus.OK
    before = tree(pair)
    said = invoke(f"{run} --out elsewhere --dry-run", capfd).stdout
    assert said.count("would render") == 2
    outcome = invoke(f"{run} --out 'photos/{outputs}'", capfd)
    assert outcome.status == ExitStatus.OK
    assert any("2 of 2" in note for note in outcome.notes)
    assert tree(pair) == before


def test_a_folder_is_one_whatever_it_is_called(pair: Path, capfd: Capture) -> None:
    (pair / "photos").rename(pair / "photos.jpg")
    (pair / "loops.mp4").mkdir()
    assert invoke(f"animate photos.jpg {OPTIONS} --out loops.mp4", capfd).status == ExitStatus.OK
    assert invoke(f"animate photos.jpg {OPTIONS} --out 2024.06", capfd).status == ExitStatus.OK
    assert files(pair / "loops.mp4") == files(pair / "2024.06") == {"lake.mp4", "river.mp4"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_that_lead_nowhere_are_listed_and_the_others_are_made(pair: Path, capfd: Capture) -> None:
    (pair / "photos/aaa.jpg").symlink_to("gone.jpg")
    (pair / "photos/loop.jpg").symlink_to("loop.jpg")
    (pair / "photos/up").symlink_to(pair)
    outcome = invoke(f"animate photos {OPTIONS} --out loops", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert len(outcome.complaints) == 1
    assert "photos/aaa.jpg" in outcome.complaints[0]
    assert "photos/loop.jpg" in outcome.complaints[0]
    assert "2 of 4" in outcome.complaints[0]
    assert files(pair / "loops") == {"lake.mp4", "river.mp4"}


def test_a_photo_that_another_run_is_at_is_left_to_it(pair: Path, capfd: Capture) -> None:
    with claimed([pair / "loops/lake.mp4"]):
        outcome = invoke(f"animate photos {OPTIONS} --out loops", capfd)
        assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
        assert any("loops/lake.mp4" in note and str(os.getpid()) in note for note in outcome.notes)
        assert files(pair / "loops") == {"river.mp4"}
        outcome = invoke(f"animate photos/lake.png {OPTIONS} --out loops/lake.mp4", capfd)
        assert (outcome.status, len(outcome.complaints)) == (ExitStatus.ENCODER, 1)
        assert str(os.getpid()) in outcome.complaints[0]
    assert files(pair / "loops", "*") == {"river.mp4", "river.json"}


def test_what_a_killed_run_left_is_cleared_by_the_next(pair: Path, capfd: Capture) -> None:
    invoke(f"animate photos {OPTIONS} --out loops", capfd)
    (pair / "loops/river.mp4").unlink()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    finished = {name: data for name, data in tree(pair).items() if "river" not in name}
    for name in ("lake.mp4", "river.mp4", "other.mp4"):
        (pair / f"loops/.{name}.claim").write_text(f"{dead.pid} here\n")
        (pair / f"loops/.{name}.{dead.pid}.part.mp4").write_text("half")
    assert invoke(f"animate photos {OPTIONS} --out loops", capfd).status == ExitStatus.OK
    assert files(pair / "loops", ".*") == {".other.mp4.claim", f".other.mp4.{dead.pid}.part.mp4"}
    assert {name: data for name, data in tree(pair).items() if name in finished} == finished
    (pair / f"loops/.lake.mp4.{dead.pid}.part").mkdir()
    one = f"animate photos/lake.png {OPTIONS} --out loops/lake.mp4"
    assert invoke(f"{one} --dry-run --overwrite", capfd).status == ExitStatus.OK
    assert (pair / f"loops/.lake.mp4.{dead.pid}.part").exists()
    assert invoke(f"{one} --overwrite", capfd).status == ExitStatus.OK
    assert not (pair / f"loops/.lake.mp4.{dead.pid}.part").exists()


def test_masks_and_motion_of_a_folder_are_taken_up_by_animate(pair: Path, capfd: Capture) -> None:
    assert invoke("mask photos --mask mask.png --out photos", capfd).status == ExitStatus.OK
    assert invoke(f"motion photos {MOTION} --out photos", capfd).status == ExitStatus.OK
    made = {f"{name}_{what}" for name in ("lake", "river") for what in ("mask.png", "motion.npy")}
    shown = {f"{name}_{what}.png" for name in ("lake", "river") for what in ("mask_overlay", "motion_colours")}
    assert files(pair / "photos", "*_*") == made | shown
    before = tree(pair)
    outcome = invoke("mask photos --move everything --out photos", capfd)  # masks that somebody corrected are kept
    assert (outcome.status, tree(pair)) == (ExitStatus.OK, before)
    assert any("2 of 2" in note for note in outcome.notes)
    said = invoke(f"animate photos {QUICK} --out loops --dry-run", capfd).stdout
    assert said.count("would render") == 2
    assert {f"photos/{name}" for name in made} <= set(said.split())


def test_patterns_for_masks_motion_and_looks(pair: Path, capfd: Capture) -> None:
    photos = "photos/lake.png photos/river.jpg"
    assert invoke(f"mask {photos} --mask mask.png --out 'm/*.png'", capfd).status == ExitStatus.OK
    assert files(pair / "m", "*") == {f"{name}.png" for name in ("lake", "lake_overlay", "river", "river_overlay")}
    outcome = invoke(f"motion {photos} {OPTIONS.split(' --seconds')[0]} --out 'm/*.flo' --json", capfd)
    assert [found["motion"] for found in json.loads(outcome.stdout)] == ["m/lake.flo", "m/river.flo"]
    outcome = invoke(f"style {photos} --target noir --backbone pyramid --out 'looks/*.jpg' --json", capfd)
    assert [found["outputs"] for found in json.loads(outcome.stdout)] == [["looks/lake.jpg"], ["looks/river.jpg"]]
    for command in (
        "mask photos --out 'm/*.jpg'",
        "motion photos --out 'm/*.txt'",
        "mask photos --overlay o.png --out m",
    ):
        outcome = invoke(command, capfd)
        assert (outcome.status, len(outcome.complaints)) == (ExitStatus.USAGE, 1)


def test_looks_of_a_folder_are_loops(pair: Path, capfd: Capture) -> None:
    outcome = invoke(f"style photos --target noir --backbone pyramid {OPTIONS} --out looks --out 'looks/*.png'", capfd)
    assert outcome.status == ExitStatus.OK
    names = {f"{name}.{kind}" for name in ("lake", "river") for kind in ("mp4", "json", "png")}
    assert files(pair / "looks", "*") == names


@pytest.mark.parametrize(
    "command",
    [
        "mask --mask mask.png --out new",
        f"motion --mask mask.png {MOTION} --out new",
        "style --target noir --backbone pyramid --out 'new/*.png'",
    ],
)
def test_a_folder_is_done_with_one_session(
    command: str, pair: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    opened = []
    real = sessions.Session.__init__

    def counted(self: sessions.Session, *arguments: Any, **options: Any) -> None:
        opened.append(self)
        real(self, *arguments, **options)

    monkeypatch.setattr(sessions.Session, "__init__", counted)
    assert invoke(f"{command} photos", capfd).status == ExitStatus.OK
    assert len(opened) == 1


def test_check_takes_several_loops_and_folders_of_them(pair: Path, capfd: Capture) -> None:
    invoke(f"animate photos {OPTIONS} --out loops --out 'loops/*.gif' --out 'frames/*/%d.png' --no-sidecar", capfd)
    outcome = invoke("check loops frames --json", capfd)
    assert outcome.status == ExitStatus.OK
    assert [found["file"] for found in json.loads(outcome.stdout)] == [
        *("loops/lake.gif", "loops/lake.mp4", "loops/river.gif", "loops/river.mp4", "frames/lake", "frames/river")
    ]
    Image.fromarray(texture()).save(pair / "frames/river/1.png")
    Image.fromarray(255 - texture()).save(pair / "frames/river/2.png")
    outcome = invoke("check frames/river loops/lake.mp4", capfd)
    assert outcome.status == ExitStatus.CHECK
    assert [line for line in outcome.stdout.splitlines() if line.endswith(":")] == ["frames/river:", "loops/lake.mp4:"]
    outcome = invoke("check loops/gone.mp4 frames/river loops/lake.mp4", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert "loops/gone.mp4" in outcome.complaints[0]

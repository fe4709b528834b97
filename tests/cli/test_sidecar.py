"""Settings files: what is saved beside a loop, what is never saved, and what `--from` makes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from cinegan_cli.cli.runs import sidecar_path
from cinegan_cli.errors import ExitStatus
from tests.small_scene import ANIMATE, MOTION, QUICK, invoke, texture, tree, write_scene

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it; its own folder has a name that nobody else may learn."""
    place = tmp_path / "private" / "album"
    place.mkdir(parents=True)
    write_scene(place)
    monkeypatch.chdir(place)
    return place


def saved(path: str | Path) -> dict[str, object]:
    values: dict[str, object] = json.loads(Path(path).read_text(encoding="utf-8"))
    return values


def test_settings_beside_the_loop_render_the_same_again(folder: Path, capfd: Capture) -> None:
    options = f"--mask mask.png {MOTION} {QUICK} --speed 0.7 --anchor 30,20 --loop crossfade"
    assert invoke(f"animate photo.png {options} --out one/%d.png", capfd).status == ExitStatus.OK
    assert invoke("animate --from one.json --out two/%d.png --no-sidecar", capfd).status == ExitStatus.OK
    assert tree(folder / "one") == tree(folder / "two")
    assert not (folder / "two.json").exists()
    assert invoke("animate --from one.json --out three/%d.png --speed 0.2", capfd).status == ExitStatus.OK
    assert tree(folder / "one") != tree(folder / "three")


def test_settings_of_frames_are_named_after_their_pattern() -> None:
    names = {"loops/lake_%04d.png": "loops/lake.json", "frames/%d.png": "frames.json", "%d.png": "frames.json"}
    assert {out: str(sidecar_path(Path(out))) for out in names} == names


# ---- what is in them


def test_files_of_the_loops_own_folder_are_named_from_there(folder: Path, capfd: Capture) -> None:
    (folder / "parts").mkdir()
    (folder / "mask.png").rename("parts/mask.png")
    line = ANIMATE.replace("mask.png", "parts/mask.png").replace("photo.png", str(folder / "photo.png"))
    assert invoke(f"{line} --out loop.gif --out more/loop.apng", capfd).status == ExitStatus.OK
    values = saved("loop.json")
    assert values["photo"] == "photo.png"
    assert values["outputs"] == ["loop.gif", "more/loop.apng"]
    assert isinstance(values["options"], dict)
    assert values["options"]["mask"] == "parts/mask.png"


@pytest.mark.parametrize("absolute", [True, False])
def test_no_folder_outside_the_loops_own_is_named(folder: Path, tmp_path: Path, capfd: Capture, absolute: bool) -> None:
    inside = folder if absolute else Path("../../private/album")
    Image.fromarray(texture()[:, ::-1].copy()).save("other.png")
    loops = tmp_path / "loops"
    line = (
        f"style {inside}/photo.png --target {inside}/other.png --mask {inside}/mask.png --freeze {inside}/other.png "
        f"--motion {inside}/motion.npy {QUICK} --backbone pyramid"
    )
    assert invoke(f"{line} --out {loops}/loop.gif --out {folder}/again.gif", capfd).status == ExitStatus.OK
    text = (loops / "loop.json").read_text()
    assert "private" not in text
    assert "album" not in text
    assert ".." not in text
    values = json.loads(text)
    assert (values["photo"], values["outputs"]) == ("photo.png", ["loop.gif"])
    named = {name: values["options"][name] for name in ("target", "mask", "freeze", "motion")}
    assert named == {"target": "other.png", "mask": "mask.png", "freeze": "other.png", "motion": "motion.npy"}


def test_a_loop_on_another_drive_than_its_photo(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    def relpath(path: object, start: object = None) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    assert invoke(f"{ANIMATE} --out loops/loop.gif", capfd).status == ExitStatus.OK
    assert saved("loops/loop.json")["photo"] == "photo.png"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_to_the_folder_is_that_folder(folder: Path, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    line = ANIMATE.replace("photo.png", f"{tmp_path}/link/photo.png")
    assert invoke(f"{line} --out loop.gif", capfd).status == ExitStatus.OK
    assert saved("loop.json")["photo"] == "photo.png"
    assert "link" not in Path("loop.json").read_text()


# ---- a loop that is there is no failure


def test_settings_that_cannot_be_saved_are_a_note(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    real = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        if str(target).endswith(".json"):
            raise PermissionError(13, "Permission denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    before = tree(folder)
    outcome = invoke(f"{ANIMATE} --out loop.gif", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
    assert any("loop.json" in note and "Permission denied" in note for note in outcome.notes)
    assert "loop.gif" in outcome.stdout
    assert tree(folder).keys() - before.keys() == {"loop.gif"}


# ---- what --from makes of them


def test_files_are_looked_for_beside_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    Image.fromarray(texture()[:, ::-1].copy()).save("other.png")
    line = f"style photo.png --target other.png --backbone pyramid {MOTION} {QUICK} --mask mask.png --out loop.gif"
    assert invoke(line, capfd).status == ExitStatus.OK
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert invoke("animate --from ../loop.json --out again.gif", capfd).status == ExitStatus.OK
    assert Path("again.gif").read_bytes() == (folder / "loop.gif").read_bytes()


def test_files_are_looked_for_in_the_current_folder(folder: Path, tmp_path: Path, capfd: Capture) -> None:
    assert invoke(f"{ANIMATE} --out {tmp_path}/loops/loop.gif", capfd).status == ExitStatus.OK
    assert invoke(f"animate --from {tmp_path}/loops/loop.json --out again.gif", capfd).status == ExitStatus.OK
    assert Path("again.gif").read_bytes() == (tmp_path / "loops/loop.gif").read_bytes()


def test_files_are_looked_for_beside_the_photo_that_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    assert invoke(f"{ANIMATE} --out {tmp_path}/loops/loop.gif", capfd).status == ExitStatus.OK
    monkeypatch.chdir(tmp_path / "loops")
    assert invoke(f"animate {folder}/photo.png --from loop.json --out again.gif", capfd).status == ExitStatus.OK
    assert Path("again.gif").read_bytes() == Path("loop.gif").read_bytes()


@pytest.mark.parametrize(("typed", "missing"), [("", "photo.png"), ("{}/photo.png", "gone.png")])
def test_files_that_are_nowhere_are_to_be_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, typed: str, missing: str
) -> None:
    (folder / "mask.png").rename("gone.png")
    line = ANIMATE.replace("mask.png", "gone.png")
    assert invoke(f"{line} --out {tmp_path}/loops/loop.gif", capfd).status == ExitStatus.OK
    (folder / "gone.png").rename("mask.png")
    monkeypatch.chdir(tmp_path / "loops")
    if typed:
        outcome = invoke(f"animate {typed.format(folder)} --from loop.json --out again.gif", capfd)
        assert "--mask" in outcome.complaints[0]
        mended = f"animate {typed.format(folder)} --from loop.json --out again.gif --mask {folder}/mask.png"
        assert invoke(mended, capfd).status == ExitStatus.OK
    else:
        (tmp_path / "loops/gone.png").write_bytes((folder / "mask.png").read_bytes())
        outcome = invoke("animate --from loop.json --out again.gif", capfd)
        assert "name the photo" in outcome.complaints[0]
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.INPUT, 1)
    assert missing in outcome.complaints[0]


def write_settings(name: str, options: dict[str, object], encoding: str = "utf-8", photo: str = "photo.png") -> None:
    text = json.dumps({"cinegan": "0.1.0", "photo": photo, "options": options}, ensure_ascii=False, indent=1)
    Path(name).write_bytes(text.replace("\n", "\r\n").encode(encoding))


def test_where_to_write_is_not_for_the_file_to_say(folder: Path, capfd: Capture) -> None:
    Path("victim.gif").write_bytes(b"precious")
    options = {"mask": "mask.png", "seconds": 0.3, "fps": 10, "out": ["victim.gif"], "overwrite": True}
    write_settings("saved.json", options)
    assert invoke("animate --from saved.json", capfd).status == ExitStatus.OK
    assert Path("photo.mp4").is_file()
    outcome = invoke("animate --from saved.json --out victim.gif", capfd)
    assert outcome.status == ExitStatus.ENCODER
    assert Path("victim.gif").read_bytes() == b"precious"


def test_settings_of_version_0_1_still_work(folder: Path, capfd: Capture) -> None:
    (folder / "loops").mkdir()
    options: dict[str, object] = {"mask": "../mask.png", "seed": 7, "seconds": 0.3, "fps": 10.0}
    write_settings("loops/loop.json", options, photo="../photo.png")
    assert invoke("animate --from loops/loop.json --out loop.gif", capfd).status == ExitStatus.OK
    write_settings("loops/loop.json", {**options, "backbone": "stylegan2"}, photo="../photo.png")
    outcome = invoke("animate --from loops/loop.json --out loop.gif --dry-run --json --overwrite", capfd)
    assert json.loads(outcome.stdout)["options"]["backbone"] == "stylecinegan"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_settings_that_went_through_another_editor(folder: Path, capfd: Capture, encoding: str) -> None:
    (folder / "photo.png").rename("été.png")
    write_settings("saved.json", {"mask": "mask.png", "seconds": 0.3, "fps": 10}, encoding, photo="été.png")
    assert invoke("animate --from saved.json --out loop.gif", capfd).status == ExitStatus.OK


@pytest.mark.parametrize(
    "text",
    [
        '{"cinegan": "0.1.0", "options": {}}',
        '{"cinegan": "0.1.0", "photo": 5, "options": {}}',
        '{"cinegan": "0.1.0", "photo": "photo.png", "options": []}',
        '{"photo": "photo.png", "options": {}}',
        "[]",
        "\ufeff",
    ],
)
def test_what_is_no_settings_file(folder: Path, capfd: Capture, text: str) -> None:
    Path("saved.json").write_text(text, encoding="utf-8")
    before = tree(folder)
    outcome = invoke("animate --from saved.json --out loop.gif", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.INPUT, 1)
    assert "not a settings file" in outcome.complaints[0]
    assert tree(folder) == before


def test_a_photo_that_is_a_folder_is_none(folder: Path, capfd: Capture) -> None:
    write_settings("saved.json", {}, photo=".")
    outcome = invoke("animate --from saved.json --out loops", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.INPUT, 1)

"""Projects on disk: rendered alike by the editor and the command line; zipped, damaged, hostile, made from others."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.editor.bundle import project_at, unpack
from cinegan_cli.editor.opening import latest, open_path
from cinegan_cli.editor.project import Project, is_project, read_project
from cinegan_cli.errors import InputError, UsageError
from tests.editor.conftest import API, finished
from tests.small_scene import HEIGHT, WIDTH, invoke, texture, tree, upper_half


@pytest.fixture
def project(opened: Any, projects: Path) -> Path:
    """The folder of the small scene's project, as its server left it."""
    (folder,) = projects.iterdir()
    return folder


def zipped(entries: Mapping[str, bytes], *, compressed: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("settings", [{}, {"target": "noir", "speed": 2, "aspect": "1:1"}], ids=["plain", "look"])
def test_the_command_line_renders_what_the_editor_exports(
    settings: dict[str, Any],
    opened: Any,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    opened.put(f"{API}/edits", json={"settings": {"seconds": 0.3, "fps": 10, **settings}})
    mask = np.where(np.arange(WIDTH) < 12, 255, 0).astype(np.uint8)[None].repeat(HEIGHT, 0)
    made = io.BytesIO()
    Image.fromarray(mask).save(made, "PNG")
    opened.put(f"{API}/freeze", content=made.getvalue())
    job = opened.post(f"{API}/export", json={"format": "png", "max_side": 40}).json()["job"]
    assert finished(opened, job)["error"] is None
    with zipfile.ZipFile(io.BytesIO(opened.get(f"{API}/jobs/{job}/file").content)) as bundle:
        exported = {name: bundle.read(name) for name in bundle.namelist()}
    assert len(exported) == 3
    monkeypatch.chdir(tmp_path)
    Path("lake.cinegan").write_bytes(opened.get(f"{API}/project.cinegan").content)
    for source, out in ((project, "a"), ("lake.cinegan", "b")):
        outcome = invoke(f"animate {source} --out {out}/%04d.png --max-side 40", capfd)
        assert outcome.status == 0, outcome.stderr
        assert tree(tmp_path / out) == exported


def test_exports_get_names_of_their_own(opened: Any, project: Path) -> None:
    for _ in range(2):
        assert finished(opened, opened.post(f"{API}/export", json={}).json()["job"])["state"] == "done"
    assert {path.name for path in (project / "exports").iterdir()} == {"lake-1.mp4", "lake-2.mp4"}


def test_a_project_says_what_is_typed_over_it(project: Path) -> None:
    plain = read_project(project)
    assert plain.options()["arrow"] == ((10.0, 10.0, 50.0, 12.0),)
    turned = plain.options({"direction": "left"})
    assert "arrow" not in turned
    assert plain.options()["fps"] == 10
    assert "fps" not in plain.options({"preset": "gif"})  # a preset that is typed wins
    with_rate = Project(
        project, plain.photo, "", "", 1, {"fps": 20.0, "direction": "left", "strength": 0.5, "wind": "3h"}
    )
    assert not {"strength", "wind"} & with_rate.options().keys()  # nothing would read them
    assert with_rate.options({"strength": 0.7})["strength"] == 0.7
    (project / "motion.npy").write_bytes(b"")
    assert "motion" not in plain.options()
    assert "motion" not in with_rate.options()
    assert "motion" in Project(project, plain.photo, "", "", 1, {}).options()


def test_a_project_beside_saved_settings_is_refused(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(f"animate {project} --from loop.json", capfd).status == UsageError.status


def test_other_programs_have_a_project_json_too(scene: Path) -> None:
    (scene / "project.json").write_text("{}")
    assert not is_project(scene)


def test_a_zip_becomes_the_project_that_it_was(opened: Any, project: Path, projects: Path) -> None:
    before, state = tree(project), opened.get(f"{API}/state").json()
    data = opened.get(f"{API}/project.cinegan").content
    again = opened.post(f"{API}/photo?name=other", content=data).json()
    assert {**again, "version": 0} == {**state, "version": 0}
    (copy,) = set(projects.iterdir()) - {project}
    after = tree(copy)
    assert {name: after[name] for name in after if name != "project.json"} == {
        name: before[name] for name in before if name != "project.json"
    }
    assert tree(project) == before


HOSTILE: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a name that leads out": lambda parts: zipped({**parts, "../evil.png": b"x"}),
    "an absolute name": lambda parts: zipped({**parts, "/tmp/evil.png": b"x"}),
    "a folder": lambda parts: zipped({**parts, "exports/": b""}),
    "a file that no project has": lambda parts: zipped({**parts, "run.py": b"x"}),
    "no settings": lambda parts: zipped({name: data for name, data in parts.items() if name != "project.json"}),
    "no photo": lambda parts: zipped({name: data for name, data in parts.items() if not name.startswith("photo")}),
    "a bomb": lambda parts: zipped({**parts, "mask.png": bytes(80 * 2**20)}, compressed=True),
    "settings without end": lambda parts: zipped({**parts, "project.json": b"[" * 5_000_000}, compressed=True),
    "settings nested deep": lambda parts: zipped({**parts, "project.json": b"[" * 100_000}, compressed=True),
    "a newer format": lambda parts: zipped({**parts, "project.json": b'{"cinegan_project": 99}'}),
    "a photo elsewhere": lambda parts: zipped(
        {**parts, "project.json": b'{"cinegan_project": 1, "photo": "../../photo.png"}'}
    ),
    "a mask elsewhere": lambda parts: zipped(
        {**parts, "project.json": b'{"cinegan_project": 1, "photo": "photo.png", "settings": {"mask": "/etc/passwd"}}'}
    ),
    "a photo that is none": lambda parts: zipped({**parts, "photo.png": b"no picture"}),
    "nothing": lambda parts: zipped({}),
    "half of it": lambda parts: zipped(parts)[: sum(map(len, parts.values())) // 2],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(kind: str, opened: Any, project: Path, tmp_path: Path) -> None:
    parts = {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()}
    data = HOSTILE[kind](parts)
    before, state = tree(tmp_path), opened.get(f"{API}/state").json()
    answer = opened.post(f"{API}/photo", content=data)
    assert answer.status_code == 422
    assert answer.json()["error"].count("\n") == 0
    assert tree(tmp_path) == before
    assert opened.get(f"{API}/state").json() == state
    assert not Path("/tmp/evil.png").exists()


def test_links_and_sizes_that_lie_are_refused(project: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("mask.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.cinegan", "w") as bundle:
        bundle.writestr("project.json", (project / "project.json").read_bytes())
        bundle.writestr(link, "/etc/passwd")
    data = zipped({"project.json": bytes(10 * 2**20), "photo.png": b""}, compressed=True)
    declared = (10 * 2**20).to_bytes(4, "little")
    (tmp_path / "liar.cinegan").write_bytes(data.replace(declared, (100).to_bytes(4, "little")))
    for name in ("link", "liar"):
        with pytest.raises(InputError), project_at(tmp_path / f"{name}.cinegan"):
            pass


def test_unpack_takes_no_other_names(tmp_path: Path) -> None:
    (tmp_path / "x.cinegan").write_bytes(zipped({"project.json": b"{}", "photo.png\0.txt": b""}))
    (tmp_path / "to").mkdir()
    with pytest.raises(InputError):
        unpack(tmp_path / "x.cinegan", tmp_path / "to")


def test_a_photo_opened_again_is_the_same_project(scene: Path, projects: Path) -> None:
    first = open_path(scene / "photo.png", projects)
    assert first.file("mask.png") is None  # mask.png beside photo.png is not photo_mask.png
    assert open_path(scene / "photo.png", projects) == first
    last = latest(projects)
    assert last is not None
    assert last.folder == first.folder


def test_a_photo_with_mask_and_motion_beside_it(scene: Path, projects: Path) -> None:
    project = open_path(scene, projects)
    config = project.config()
    np.testing.assert_array_equal(np.asarray(Image.open(project.folder / "mask.png")), upper_half())
    assert isinstance(config.motion.motion, Path)
    np.testing.assert_allclose(np.load(config.motion.motion), np.load(scene / "motion.npy"), rtol=1e-6)
    for name in ("photo", "mask", "motion"):
        (file,) = scene.glob(f"{name}.*")
        file.rename(file.with_name(file.name.replace(name, f"lake_{name}" if name != "photo" else "lake")))
    again = open_path(scene / "lake.png", projects / "others")
    assert {*tree(again.folder)} == {*tree(project.folder)}


def test_a_labelme_file(scene: Path, projects: Path) -> None:
    shapes = [
        {"label": "water", "shape_type": "polygon", "points": [[0, 24], [64, 24], [64, 48], [0, 48]]},
        {"label": "", "shape_type": "line", "points": [[10, 30], [20, 31]]},
        {"label": "", "shape_type": "point", "points": [[5, 6]]},
    ]
    drawing = {"imagePath": "..\\..\\photo.png", "imageWidth": 64, "imageHeight": 48, "shapes": shapes}
    (scene / "photo.json").write_text(json.dumps(drawing))
    project = open_path(scene / "photo.json", projects)
    assert project.arrows == ((10, 30, 20, 31),)
    assert project.anchors == ((5, 6),)
    mask = np.asarray(Image.open(project.folder / "mask.png"))
    assert not mask[:20].any()
    assert (mask[28:] == 255).all()
    (scene / "other.json").write_text("{}")
    with pytest.raises(InputError):
        open_path(scene / "other.json", projects)


@pytest.mark.parametrize("name", ["missing.jpg", "missing.cinegan", "missing.json", ".", "text.txt"])
def test_what_cannot_be_opened(name: str, tmp_path: Path, projects: Path) -> None:
    (tmp_path / "text.txt").write_text("no picture")
    with pytest.raises(InputError):
        open_path(tmp_path / name, projects)


def test_a_project_with_a_photo_of_many_names(scene: Path, projects: Path) -> None:
    Image.fromarray(texture()).save(scene / "été à l'eau %d.jpg")
    project = open_path(scene / "été à l'eau %d.jpg", projects)
    assert project.title == "été à l'eau %d"
    assert project.folder.name.isascii()
    assert project.photo == "photo.jpg"

"""New projects: from a photo, a project's zip, a photo with mask and motion beside it, or a labelme file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from platformdirs import user_data_path

from cinegan_cli.config import PhotoConfig
from cinegan_cli.editor.bundle import ZIP_HEAD, unpack
from cinegan_cli.editor.picture import WORK_SIDE, encoded
from cinegan_cli.editor.project import (
    FILE,
    FREEZE,
    MASK,
    MOTION,
    Arrow,
    Point,
    Project,
    is_project,
    read_project,
    save_file,
)
from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.files import read_text
from cinegan_cli.photos import list_folder, with_companions
from cinegan_cli.stages.mask import read_for_photo, read_mask
from cinegan_cli.stages.motion import Stroke, read_hints, read_motion, write_motion
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.types import Motion, Photo

ENDINGS = (  # how files of a kind begin, at which byte; their names in projects
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"\x89PNG", ".png"),
    (8, b"WEBP", ".webp"),
    (0, b"II*\0", ".tif"),
    (0, b"MM\0*", ".tif"),
    (0, b"BM", ".bmp"),
    (0, b"GIF8", ".gif"),
    (8, b"avif", ".avif"),
    (4, b"ftyp", ".heic"),
)


def default_projects() -> Path:
    """Where projects lie: below `CINEGAN_HOME`, else in the system's folder for users' data."""
    home = os.environ.get("CINEGAN_HOME")
    return (Path(os.path.expanduser(home)) if home else user_data_path("cinegan", appauthor=False)) / "projects"


def open_path(path: Path, projects: Path) -> Project:
    """What `cinegan edit PATH` opens: a project's folder in place, all else as a project below `projects`.

    A photo that was opened before is the project that it became then. Raises InputError for what cannot be opened.
    """
    if path.is_dir():
        return read_project(path) if is_project(path) else _from_folder(path, projects)
    if path.suffix.lower() == ".json":
        return _from_labelme(path, projects)
    if path.suffix.lower() == ".cinegan":
        return open_data(path, path.stem, projects)
    companions = with_companions([path]).get(path, {}) if path.is_file() else {}
    return _from_photo(path, companions, projects, again=True)


def _read(data: bytes, name: str) -> Photo:
    return read_photo(data, PhotoConfig(max_side=WORK_SIDE))


Read = Callable[[bytes, str], Photo]


def open_data(path: Path, title: str, projects: Path, read: Read = _read) -> Project:
    """A new project of an uploaded file, a photo or a project's zip; `read` decodes its photo. Raises InputError."""
    try:
        with path.open("rb") as file:
            zipped = file.read(len(ZIP_HEAD)) == ZIP_HEAD
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; check the name") from error
    if not zipped:
        return _from_photo(path, {}, projects, name=title, read=read)
    with _new_folder(projects) as folder:
        project = unpack(path, folder)
        read(project.photo_path.read_bytes(), project.name)
        return _placed(project, projects)


def latest(projects: Path) -> Project | None:
    """The project that was changed last, if there is one that can be read."""
    found = [path for path in projects.glob(f"*/{FILE}") if not path.parent.name.startswith(".")]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return next((project for path in found if (project := _readable(path.parent))), None)


def _readable(folder: Path) -> Project | None:
    try:
        return read_project(folder)
    except InputError:
        return None


def _from_photo(
    path: Path,
    companions: dict[str, Path],
    projects: Path,
    *,
    name: str | None = None,
    again: bool = False,
    read: Read = _read,
) -> Project:
    """A project of a photo and of files that go with it; with `again`, the one that it became before."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; check the name") from error
    name = path.name if name is None else name
    digest = hashlib.sha256(data).hexdigest()[:8]
    if again:
        before = [p for p in projects.glob(f"*-{digest}*/{FILE}") if is_project(p.parent)]
        if before:
            return read_project(max(before, key=lambda p: p.stat().st_mtime).parent)
    photo = read(data, name)
    with _new_folder(projects) as folder:
        file = "photo" + ending_of(data)
        save_file(folder / file, data)
        _bring(companions, photo, folder)
        project = Project(folder, file, name, Path(name).stem or name, 1, {})
        project.save()
        return _placed(project, projects, digest)


def ending_of(data: bytes) -> str:
    """The ending of a picture file's name, told by its first bytes; none where they tell nothing."""
    return next((ending for at, head, ending in ENDINGS if data[at : at + len(head)] == head), "")


def _bring(companions: dict[str, Path], photo: Photo, folder: Path) -> None:
    """Mask, freeze and motion, written anew as the project's files. Raises InputError for what cannot be read."""
    for word, file in (("mask", MASK), ("freeze", FREEZE)):
        if word in companions:
            read_for_photo(companions[word], photo, f"--{word}")  # says so where its shape is another
            values, _ = read_mask(companions[word], photo)
            save_file(folder / file, encoded(np.rint(values * 255).astype(np.uint8), ".png"))
    if "motion" in companions:
        write_motion(folder / MOTION, Motion(read_motion(companions["motion"]), "given"))


def _from_folder(folder: Path, projects: Path) -> Project:
    """A folder with one photo, and NAME_mask.png and NAME_motion.npy, or mask.png and motion.npy, beside it."""
    try:
        listing = list_folder(folder, below=False)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}; check its permissions") from error
    plain = {path.stem: path for path in listing.files if path.stem in ("mask", "freeze", "motion")}
    photos = with_companions([path for path in listing.photos if path not in plain.values()])
    if len(photos) != 1:
        raise InputError(f"{folder}: holds {len(photos)} photos and no project; name one photo, or a project's folder")
    ((photo, companions),) = photos.items()
    return _from_photo(photo, {**plain, **companions}, projects, again=True)


def _from_labelme(path: Path, projects: Path) -> Project:
    """A labelme file and the photo beside it: lines are arrows, points anchors, outlines what moves."""
    try:
        drawing = json.loads(read_text(path))
        photo = path.with_name(re.split(r"[/\\]", str(drawing["imagePath"]))[-1])
        shapes = [str(shape.get("shape_type")) for shape in drawing["shapes"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not a labelme file; name a photo, a project or a file that labelme saved") from error
    outlined = any(shape in ("polygon", "rectangle", "circle") for shape in shapes)
    project = _from_photo(photo, {"mask": path} if outlined else {}, projects)
    if not any(shape in ("line", "linestrip", "point") for shape in shapes):
        return project
    size = read_photo(project.photo_path, PhotoConfig(max_side=WORK_SIDE)).source_size
    strokes = read_hints(path, size)
    project = replace(
        project,
        arrows=tuple(_arrow(stroke, size) for stroke in strokes if stroke.velocity != (0.0, 0.0)),
        anchors=tuple(_place(stroke.start, size) for stroke in strokes if stroke.velocity == (0.0, 0.0)),
    )
    project.save()
    return project


def _arrow(stroke: Stroke, size: tuple[int, int]) -> Arrow:
    """One second's travel from where the stroke starts, as far as the picture goes."""
    (x, y), (dx, dy) = stroke.start, stroke.velocity
    return (*_place((x, y), size), *_place((x + dx, y + dy), size))


def _place(point: Point, size: tuple[int, int]) -> Point:
    return min(max(float(point[0]), 0.0), size[0]), min(max(float(point[1]), 0.0), size[1])


@contextmanager
def _new_folder(projects: Path) -> Iterator[Path]:
    """A hidden folder to fill, to be `_placed`; removed where that did not happen. Raises OutputError."""
    try:
        projects.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=projects))
    except OSError as error:
        raise OutputError(f"{projects}: cannot be written: {error.strerror}; choose another with --projects") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _placed(project: Project, projects: Path, digest: str | None = None) -> Project:
    """The project under its own name: its title, and what tells its photo from others."""
    if digest is None:
        digest = hashlib.sha256(project.photo_path.read_bytes()).hexdigest()[:8]
    stem = re.sub(r"[^a-z0-9]+", "-", project.title.lower()).strip("-")[:40] or "photo"
    number = 1
    while True:
        place = projects / (f"{stem}-{digest}" if number == 1 else f"{stem}-{digest}-{number}")
        number += 1
        try:
            place.mkdir()
        except FileExistsError:
            continue
        for name in (*(name for name in os.listdir(project.folder) if name != FILE), FILE):  # last: it makes a project
            os.replace(project.folder / name, place / name)
        return replace(project, folder=place)

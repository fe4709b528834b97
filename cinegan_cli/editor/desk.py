"""What lies on the desk: the project that is open. Every edit is on the disk before it returns."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import numpy as np

from cinegan_cli.config import PRESETS, Config, MaskConfig
from cinegan_cli.editor.field import packed
from cinegan_cli.editor.opening import latest, open_data, open_path
from cinegan_cli.editor.picture import Found, Picture, encoded
from cinegan_cli.editor.project import FREEZE, MASK, Project, all_settings, clean_title, edited, save_file
from cinegan_cli.editor.renders import FORMATS
from cinegan_cli.errors import CineganError, InputError, UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.look import LOOKS
from cinegan_cli.stages.mask import WEIGHTS, read_seers
from cinegan_cli.stages.photo import read_grey
from cinegan_cli.systems import choose_system
from cinegan_cli.types import KINDS, Photo

HANDS = {"mask": MASK, "freeze": FREEZE}
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class StaleError(UsageError):
    """A version was asked for that is no longer, or not yet; `version` is the present one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the project is at version {version}; ask for that")
        self.version = version


class NothingOpenError(InputError):
    """There is no photo yet."""


@dataclass(frozen=True)
class Open:
    """A project and its picture."""

    project: Project
    picture: Picture


class Desk:
    """The project that is open, if any. Edits may come from any thread; `tell` hears of every new version."""

    def __init__(self, projects: Path, session: Session, tell: Callable[[int], None] = lambda version: None) -> None:
        self.projects = projects
        self.session = session
        self.tell = tell
        self.version = 0
        self._open: Open | None = None
        self._lock = RLock()  # of what is open; short
        self._looking = Lock()  # one looks for motion at a time
        self._found: tuple[int, Found] | None = None

    @property
    def open(self) -> Open:
        """What is open. Raises NothingOpenError."""
        opened = self._open
        if opened is None:
            raise NothingOpenError("no photo is open; drop one onto the page")
        return opened

    def warm(self) -> None:
        """Look at the photo that is open, else at a blank one: what is done for the first time takes longest."""
        read_seers(WEIGHTS, self.session)
        if self._open is not None:
            self.look()
            return
        blank = encoded(np.full((240, 320, 3), 200, np.uint8), ".jpg")
        Picture(blank, "blank", self.session).find(Config(mask=MaskConfig(move="everything")))

    def open_path(self, path: Path | None) -> None:
        """Open a photo or a project by name; without one, what was changed last. Raises InputError."""
        project = latest(self.projects) if path is None else open_path(path, self.projects)
        if project is not None:
            self._take(project)

    def open_upload(self, file: Path, name: str) -> None:
        """Open an uploaded photo or project as a new project. Raises InputError; what was open then stays so."""
        read: list[Picture] = []

        def reading(data: bytes, name: str) -> Photo:
            read.append(Picture(data, name, self.session))
            return read[-1].photo

        project = open_data(file, clean_title(name, "photo"), self.projects, reading)
        self._take(project, read[-1])

    def look(self) -> None:
        """Find the motion before anybody asks."""
        with suppress(CineganError):
            self.found()

    def edit(self, values: object) -> int:
        """Replace parts of the project (see `project.edited`); the new version. Raises UsageError."""
        with self._lock:
            project = edited(self.open.project, values, self.open.picture.size)
            if isinstance(values, dict) and "settings" in values:
                choose_system(project.config(), self.session)
            return self._save(project)

    def rename(self, title: object) -> int:
        """Give the project another title; the new version. Raises UsageError."""
        if not isinstance(title, str) or not clean_title(title, ""):
            raise UsageError("title: must be a line of text")
        with self._lock:
            return self._save(replace(self.open.project, title=clean_title(title, "")))

    def paint(self, name: str, data: bytes | None) -> int:
        """Keep MASK or FREEZE, a PNG of working size, or do without it; the new version. Raises InputError."""
        opened = self.open
        grey = None if data is None else self._grey(data, opened.picture)
        with self._lock:
            if self.open.picture is not opened.picture:
                raise StaleError(self.version)
            path = opened.project.folder / name
            if grey is None:
                path.unlink(missing_ok=True)
            else:
                save_file(path, grey)
            return self._save(self.open.project)

    def found(self, version: int | None = None) -> tuple[int, Found]:
        """What moves, and how, at a version (the present one without). Raises StaleError for any other."""
        with self._looking:
            with self._lock:
                opened, now = self.open, self.version
                if version not in (None, now):
                    raise StaleError(now)
            if self._found is None or self._found[0] != now:
                found = opened.picture.find(opened.project.config())
                with self._lock:
                    if now != self.version:
                        raise StaleError(self.version)
                    self._found = now, found
            return self._found

    def motion(self, version: int) -> bytes:
        """The motion at a version, packed. Raises StaleError, and UsageError where nothing moves."""
        _, found = self.found(version)
        if found.motion is None:
            raise UsageError(found.error or "nothing moves")
        width, height = self.open.picture.photo.size
        return packed(found.motion, height / width)

    def mask_png(self) -> bytes:
        """What moves, as it was painted or else found, at working size; what is frozen is another matter."""
        opened = self.open
        if opened.project.file(MASK) is not None:
            return self._painted(MASK, "--mask")
        return opened.picture.moving(replace(opened.project.config().mask, freeze=None))

    def freeze_png(self) -> bytes:
        """What was frozen, at working size; black where nothing was."""
        return self._painted(FREEZE, "--freeze")

    def kinds_png(self) -> bytes:
        """The labels of what moves, on the motion's grid; black where nothing does."""
        motion = self.found()[1].motion
        if motion is None or motion.kinds is None:
            return encoded(np.zeros((2, 2), np.uint8), ".png")
        return encoded(motion.kinds.numpy(), ".png")

    def thumb(self, look: str) -> bytes:
        """The photo in a look, small, as a JPEG. Raises UsageError for a look that is not known."""
        if look not in LOOKS:  # the stage would take other words for the name of a file
            raise UsageError(f"look {look!r:.40}: must be one of {', '.join(LOOKS)}")
        return self.open.picture.thumb(look)

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        with self._lock:
            opened, found = self._open, self._found
            project = opened.project if opened else None
            known = found[1] if found and found[0] == self.version else None
        return {
            "photo": None if opened is None else _described(opened),
            "version": self.version,
            "title": project.title if project else "",
            "settings": all_settings(project),
            "arrows": project.arrows if project else (),
            "anchors": project.anchors if project else (),
            "kinds": [{"kind": kind.kind, "at": kind.at} for kind in project.kinds] if project else [],
            "hand": {name: project is not None and project.file(file) is not None for name, file in HANDS.items()},
            "notices": [] if opened is None else _notices(opened, known),
            "looks": list(LOOKS),
            "kinds_known": KINDS[1:],
            "formats": FORMATS,
            "presets": {name: dict(values) for name, values in PRESETS.items()},
            "saved": project is not None,
        }

    def _painted(self, name: str, option: str) -> bytes:
        """MASK or FREEZE at working size: the bytes that the page sent, or what came otherwise, resized."""
        opened = self.open
        path = opened.project.file(name)
        data = b"" if path is None else path.read_bytes()
        if data[:8] == PNG_HEAD and len(data) > 24 and struct.unpack(">II", data[16:24]) == opened.picture.photo.size:
            return data
        return opened.picture.painted(path, option)

    def _take(self, project: Project, picture: Picture | None = None) -> None:
        picture = picture or Picture(project.photo_path.read_bytes(), project.name, self.session)
        project = edited(project, {"arrows": project.arrows, "anchors": project.anchors}, picture.size)
        with self._lock:
            self._open = Open(project, picture)
            self.version = max(self.version, project.version)
            self._save(project)

    def _save(self, project: Project) -> int:
        """Write the project as the next version."""
        project = replace(project, version=self.version + 1)
        project.save()
        self._open = replace(self.open, project=project)
        self.version = project.version
        self.tell(self.version)
        return self.version

    def _grey(self, data: bytes, picture: Picture) -> bytes:
        """A PNG as one of plain greys. Raises InputError for another size or kind, told before it is decoded."""
        width, height = picture.photo.size
        head = struct.unpack(">II", data[16:24]) if data[:8] == PNG_HEAD and len(data) > 24 else None
        if head != (width, height):
            what = "no PNG" if head is None else f"{head[0]}x{head[1]} px"
            raise InputError(f"the mask is {what}; it must be a grey PNG of {width}x{height} px, as the photo is shown")
        return encoded(np.rint(read_grey(data) * 255).astype(np.uint8), ".png")


def _described(opened: Open) -> dict[str, Any]:
    picture = opened.picture
    width, height = picture.size
    work = {"width": picture.photo.size[0], "height": picture.photo.size[1]}
    return {"name": opened.project.name, "width": width, "height": height, "work": work}


def _notices(opened: Open, found: Found | None) -> list[str]:
    """Sentences for the user: of the photo, and of what was found in it, once that is known."""
    notices = [*opened.picture.photo.notices]
    if found is not None:
        notices += [
            *found.notices,
            *(found.motion.notices if found.motion else ()),
            *([found.error] if found.error else []),
        ]
    return notices

"""A project: one folder with a photo, what was painted over it, and settings; `docs/editor.md` describes the files."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cinegan_cli.batch import WAYS_TO_MOVE
from cinegan_cli.config import PRESETS, PREVIEW, Config, settings
from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.files import replacing
from cinegan_cli.stages.look import COLOURS, LOOKS
from cinegan_cli.stages.motion import parse_cycles, parse_direction
from cinegan_cli.stages.photo import parse_aspect
from cinegan_cli.stages.video import parse_bytes
from cinegan_cli.types import KINDS

FORMAT = 1
FILE, MASK, FREEZE, MOTION, EXPORTS = "project.json", "mask.png", "freeze.png", "motion.npy", "exports"
PHOTO_NAME = re.compile(r"photo(\.[a-z0-9]{1,5})?")
LARGEST_JSON = 4 * 2**20  # bytes
MOST_MARKS = 1000  # arrows, anchors or kinds
LONGEST_TITLE = 120
LANDSCAPE = "deeplandscape"  # the system of winds and lights
SYSTEM: Final = "pyramid"  # unless a project says otherwise: what the editor shows is then what is rendered
EDITABLE = (  # settings that a project may hold; none of them names a file
    *("max_side", "aspect", "fit", "background", "backbone", "move", "direction", "speed", "water", "cycles"),
    *("wind", "wind_set", "light", "light_cycle", "seconds", "fps", "loop", "warp", "blend", "fill"),
    *("target", "strength", "cycle", "quality", "codec", "max_bytes", "repeat"),
)

Point = tuple[float, float]
Arrow = tuple[float, float, float, float]


@dataclass(frozen=True)
class Kind:
    """What an area is: that at the photo pixel `at`, or all that moves."""

    kind: str
    at: Point | None = None

    @property
    def option(self) -> str:
        """As `--kind` takes it."""
        return self.kind if self.at is None else f"{self.kind}@{self.at[0]:g},{self.at[1]:g}"


@dataclass(frozen=True)
class Project:
    """A photo with its edits, as `folder` holds them; places are photo pixels. `version` grows with every edit.

    `settings` are options of the command line that differ from their defaults.
    """

    folder: Path
    photo: str  # the file in the folder
    name: str  # what the photo was called where it came from
    title: str
    version: int
    settings: Mapping[str, Any]
    arrows: tuple[Arrow, ...] = ()
    anchors: tuple[Point, ...] = ()
    kinds: tuple[Kind, ...] = ()

    @property
    def photo_path(self) -> Path:
        """The photo, as it was uploaded."""
        return self.folder / self.photo

    def file(self, name: str) -> Path | None:
        """MASK, FREEZE or MOTION, where the project has it."""
        path = self.folder / name
        return path if path.is_file() else None

    def options(self, typed: Mapping[str, Any] | None = None, *, preview: bool = False) -> dict[str, Any]:
        """The options of a run of this project: `typed` ones over a typed preset, --preview, and the project's own.

        Of its own, those are left out that nothing would read, and what says otherwise where things move than what is
        typed; a wind wins over arrows, they win over a direction, and all over a motion file.
        """
        typed = dict(typed or {})
        covered = PRESETS.get(str(typed.get("preset")), {})
        own = {"backbone": SYSTEM, **{name: value for name, value in self.settings.items() if name not in covered}}
        own |= {"arrow": self.arrows, "anchor": self.anchors, "kind": tuple(kind.option for kind in self.kinds)}
        own |= {"mask": self.file(MASK), "freeze": self.file(FREEZE)}
        merged = {**own, **(PREVIEW if preview else {}), **typed}
        self._settle_ways(merged, typed)
        merged = {name: value for name, value in merged.items() if value is not None and value != ()}
        return {name: value for name, value in merged.items() if name in typed or _is_read(name, merged)}

    def _settle_ways(self, merged: dict[str, Any], typed: Mapping[str, Any]) -> None:
        """Leave one of the ways to say where things move."""
        if "wind" not in typed and (merged["backbone"] != LANDSCAPE or any(way in typed for way in WAYS_TO_MOVE)):
            merged.pop("wind", None)
        if merged.get("wind"):
            for way in WAYS_TO_MOVE:
                if way not in typed:
                    merged.pop(way, None)
            return
        if merged.get("arrow") and merged.get("direction"):
            merged.pop("arrow" if "direction" in typed and "arrow" not in typed else "direction")
        if not any(merged.get(way) for way in WAYS_TO_MOVE):
            merged["motion"] = self.file(MOTION)

    def config(self, typed: Mapping[str, Any] | None = None, *, preview: bool = False) -> Config:
        """The configuration of such a run. Raises UsageError."""
        return Config.from_options(**self.options(typed, preview=preview))

    def save(self) -> None:
        """Write `project.json`, whole or not at all. Raises OutputError."""
        values = {
            "cinegan_project": FORMAT,
            "title": self.title,
            "name": self.name,
            "photo": self.photo,
            "version": self.version,
            "settings": dict(self.settings),
            "arrows": self.arrows,
            "anchors": self.anchors,
            "kinds": [{"kind": kind.kind, "at": kind.at} for kind in self.kinds],
        }
        save_file(self.folder / FILE, json.dumps(values, indent=1).encode())


def edited(project: Project, values: object, size: tuple[float, float]) -> Project:
    """The project with those of `settings`, `arrows`, `anchors`, `kinds` that `values` has; `size` is the photo's.

    Raises UsageError for what is not known, is out of range, or lies outside the picture.
    """
    known = ("settings", "arrows", "anchors", "kinds")
    if not isinstance(values, dict) or not values.keys() <= set(known):
        raise UsageError(f"edits: must be an object of {', '.join(known)}")
    if "settings" in values:
        project = replace(project, settings=checked_settings(values["settings"]))
    if "arrows" in values:
        project = replace(project, arrows=tuple(_arrow(arrow, size) for arrow in _listed(values["arrows"], "arrows")))
    if "anchors" in values:
        anchors = _listed(values["anchors"], "anchors")
        project = replace(project, anchors=tuple(_point(anchor, size, "an anchor") for anchor in anchors))
    if "kinds" in values:
        project = replace(project, kinds=tuple(_kind(kind, size) for kind in _listed(values["kinds"], "kinds")))
    project.config()
    return project


def checked_settings(values: object) -> dict[str, Any]:
    """Those settings that differ from their defaults, as plain values; null is a default. Raises UsageError."""
    if not isinstance(values, dict):
        raise UsageError('settings: must be an object of options, such as {"speed": 2}')
    if unknown := sorted(map(str, values.keys() - set(EDITABLE))):
        raise UsageError(f"settings: {unknown[0]!r} is none that a project has; known are {', '.join(EDITABLE)}")
    given = {name: value for name, value in values.items() if value is not None}
    config = Config.from_options(**given)
    target, wind = config.style.target, config.weather.wind
    if target is not None and target not in LOOKS and target not in COLOURS and not _is_colour(target):
        raise UsageError(f"target {target!r}: must be a look ({', '.join(LOOKS)}) or a colour such as #ff8800")
    if wind is not None and not re.fullmatch(r"(1[0-2]|[1-9])h", wind):
        raise UsageError(f"wind {wind!r}: must be 1h to 12h, as on a clock")
    parse_cycles(config.motion.cycles)
    if config.motion.direction is not None:
        parse_direction(config.motion.direction)
    if config.photo.aspect is not None:
        parse_aspect(config.photo.aspect)
    parse_bytes(config.video.max_bytes)
    kept = config.options()
    if "backbone" in given:  # "auto", the default of a run, is not that of a project
        kept["backbone"] = config.inversion.backbone
    return kept


def all_settings(project: Project | None) -> dict[str, Any]:
    """Every setting that a project may hold, with its value."""
    defaults = {f.name: f.default for f, _ in settings() if f.name in EDITABLE}
    return {**defaults, "backbone": SYSTEM, **(project.settings if project else {})}


def is_project(path: Path) -> bool:
    """Whether it is a project's folder, or by its name a project's zip."""
    if path.suffix.lower() == ".cinegan":
        return path.is_file()
    return os.path.isfile(path / FILE) and _marked(path / FILE)


def read_project(folder: Path) -> Project:
    """The project in a folder; the photo is not opened. Raises InputError for what is none, or damaged."""
    values = _read_values(folder / FILE)
    version = values.get("cinegan_project")
    if not isinstance(version, int) or version < 1:
        raise InputError(f"{folder}: is no project of cinegan; open its photo instead")
    if version > FORMAT:
        raise InputError(f"{folder}: was made by a newer cinegan; upgrade with pip install --upgrade cinegan")
    photo = values.get("photo")
    if not isinstance(photo, str) or not PHOTO_NAME.fullmatch(photo) or not (folder / photo).is_file():
        raise InputError(f"{folder}: the project's photo is missing; put it back, as {photo!r:.40}")
    counted = values.get("version")
    project = Project(
        folder,
        photo,
        clean_title(values.get("name"), photo),
        clean_title(values.get("title"), folder.name),
        counted if isinstance(counted, int) and 0 <= counted < 2**50 else 0,
        {},
    )
    edits = {name: values[name] for name in ("settings", "arrows", "anchors", "kinds") if name in values}
    try:
        return edited(project, edits, (math.inf, math.inf))
    except UsageError as error:
        raise InputError(f"{folder / FILE}: {error}; mend that, or remove it") from error


def clean_title(text: object, otherwise: str) -> str:
    """A title of one printable line; `otherwise` for what is none."""
    title = "".join(c for c in str(text) if c.isprintable()).strip()[:LONGEST_TITLE] if isinstance(text, str) else ""
    return title or otherwise


def save_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, and have it on the disk before returning. Raises OutputError."""
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path.name}: cannot be saved: {error.strerror or error}; free some space") from error


def _is_read(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a run with these options would read that one, as far as they tell."""
    extra = {f.name: f.metadata for f, _ in settings()}[name]
    facts = {fact: {str(options.get(fact, default))} for fact, default in (("warp", "inverse"), ("loop", "flow"))}
    facts["mode"] = {"bands"}
    facts["system"] = {str(options["backbone"])} - {"auto"}
    facts["output"] = {Path(out).suffix.lower() for out in options.get("out", ())}
    if options.get(extra.get("unless", "")) is not None or ("needs" in extra and not options.get(extra["needs"])):
        return False
    return all(not facts[fact] or facts[fact] & set(words) for fact, words in extra.get("read_by", {}).items())


def _read_values(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise InputError(f"{path}: is too large for a project of cinegan")
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; name a project's folder") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged: no JSON; open the photo beside it instead") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: is damaged: no object; open the photo beside it instead")
    return values


def _marked(path: Path) -> bool:
    """Whether it says to be ours; other programs have a project.json, too."""
    try:
        return path.stat().st_size <= LARGEST_JSON and b'"cinegan_project"' in path.read_bytes()
    except OSError:
        return False


def _listed(value: object, what: str) -> Iterable[Any]:
    if not isinstance(value, list | tuple) or len(value) > MOST_MARKS:
        raise UsageError(f"{what}: must be a list of at most {MOST_MARKS}")
    return value


def _point(value: object, size: tuple[float, float], what: str) -> Point:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_number, value)):
        raise UsageError(f"{what}: must be two numbers, x and y in photo pixels")
    x, y = map(float, value)
    if not (0 <= x <= size[0] and 0 <= y <= size[1]):
        raise UsageError(f"{what} at {x:g},{y:g}: lies outside the {size[0]}x{size[1]} px picture")
    return x, y


def _arrow(value: object, size: tuple[float, float]) -> Arrow:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise UsageError("an arrow: must be four numbers, x and y of its tail and its head in photo pixels")
    tail, head = _point(value[:2], size, "an arrow's tail"), _point(value[2:], size, "an arrow's head")
    if tail == head:
        raise UsageError(f"an arrow at {tail[0]:g},{tail[1]:g}: has no length; set an anchor for what stays still")
    return (*tail, *head)


def _kind(value: object, size: tuple[float, float]) -> Kind:
    if not isinstance(value, dict) or value.get("kind") not in KINDS[1:]:
        raise UsageError(f"a kind: must be {{kind, at}}, and one of {', '.join(KINDS[1:])}")
    at = value.get("at")
    return Kind(value["kind"], None if at is None else _point(at, size, "a kind"))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _is_colour(text: str) -> bool:
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None

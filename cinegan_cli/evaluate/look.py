"""Contact sheets: of each photo what is found in it, and frames of the loop that comes out, in one row to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli import __version__
from cinegan_cli.config import Config
from cinegan_cli.errors import CancelledError, CineganError, OutputError, unexpected
from cinegan_cli.evaluate.kinds import NAMES, Labels, coarse_labels, kind_labels
from cinegan_cli.evaluate.photos import find_photos, spread
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.sheet import GREY, Frame, Line, draw_row, stacked
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.files import read_text, written
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.motion import KIND_COLOURS, arrows_over_photo
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import keep_inputs, write_pictures
from cinegan_cli.systems import choose_system
from cinegan_cli.types import Progress, Scene, silent

RECORD = "sheets.json"  # in the folder of the sheets: what they show, so that a stopped run is gone on with
CELL = 282  # px: 7 beside one another are about 2000 px
CHANGE = 3  # factor on the change of the frame at half the loop
COLOURS = {**KIND_COLOURS, "static": (0, 0, 0), "water": (90, 160, 255), "moving": (200, 200, 200)}  # RGB, of labels
COLUMNS = (
    Column("photo", "photo"),
    Column("sheet", "sheet"),
    Column("moving", "share that moves", 3),
    Column("confidence", "confidence", 2),
    Column("problem", "problem"),
)


@dataclass(frozen=True)
class Row:
    """What a photo's row shows, and its figures. Without a scene the cells are those that exist."""

    cells: tuple[Frame, ...]
    caption: tuple[Line, ...]
    figures: Mapping[str, Value]


def run_looks(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """Write sheets of `config.rows` photos each into `config.out`; those of an equal run are kept, or overwritten.

    `paths` are photos, folders of photos, or data folders, of which those of `config.split` are taken. What goes wrong
    with a photo stands in its row. Raises InputError when there are no photos, OutputError for a folder that holds
    sheets of other photos or settings (without `config.overwrite`), or that cannot be written.
    """
    assert config.out is not None
    photos = [found.path for found in spread(find_photos(paths, config.split), config.count)]
    setup = Config.from_options(**{"max_side": config.max_side, **options})
    session = Session(setup.run)
    choose_system(setup, session)  # what is wrong with it is not one photo's fault
    sheets = _plan(photos, config)
    _open_folder(config.out, sheets, setup, config.overwrite)
    missing = {name: part for name, part in sheets.items() if not (config.out / name).is_file()}
    figures: list[Mapping[str, Value]] = []
    done = 0
    for name, part in missing.items():
        rows = []
        for photo in part:
            progress("looking", done, sum(map(len, missing.values())))
            rows.append(look_at(photo, setup, session))
            figures.append({"photo": photo.name, "sheet": name, **rows[-1].figures})
            done += 1
        cell = CELL if config.rows > 1 else setup.photo.max_side
        write_pictures({config.out / name: stacked([draw_row(row.cells, row.caption, cell) for row in rows])})
    return _results(config.out, sheets, missing, figures)


def look_at(path: Path, config: Config, session: Session) -> Row:
    """One photo's row: photo, mask, arrows, the loop at 1/4, 1/2 and 3/4, and what changed at 1/2, three times."""
    cells: list[Frame] = []
    try:
        cells.append(read_photo(path, config.photo).pixels_u8.numpy())
        scene = prepare(path, config, session)
        labels = _labels(scene)
        cells += [tinted(scene, labels), arrows_over_photo(scene.photo, scene.mask, scene.motion).numpy()]
        frames = _quarters(scene, config, session)
        change = np.abs(frames[1].astype(np.int16) - cells[0])
        cells += [*frames, np.clip(change * CHANGE, 0, 255).astype(np.uint8)]
    except CancelledError:
        raise
    except Exception as error:  # whatever it is, the other photos are not to blame
        problem = str(error) if isinstance(error, CineganError) else f"{path}: {unexpected(error)[0]}"
        return Row(tuple(cells), ((path.name, GREY), (problem, (255, 80, 80))), {"problem": problem})
    moving = float(scene.mask.alpha.mean())
    figures: dict[str, Value] = {"moving": moving, "confidence": scene.mask.confidence}
    about = f"{path.name}   {moving:.0%} moves, confidence {scene.mask.confidence:.2f}"
    return Row(tuple(cells), ((about, GREY), *_legend(labels)), figures)


def tinted(scene: Scene, labels: Labels) -> Frame:
    """The photo with what moves in the colours of its kinds, the rest darker: uint8 [H, W, 3]."""
    colours = np.zeros((256, 3), np.float32)
    for label, name in NAMES.items():
        colours[label] = COLOURS[name]
    pixels = scene.photo.pixels_u8.numpy()
    alpha = scene.mask.alpha.numpy()[:, :, None] * (labels > 0)[:, :, None]
    mixed = alpha * (pixels * np.float32(0.55) + colours[labels] * np.float32(0.45)) + (1 - alpha) * pixels * 0.6
    return np.asarray(mixed.round().clip(0, 255), np.uint8)


def _labels(scene: Scene) -> Labels:
    """uint8 [H, W]: the kinds that the motion or else the mask knows, or just sky and water."""
    coarse = coarse_labels(scene.mask)
    kinds = scene.motion.kinds
    if kinds is None:
        seen = kind_labels(scene.mask)
        return coarse if seen is None else seen
    size = (coarse.shape[1], coarse.shape[0])
    known = np.asarray(cv2.resize(kinds.numpy(), size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return np.where((coarse > 0) & (known > 0), known, coarse)


def _legend(labels: Labels) -> tuple[Line, ...]:
    """What there is, most of it first, each in its colour."""
    counts = np.bincount(labels.ravel(), minlength=256)
    there = sorted((label for label in NAMES if label and counts[label]), key=lambda label: -counts[label])
    return tuple((f"{NAMES[k]} {counts[k] / labels.size:.0%}", COLOURS[NAMES[k]]) for k in there)


def _quarters(scene: Scene, config: Config, session: Session) -> list[NDArray[np.uint8]]:
    """The frames at 1/4, 1/2 and 3/4 of the loop, at the fewest frames that settings allow: time stays the same."""
    seconds = config.render.seconds
    quarter = max(1, round(np.ceil(seconds / 4)))
    few = replace(config, render=replace(config.render, fps=4 * quarter / seconds))
    frames = list(render(scene, few, session))
    return frames[quarter::quarter][:3]


def _plan(photos: Sequence[Path], config: EvaluateConfig) -> dict[str, list[Path]]:
    """The photos of each sheet, by the sheet's name."""
    if config.rows == 1:
        return {f"{k:03d}_{photo.stem[:80]}.jpg": [photo] for k, photo in enumerate(photos, 1)}
    parts = [list(photos[k : k + config.rows]) for k in range(0, len(photos), config.rows)]
    return {f"sheet_{k:03d}.jpg": part for k, part in enumerate(parts, 1)}


def _open_folder(folder: Path, sheets: Mapping[str, list[Path]], config: Config, overwrite: bool) -> None:
    """Make the folder, or see that what is there is of the same photos and settings; else raise OutputError.

    With `overwrite` the sheets that are there go; UsageError where one of them is among the photos.
    """
    names = {name: list(map(str, photos)) for name, photos in sheets.items()}
    record = {"version": __version__, "options": config.options(), "sheets": names}
    before = _read_record(folder)
    if before == json.loads(json.dumps(record)) and not overwrite:
        return
    earlier = before.get("sheets", {})
    taken = [path for name in {*sheets, *earlier} if (path := folder / Path(name).name).exists()]
    keep_inputs(taken, [photo for photos in sheets.values() for photo in photos])
    if taken and not overwrite:
        raise OutputError(f"{folder}: holds sheets of other photos or settings; choose another --out, or --overwrite")
    for path in taken:
        path.unlink()
    with written(folder / RECORD, "choose another --out") as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _read_record(folder: Path) -> dict[str, Any]:
    """What an earlier run wrote down in the folder, which is made where it is missing. Raises OutputError."""
    place = folder / RECORD
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = json.loads(read_text(place)) if place.exists() else {}
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used: {error.strerror or error}; choose another --out") from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("sheets", {}), dict):
        raise OutputError(f"{place}: is not what a run of --look wrote; choose another --out, or remove it")
    return found


def _results(
    folder: Path,
    sheets: Mapping[str, list[Path]],
    missing: Mapping[str, list[Path]],
    figures: Sequence[Mapping[str, Value]],
) -> Results:
    problems = [row for row in figures if row.get("problem") is not None]
    summary: list[dict[str, Value]] = []
    for name, part in sheets.items():
        wrong = sum(row["sheet"] == name for row in problems)
        about: dict[str, Value] = {"problems": float(wrong)} if name in missing else {"problems": "kept"}
        summary.append({"sheet": str(folder / name), "photos": float(len(part)), **about})
    columns = (Column("sheet", "sheet"), Column("photos", "photos", 0), Column("problems", "problems", 0))
    notes = (
        "A row: photo, mask, motion, the loop at 1/4, 1/2, 3/4, three times the change at 1/2.",
        *(f"{row['problem']}." for row in problems),
    )
    means = Table("Contact sheets", columns, tuple(summary), notes)
    return Results(means, Table("Contact sheets, each photo", COLUMNS, tuple(figures)))

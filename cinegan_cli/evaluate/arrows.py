"""Direction, speed and kind of the motion that `animate` would make, against arrows drawn into photos by eye."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.kinds import LABELS, NAMES, WATERS
from cinegan_cli.evaluate.photos import Found, find_photos, spread
from cinegan_cli.evaluate.settings import ARROWS, EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.training.data import Arrow, read_arrows
from cinegan_cli.types import KINDS, Progress, Scene, silent

SURE = 0.65  # directions of less are not judged
WITHIN = 45.0  # degrees
WITHIN_AXIS = 20.0  # degrees; of skies, whose sign a photo does not show
FACTOR = 2.5
UNSEEN = "-"
FIGURES = (
    Column("points", "arrows", 0),
    Column("moves", "moves↑"),
    Column("judged", "directions judged", 0),
    Column("within", f"within {WITHIN:.0f}°↑"),
    Column("axis_close", f"axis within {WITHIN_AXIS:.0f}°↑"),
    Column("axis", f"axis within {WITHIN:.0f}°↑"),
    Column("ratio", "speed→1", 2),
    Column("factor", f"speed within {FACTOR}x↑"),
)
NOTES = (
    "Shares of the arrows, each arrow alike. The place of an arrow moves where the mask is at least half and the speed",
    f"is not zero; only there direction and speed are judged. Directions: of regions that are at least {SURE} sure; of",
    "skies the axis, of all. Speed: the median of found over true. Water: all kinds but sky and fog.",
)


@dataclass(frozen=True)
class Point:
    """What was found where an arrow starts. `angle` (degrees) and `ratio` (found over true speed) only if it moves."""

    arrow: Arrow
    seen: str = UNSEEN
    angle: float | None = None
    ratio: float | None = None


def run_arrows(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """The whole way from photo to motion on the photos of `config.split` that have arrows.

    `paths` are folders with photos, arrows.json and manifest.csv. A photo in which nothing is found to move counts as
    held still. Raises InputError for files that cannot be read, and when no photo has arrows.
    """
    drawn = {path: read_arrows(path / ARROWS) for path in paths}
    found = [each for each in find_photos(paths, config.split) if _of(each, drawn)]
    if not found:
        raise InputError(f"{paths[0] / ARROWS}: names none of the photos; it needs NAME for NAME.jpg")
    found = spread(found, config.count)
    setup = Config.from_options(**options)
    session = Session(setup.run)
    points: list[Point] = []
    rows: list[dict[str, Value]] = []
    for done, each in enumerate(found):
        progress("comparing motion", done, len(found))
        here = compare_photo(each.path, _of(each, drawn), setup, session)
        points += here
        rows += [{"photo": each.path.stem, **row} for row in by_kind(here)]
    title = "Motion against arrows drawn by eye"
    notes = (f"{len(found)} photos.", *NOTES)
    return Results(
        Table(title, (Column("kind", "kind"), *FIGURES), tuple(by_kind(points)), notes),
        Table(f"{title}, each", (Column("photo", "photo"), Column("kind", "kind"), *FIGURES), tuple(rows)),
        (confusion(points),),
    )


def compare_photo(path: Path, arrows: Sequence[Arrow], config: Config, session: Session) -> list[Point]:
    """What is found at each arrow of a photo. Raises InputError when the photo cannot be read."""
    try:
        scene = prepare(path, config, session)
    except InputError:
        read_photo(path, config.photo)  # raises what is wrong with the photo; else nothing moves in it
        return [Point(arrow) for arrow in arrows]
    return [compare(arrow, scene) for arrow in arrows]


def compare(arrow: Arrow, scene: Scene) -> Point:
    """The motion of a scene where the arrow starts; outside of the picture that of the nearest place."""
    width = scene.photo.source_size[0]
    left, top, across, down = scene.photo.window
    place = (arrow.start[0] * width - left) / across, (arrow.start[1] * width - top) / down  # shares of the output

    motion = scene.motion
    row, column = _cell(place, motion.velocity.shape[1:])
    seen = UNSEEN if motion.kinds is None else NAMES.get(int(motion.kinds[row, column]), UNSEEN)
    cells = (across / motion.velocity.shape[2] / width, down / motion.velocity.shape[1] / width)  # in widths
    found = [float(motion.velocity[k, row, column]) * cells[k] for k in (0, 1)]
    speed, true = math.hypot(*found), math.hypot(*arrow.travel)
    alpha = float(scene.mask.alpha[_cell(place, scene.mask.alpha.shape)])
    if alpha < 0.5 or speed <= 0:
        return Point(arrow, seen)
    turn = math.atan2(found[1], found[0]) - math.atan2(arrow.travel[1], arrow.travel[0])
    angle = abs(math.degrees(math.remainder(turn, math.tau)))
    return Point(arrow, seen, angle, speed / true)


def by_kind(points: Sequence[Point]) -> list[dict[str, Value]]:
    """A row for each kind that there is, in the order of `KINDS`, and one for all kinds of water together."""
    groups = {kind: [point for point in points if point.arrow.kind == kind] for kind in KINDS}
    water = [point for point in points if point.arrow.kind in WATERS]
    rows = [{"kind": kind, **figures(group)} for kind, group in groups.items() if group]
    return [*rows, {"kind": "water, all kinds", **figures(water)}] if water else rows


def figures(points: Sequence[Point]) -> dict[str, Value]:
    """The figures of arrows that are all skies, or all not; a share of none is None."""
    sky = points[0].arrow.kind == "sky"
    judged = [p.angle for p in points if p.angle is not None and (sky or p.arrow.sure >= SURE)]
    ratios = [p.ratio for p in points if p.ratio is not None]
    axes = [min(angle, 180 - angle) for angle in judged] if sky else []
    return {
        "points": float(len(points)),
        "moves": len([p for p in points if p.angle is not None]) / len(points),
        "judged": float(len(judged)),
        "within": None if sky else _share([angle <= WITHIN for angle in judged]),
        "axis_close": _share([axis <= WITHIN_AXIS for axis in axes]),
        "axis": _share([axis <= WITHIN for axis in axes]),
        "ratio": float(np.median(ratios)) if ratios else None,
        "factor": _share([1 / FACTOR <= ratio <= FACTOR for ratio in ratios]),
    }


def confusion(points: Sequence[Point]) -> Table:
    """A row for each true kind: the shares of its arrows at which each kind is seen."""
    order = [*LABELS, UNSEEN]
    rows: list[dict[str, Value]] = []
    for kind in KINDS:
        seen = Counter(point.seen for point in points if point.arrow.kind == kind)
        if seen:
            shares = {name: number / seen.total() for name, number in seen.items()}
            rows.append({"kind": kind, "points": float(seen.total()), **shares})
    columns = (Column("kind", "true kind"), Column("points", "arrows", 0), *(Column(name, name, 2) for name in order))
    return Table("Kinds: shares of the arrows of each row at which the column's is seen", columns, tuple(rows))


def _of(each: Found, drawn: Mapping[Path, Mapping[str, Sequence[Arrow]]]) -> Sequence[Arrow]:
    return () if each.folder is None else drawn[each.folder].get(each.path.stem, ())


def _cell(place: tuple[float, float], shape: Sequence[int]) -> tuple[int, int]:
    """(row, column) of a grid [h, w] in which a place lies, given as shares of width and height; the nearest one."""
    row, column = (min(max(int(p * n), 0), n - 1) for p, n in zip(reversed(place), shape, strict=True))
    return row, column


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None

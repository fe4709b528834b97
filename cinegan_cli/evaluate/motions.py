"""Angular and end-point error of the motion that `animate` would use, against known fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.motion import make_motion, read_motion
from cinegan_cli.types import Motion, Progress, silent

Field = NDArray[np.float32]

ARROWS = 3  # of a sample, told to the motion stage
PARTS = ("photo.png", "mask.png", "motion.npy")
COLUMNS = (
    Column("method", "motion"),
    Column("angle", "angle °↓", 1),
    Column("axis", "angle of the axis °↓", 1),
    Column("end_point", "end-point error↓", 3),
    Column("end_point_scaled", "at the true mean speed↓", 3),
    Column("speed", "speed→1", 2),
)
NOTES = (
    "Inside the mask. Angles are weighted by the true speed; the axis does not tell there from back, which a photo of",
    "clouds does not show. End-point errors and speed are shares of the true mean speed. Arrows are a second's true",
    f"travel from {ARROWS} places drawn by lot.",
)


def run_motions(paths: Sequence[Path], options: Mapping[str, Any], *, progress: Progress = silent) -> Results:
    """What the motion stage makes of photo and mask, also with arrows, the best constant (the mean vector), no motion.

    `paths` are folders that hold photo.png, mask.png and motion.npy (px per frame at 30 fps on its own grid), or
    folders of those. Raises InputError when there are none.
    """
    folders = find_samples(paths)
    session = Session(Config.from_options(**options).run)
    rows: list[dict[str, Value]] = []
    for done, folder in enumerate(folders):
        progress("comparing motion", done, len(folders))
        for method, figures in compare_sample(folder, options, session).items():
            rows.append({"method": method, "sample": folder.name, **figures})
    title = "Motion against known fields"
    means = [_mean([row for row in rows if row["method"] == name]) for name in dict.fromkeys(r["method"] for r in rows)]
    notes = (f"{len(folders)} samples, each weighted alike.", *NOTES)
    return Results(
        Table(title, COLUMNS, tuple(means), notes),
        Table(f"{title}, each", (Column("sample", "sample"), *COLUMNS), tuple(rows)),
    )


def find_samples(paths: Sequence[Path]) -> list[Path]:
    """Folders with photo, mask and motion. Raises InputError."""
    found = []
    for path in paths:
        inside = [path] if _is_sample(path) else sorted(part.parent for part in path.glob(f"*/{PARTS[2]}"))
        samples = [folder for folder in inside if _is_sample(folder)]
        if not samples:
            raise InputError(f"{path}: holds no folder with {', '.join(PARTS[:2])} and {PARTS[2]}")
        found += samples
    return found


def compare_sample(folder: Path, options: Mapping[str, Any], session: Session) -> dict[str, dict[str, Value]]:
    """The figures of each motion on one sample. Raises InputError when nothing moves there."""
    photo, mask, motion = (folder / part for part in PARTS)
    config = Config.from_options(**options, mask=mask)
    scene = prepare(photo, config, session)
    truth = read_motion(motion).numpy()  # [2, h, w] px of its grid per second
    height, width = truth.shape[1:]
    inside = cv2.resize(scene.mask.alpha.numpy(), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    wanted = truth[:, inside]  # [2, n]
    if not wanted.size or not float(np.hypot(*wanted).mean()) > 0:
        raise InputError(f"{motion}: nothing moves inside the mask; there is nothing to compare with")
    arrows = draw_arrows(truth, inside, scene.photo.source_size)
    steered = make_motion(scene.photo, scene.mask, replace(config.motion, arrow=arrows), session=session)
    fields = {
        "ours": on_grid(scene.motion, inside),
        f"ours, {ARROWS} arrows": on_grid(steered, inside),
        "best constant": np.broadcast_to(wanted.mean(1, keepdims=True), wanted.shape),
        "zero": np.zeros_like(wanted),
    }
    return {name: errors(np.asarray(field, np.float32), wanted) for name, field in fields.items()}


def on_grid(motion: Motion, inside: NDArray[np.bool_]) -> Field:
    """The motion at the places `inside` [h, w] of another grid, in that grid's cells: [2, n]."""
    height, width = inside.shape
    stretch = np.array([[width / motion.velocity.shape[2]], [height / motion.velocity.shape[1]]])
    parts = [cv2.resize(part, (width, height))[inside] for part in motion.velocity.numpy()]
    return np.asarray(np.stack(parts) * stretch, np.float32)


def draw_arrows(
    truth: Field, inside: NDArray[np.bool_], size: tuple[int, int]
) -> tuple[tuple[float, float, float, float], ...]:
    """Arrows along the true field [2, h, w] at places drawn by lot (seed 0), in px of a photo of `size`.

    Where a second's travel would leave the picture, the arrow begins at the other end of it.
    """
    height, width = inside.shape
    fast = inside & (np.hypot(*truth) > 0.3 * np.hypot(*truth)[inside].mean())
    rows, columns = np.nonzero(fast)
    scale = np.array([size[0] / width, size[1] / height])
    arrows = []
    for k in np.random.default_rng(0).integers(rows.size, size=ARROWS):
        start = (np.array([columns[k], rows[k]]) + 0.5) * scale
        travel = truth[:, rows[k], columns[k]] * scale
        if not ((start + travel >= 0) & (start + travel <= size)).all():
            start = start - travel
        ends = np.clip([start, start + travel], 0, size).ravel()
        arrows.append((float(ends[0]), float(ends[1]), float(ends[2]), float(ends[3])))
    return tuple(arrows)


def errors(found: Field, wanted: Field) -> dict[str, Value]:
    """Figures of `found` against `wanted`, both [2, n]; the angles and what is scaled are None where nothing moves."""
    speed, own = np.hypot(*wanted), np.hypot(*found)
    mean = float(speed.mean())
    figures: dict[str, Value] = {"end_point": float(np.hypot(*(found - wanted)).mean()) / mean}
    figures["speed"] = float(own.mean()) / mean
    if float(own.mean()) <= 0:
        return figures
    cosine = (found * wanted).sum(0) / np.maximum(own * speed, 1e-9)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    scaled = found * (mean / float(own.mean()))
    figures["angle"] = float(np.average(angle, weights=speed))
    figures["axis"] = float(np.average(np.minimum(angle, 180 - angle), weights=speed))
    figures["end_point_scaled"] = float(np.hypot(*(scaled - wanted)).mean()) / mean
    return figures


def _is_sample(folder: Path) -> bool:
    return all((folder / part).is_file() for part in PARTS)


def _mean(rows: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    means: dict[str, Value] = {"method": rows[0]["method"]}
    for column in COLUMNS[1:]:
        values = [float(value) for row in rows if (value := row.get(column.key)) is not None]
        means[column.key] = sum(values) / len(values) if values else None
    return means

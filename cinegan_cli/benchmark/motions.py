"""Angular and end-point error of the motion that `animate` would use, against known fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluation.tables import Column, Results, Table, Value
from cinegan_cli.scene import Progress, prepare, silent
from cinegan_cli.stages.motion_files import read_motion

Field = NDArray[np.float32]

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
    "clouds does not show. End-point errors and speed are shares of the true mean speed.",
)


def run_motions(paths: Sequence[Path], options: Mapping[str, Any], *, progress: Progress = silent) -> Results:
    """What the motion stage makes of photo and mask, beside the best constant (the mean vector) and no motion at all.

    `paths` are folders that hold photo.png, mask.png and motion.npy (px per frame at 30 fps on its own grid), or
    folders of those. Raises InputError when there are none.
    """
    folders = find_samples(paths)
    rows: list[dict[str, Value]] = []
    for done, folder in enumerate(folders):
        progress("comparing motion", done, len(folders))
        for method, figures in compare_sample(folder, options).items():
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


def compare_sample(folder: Path, options: Mapping[str, Any]) -> dict[str, dict[str, Value]]:
    """The figures of each motion on one sample. Raises InputError when nothing moves there."""
    photo, mask, motion = (folder / part for part in PARTS)
    scene = prepare(photo, Config.from_options(**options, mask=mask))
    truth = read_motion(motion).numpy()  # [2, h, w] px of its grid per second
    height, width = truth.shape[1:]
    inside = cv2.resize(scene.mask.alpha.numpy(), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    wanted = truth[:, inside]  # [2, n]
    if not wanted.size or not float(np.hypot(*wanted).mean()) > 0:
        raise InputError(f"{motion}: nothing moves inside the mask; there is nothing to compare with")
    stretch = np.array([[width], [height]]) / np.array(
        [[scene.motion.velocity.shape[2]], [scene.motion.velocity.shape[1]]]
    )
    parts = [cv2.resize(part, (width, height))[inside] for part in scene.motion.velocity.numpy()]
    ours = np.asarray(np.stack(parts) * stretch, np.float32)
    constant = np.broadcast_to(wanted.mean(1, keepdims=True), wanted.shape)
    zero = np.zeros_like(wanted)
    return {name: errors(f, wanted) for name, f in (("ours", ours), ("best constant", constant), ("zero", zero))}


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

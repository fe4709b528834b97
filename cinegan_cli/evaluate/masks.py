"""IoU of the masks that `animate` would find, against masks painted by hand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.photos import MASK_SUFFIXES, Found, find_photos, named
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.measure import Scores, score
from cinegan_cli.scene import prepare_mask
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import read_seers
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.training.data import read_labels
from cinegan_cli.types import IGNORE, SKY, STATIC, WATER, Photo, Progress, silent

Labels = NDArray[np.uint8]

WHITE = 255  # in a black and white mask; in one with sky and water the same value is "not counted"
COLUMNS = (
    Column("photo", "photo"),
    Column("moving", "moving/static IoU↑", 4),
    Column("static", "static↑", 4),
    Column("sky", "sky↑", 4),
    Column("water", "water↑", 4),
    Column("confidence", "confidence", 2),
    Column("seconds", "seconds", 2),
)


def run_masks(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """The whole mask stage on photos at their own size; every photo counts alike.

    Truth is `config.masks`, or `annotated` in a data folder: NAME.png or NAME_mask.png at the photo's size, 0 static,
    1 sky, 2 water, 255 not counted; or black and white, where what moves is not told apart. Photos of a folder for
    which there is none are left out. Raises InputError when none is left.
    """
    pairs, rows, bare = [], [], 0
    setup = Config.from_options(**options)
    session = Session(setup.run)
    if setup.mask.mask_network is not None:  # what is wrong with it is not that nothing moves
        read_seers(setup.mask.mask_network, session)
    found = find_photos(paths, config.split)
    for done, each in enumerate(found):
        progress("finding masks", done, len(found))
        truth_path = _truth_of(each, config)
        if truth_path is None:
            bare += 1
            continue
        photo = read_photo(each.path, setup.photo)
        truth, kinds = read_truth(truth_path, photo)
        started = time.perf_counter()
        labels, confidence = predicted_labels(each.path, setup, session)
        seconds = time.perf_counter() - started
        pair = (labels, truth if kinds else _as_predicted(truth, labels))
        pairs.append((pair, kinds))
        figures = {"confidence": confidence, "seconds": seconds}
        rows.append({"photo": each.path.stem, **_row(score([pair]), kinds, pair), **figures})
    if not rows:
        raise InputError("none of the photos has a painted mask; name their folder with --masks")
    return _results(pairs, rows, bare)


def predicted_labels(path: Path, config: Config, session: Session) -> tuple[Labels, float]:
    """uint8 [H, W] labels of the default mask, and its confidence; all static when nothing is found to move."""
    try:
        _, mask = prepare_mask(path, config, session)
    except InputError:  # the photo itself was readable before: nothing moves in it
        return np.full(read_photo(path, config.photo).size[::-1], STATIC, np.uint8), 0.0
    assert mask.sky is not None
    assert mask.water is not None
    kind = torch.where(mask.sky >= mask.water, SKY, WATER)
    return torch.where(mask.alpha > 0.5, kind, STATIC).to(torch.uint8).numpy(), mask.confidence


def read_truth(path: Path, photo: Photo) -> tuple[Labels, bool]:
    """A painted mask, uint8 [H, W] cut like the photo, and whether it tells sky from water. Raises InputError."""
    values = read_labels(path)
    if (values.shape[1], values.shape[0]) != photo.source_size:
        found, wanted = (f"{w}x{h}" for w, h in (values.shape[::-1], photo.source_size))
        raise InputError(f"{path}: is {found} px, the photo {wanted}; paint masks at the photo's size")
    present = set(np.unique(values).tolist())
    if not present <= {STATIC, SKY, WATER, WHITE}:
        raise InputError(f"{path}: holds other values than 0, 1, 2 and 255; paint 0 static, 1 sky, 2 water")
    left, top, width, height = (int(v) for v in photo.window)
    return values[top : top + height, left : left + width], bool(present & {SKY, WATER}) or present == {STATIC}


def _truth_of(each: Found, config: EvaluateConfig) -> Path | None:
    """The painted mask of a photo. None when a photo of a folder has none; InputError when a named one has none."""
    place = config.masks or (None if each.folder is None else each.folder / "annotated")
    if place is None or not place.exists():
        raise InputError(f"{each.path}: no painted masks to compare with; name their folder with --masks")
    try:
        return named(place, each.path.stem, MASK_SUFFIXES)
    except InputError:
        if each.folder is None:
            raise
        return None


def _as_predicted(truth: Labels, labels: Labels) -> Labels:
    """A black and white truth with the kinds of the prediction, so that only moving and static are judged."""
    return np.where(truth == WHITE, np.where(labels == STATIC, SKY, labels), STATIC).astype(np.uint8)


def _row(scores: Scores, kinds: bool, pair: tuple[Labels, Labels]) -> dict[str, Value]:
    """Figures of one photo; a class that is neither found nor there has none."""
    labels, truth = pair
    there = [bool(np.any((labels == kind) & (truth != IGNORE)) or np.any(truth == kind)) for kind in (SKY, WATER)]
    static, sky, water = scores.classes
    values = {"sky": sky if kinds and there[0] else None, "water": water if kinds and there[1] else None}
    return {"moving": scores.moving, "static": static, **values}


def _results(pairs: list[tuple[tuple[Labels, Labels], bool]], rows: list[dict[str, Value]], bare: int) -> Results:
    scores = score([pair for pair, _ in pairs])
    whole = [pair for pair, kinds in pairs if kinds]
    classes = score(whole).classes if whole else (None, None, None)
    middle = float(np.median([float(row["seconds"] or 0) for row in rows]))
    means: list[dict[str, Value]] = [
        {"photo": "all photos together", "moving": scores.moving, "static": scores.classes[0]},
        {"photo": "mean of the photos' own", "moving": scores.per_photo, "seconds": middle},
    ]
    means[0] |= {"sky": classes[1], "water": classes[2]}
    notes = [f"{len(rows)} photos, each weighted alike; seconds: the median."]
    if bare:
        notes.append(f"left out: {bare} photos without a painted mask.")
    title = "Masks against painted ones"
    ordered = sorted(rows, key=lambda row: float(row["moving"] or 0))
    return Results(Table(title, COLUMNS, tuple(means), tuple(notes)), Table(f"{title}, each", COLUMNS, tuple(ordered)))

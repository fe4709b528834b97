"""IoU of the masks that `animate` would find, against masks painted by hand; by kind where the kinds are painted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.kinds import NAMES, Labels, coarse, coarse_labels, kind_labels
from cinegan_cli.evaluate.photos import MASK_SUFFIXES, Found, find_photos, named, spread
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.measure import score
from cinegan_cli.scene import prepare_mask
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import read_seers
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.training.data import read_labels
from cinegan_cli.types import IGNORE, LABEL_OF_KIND, MOVING, SKY, STATIC, WATER, Photo, Progress, silent

Sums = NDArray[np.float64]

WHITE = 255  # in a black and white mask; in one with kinds the same value is "not counted"
LEAST_STATIC = 0.02  # of a photo: where less stays, one boulder decides its mean of moving and static
TITLE = "Masks against painted ones"
COLUMNS = (
    Column("photo", "photo"),
    Column("moving", "moving/static IoU↑", 4),
    Column("static", "static↑", 4),
    Column("sky", "sky↑", 4),
    Column("water", "water↑", 4),
    Column("confidence", "confidence", 2),
    Column("seconds", "seconds", 2),
)
KIND_COLUMNS = (
    Column("kind", "painted kind"),
    Column("photos", "photos", 0),
    Column("area", "share of them", 3),
    Column("moves", "moves", 3),
    Column("iou", "IoU↑", 4),
)


@dataclass(frozen=True)
class Judged:
    """One photo: uint8 [H, W] labels found and painted (255 is not counted), and what `kind_sums` makes of them.

    `found` is told apart into sky and water only, `truth` as far as it was painted: 3 is "moves, not known what".
    """

    found: Labels
    truth: Labels
    kinds: Mapping[int, Sums]
    figures: Mapping[str, Value]

    @property
    def moving(self) -> tuple[Labels, Labels]:
        """The pair that tells how well moving is told from static."""
        still, aside = self.truth == STATIC, self.truth == IGNORE
        truth = np.where(aside, IGNORE, np.where(still, STATIC, SKY)).astype(np.uint8)
        return np.where(self.found == STATIC, STATIC, SKY).astype(np.uint8), truth

    @property
    def has_classes(self) -> bool:
        """Whether sky and water were painted apart, as far as anything moves."""
        return bool((self.truth != MOVING).all() or np.isin(coarse(self.truth), (SKY, WATER)).any())

    @property
    def classes(self) -> tuple[Labels, Labels]:
        """The pair that tells sky from water as well."""
        truth = coarse(self.truth)
        return self.found, np.where(truth == MOVING, IGNORE, truth).astype(np.uint8)

    @property
    def static(self) -> float:
        """The share of the counted pixels that stay still."""
        return float((self.truth == STATIC).sum() / max(1, (self.truth != IGNORE).sum()))


def run_masks(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """The whole mask stage on photos at their own size; every photo counts alike.

    Truth is `config.masks`, or `annotated` in a data folder: NAME.png or NAME_mask.png at the photo's size, with the
    labels of `types.py`; or black and white, where what moves is not told apart. Photos of a folder for which there is
    none are left out. Raises InputError when none is left.
    """
    setup = Config.from_options(**options)
    session = Session(setup.run)
    if setup.mask.mask_network is not None:  # what is wrong with it is not that nothing moves
        read_seers(setup.mask.mask_network, session)
    pairs = [(each.path, _truth_of(each, config)) for each in find_photos(paths, config.split)]
    painted = [(photo, truth) for photo, truth in pairs if truth is not None]
    if not painted:
        raise InputError("none of the photos has a painted mask; name their folder with --masks")
    judged = {}
    chosen = spread(painted, config.count)
    for done, (photo, truth) in enumerate(chosen):
        progress("finding masks", done, len(chosen))
        judged[photo] = _judge(photo, truth, setup, session)
    rows = [{"photo": photo.stem, **_row(each)} for photo, each in judged.items()]
    notes = [f"{len(rows)} photos, each weighted alike; seconds: the median."]
    if bare := len(pairs) - len(painted):
        notes.append(f"left out: {bare} photos without a painted mask.")
    means = Table(TITLE, COLUMNS, tuple(_means(list(judged.values()), rows)), tuple(notes))
    ordered = sorted(rows, key=lambda row: float(row["moving"] or 0))
    return Results(means, Table(f"{TITLE}, each", COLUMNS, tuple(ordered)), (by_kind(list(judged.values())),))


def _judge(path: Path, truth_path: Path, config: Config, session: Session) -> Judged:
    truth = read_truth(truth_path, read_photo(path, config.photo))
    started = time.perf_counter()
    found, kinds, confidence = predicted_labels(path, config, session)
    figures = {"confidence": confidence, "seconds": time.perf_counter() - started}
    return Judged(found, truth, kind_sums(found, kinds, truth), figures)


def predicted_labels(path: Path, config: Config, session: Session) -> tuple[Labels, Labels | None, float]:
    """uint8 [H, W] labels of the default mask, its kinds, its confidence; all static when nothing is found to move."""
    try:
        _, mask = prepare_mask(path, config, session)
    except InputError:  # the photo itself was readable before: nothing moves in it
        still = np.full(read_photo(path, config.photo).size[::-1], STATIC, np.uint8)
        return still, still, 0.0
    return coarse_labels(mask), kind_labels(mask), mask.confidence


def read_truth(path: Path, photo: Photo) -> Labels:
    """A painted mask, uint8 [H, W] cut like the photo; white of a black and white one is 3. Raises InputError."""
    values = read_labels(path)
    if (values.shape[1], values.shape[0]) != photo.source_size:
        found, wanted = (f"{w}x{h}" for w, h in (values.shape[::-1], photo.source_size))
        raise InputError(f"{path}: is {found} px, the photo {wanted}; paint masks at the photo's size")
    present = set(np.unique(values).tolist())
    if not present <= {*NAMES, IGNORE}:
        raise InputError(f"{path}: holds other values than 0 to 11 and 255; paint 0 static, 1 sky, 2 water")
    left, top, width, height = (int(v) for v in photo.window)
    cut = values[top : top + height, left : left + width]
    return np.where(cut == WHITE, MOVING, cut).astype(np.uint8) if present <= {STATIC, WHITE} else cut


def kind_sums(found: Labels, kinds: Labels | None, truth: Labels) -> dict[int, Sums]:
    """For each painted label, in shares of the counted pixels: its area, what of it moves, intersection, union.

    The last two, of the kinds found with those painted, are NaN without `kinds` and for labels that are no kind. Pixels
    whose kind was not painted (2 water, 3 moving) count in none.
    """
    counted = max(1, int((truth != IGNORE).sum()))
    known = ~np.isin(truth, (WATER, MOVING, IGNORE))
    sums = {}
    for label in NAMES:
        there = truth == label
        areas = [there.sum(), (there & (found != STATIC)).sum()]
        if kinds is None or label not in LABEL_OF_KIND:
            areas += [np.nan, np.nan]
        else:
            own = (kinds == label) & known
            areas += [(there & own).sum(), (there | own).sum()]
        sums[label] = np.array(areas, float) / counted
    return sums


def by_kind(judged: Sequence[Judged]) -> Table:
    """A row for each kind that is painted: how much of it moves, and the IoU of the kinds found. Photos count alike."""
    rows: list[dict[str, Value]] = []
    for label, name in NAMES.items():
        photos = sum(each.kinds[label][0] > 0 for each in judged)
        if photos:
            area, moves, both, either = (float(v) for v in np.sum([each.kinds[label] for each in judged], axis=0))
            iou = None if np.isnan(either) else both / either
            share = {"area": area / photos, "moves": moves / area, "iou": iou}
            rows.append({"kind": name, "photos": float(photos), **share})
    notes = ("Share: of the pixels of the photos in which it is. Moves: of its own pixels; 0 is best for static.",)
    return Table(f"{TITLE}, by kind", KIND_COLUMNS, tuple(rows), notes)


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


def _row(each: Judged) -> dict[str, Value]:
    """Figures of one photo; a class that is neither found nor there has none."""
    scores = score([each.moving])
    figures: dict[str, Value] = {"moving": scores.moving, "static": scores.classes[0], **each.figures}
    if not each.has_classes:
        return figures
    labels, truth = each.classes
    classes = score([each.classes]).classes
    for name, kind in (("sky", SKY), ("water", WATER)):
        there = np.any((labels == kind) & (truth != IGNORE)) or np.any(truth == kind)
        figures[name] = classes[kind] if there else None
    return figures


def _means(judged: Sequence[Judged], rows: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
    scores = score(each.moving for each in judged)
    whole = [each for each in judged if each.has_classes]
    _, sky, water = score(each.classes for each in whole).classes if whole else (None, None, None)
    together = {"moving": scores.moving, "static": scores.classes[0], "sky": sky, "water": water}
    middle = float(np.median([float(row["seconds"] or 0) for row in rows]))
    means: list[dict[str, Value]] = [
        {"photo": "all photos together", **together},
        {"photo": "mean of the photos' own", "moving": scores.per_photo, "seconds": middle},
    ]
    some = [value for value, each in zip(scores.photos, judged, strict=True) if each.static >= LEAST_STATIC]
    if 0 < len(some) < len(judged):
        name = f"the same of the {len(some)} of which at least {LEAST_STATIC:.0%} stays"
        means.append({"photo": name, "moving": float(np.mean(some))})
    return means

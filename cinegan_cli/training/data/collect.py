"""Anybody's data become a motion set once: clips are measured, published fields and drawn arrows brought over.

The set lies below the folder of the run. A run that was stopped goes on; what did not change is not made again.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from cinegan_cli.config import FRAME_RATE_OF_FILES, RunConfig
from cinegan_cli.errors import CineganError, InputError, one_line
from cinegan_cli.session import Session
from cinegan_cli.stages.video import open_clip, reduced
from cinegan_cli.training.data.drawn import ARROWS, drawn_sample, read_shared
from cinegan_cli.training.data.fields import read_field
from cinegan_cli.training.data.folder import (
    FIELDS,
    NOT_STATED,
    TOLD,
    DataSet,
    MotionSample,
    Pixels,
    Row,
    Tell,
    read_manifest,
    read_picture,
    require_aspect,
    sample_of,
    stored,
    unheard,
)
from cinegan_cli.training.data.from_videos import REJECTED, measure_clip, window_row, window_sample
from cinegan_cli.training.data.labels import read_any
from cinegan_cli.training.data.motions import is_motion_set, split_kinds
from cinegan_cli.training.data.sources import Found, Source, find_motions, rows_of, stamp_of
from cinegan_cli.training.settings import VideosConfig
from cinegan_cli.types import IGNORE, MOVING, SKY, STATIC, WATER, Progress, silent

PLACE = "measured"  # folder of the sets in that of a run
REFUSED = ("file", "start", "reason", "stamp")  # columns of rejected.csv
LEAST_SIDE = 640  # px, longer side of the photos; more where a network is trained at more
GRID_SIDE = 512  # px, longer side of the fields
DRAWN_SIDE = 320  # px, longer side at which arrows are spread and kinds told apart
FASTER, LEAST_SPEED = 0.1, 0.002  # moving: squared speeds over this share of their mean, and longer sides per second
Device = Literal["auto", "cpu", "cuda"]
Made = list[tuple[str, Row, MotionSample]]  # an ending of the name, what the manifest says, the sample
Refusals = list[tuple[float, str]]  # starts in seconds, and why nothing came of it

NEEDED = (
    "clips with a camera that holds still; photos or clips with their motion (NAME_motion.npy, .npz, .flo or .pth); "
    "photos with arrows (arrows.json, or labelme); or motion sets (NAME/photo.png, mask.png, motion.npy)"
)


def gather(
    data: Sequence[Path],
    work: Path,
    side: int,
    *,
    device: Device = "cpu",
    progress: Progress = silent,
    tell: Tell = unheard,
) -> list[Path]:
    """The motion sets that `read_sets` takes, for folders of any kind: each itself, or one made of it below `work`.

    `device` is where the mask network tells sky from water; `tell` gets a sentence for what was left out and why.
    Raises InputError when nothing of a folder can be used, OutputError when the set cannot be written.
    """
    session = Session(RunConfig(device=device))
    return [each if is_motion_set(each) else _gathered(each, work, side, session, progress, tell) for each in data]


def _gathered(data: Path, work: Path, side: int, session: Session, progress: Progress, tell: Tell) -> Path:
    found = find_motions(data, work)
    for name, reason in found.left_out:
        tell(one_line(f"left out: {name}: {reason}"))
    if not found.sources:
        raise InputError(one_line(_nothing(data, found)))
    place = work / PLACE / f"{_plain(data.resolve().name)}-{zlib.crc32(os.fsencode(data.resolve())):08x}"
    store = DataSet(place, (*FIELDS, "origin", "stamp"))
    refused = _follow(store, found)
    before = len(store.rows)
    known = {row["origin"] for row in store.rows.values()} | {row["file"] for row in refused}
    for done, source in enumerate(found.sources):
        progress(f"measuring {one_line(source.origin)}", done, len(found.sources))
        if source.origin in known:
            continue
        made, faults = _make(source, data, side, session)
        if made:
            store.add([sample_of(f"{_name(source)}_{ending}", row, sample) for ending, row, sample in made])
        if faults:
            refused += [_refusal(source, *fault) for fault in faults]
            store.write_table(REJECTED, REFUSED, refused)
    _report(data, place, found, refused, (before, len(store.rows)), tell)
    if not store.rows:
        first = f"{refused[0]['file']}: {refused[0]['reason']}"
        raise InputError(one_line(f"{data}: nothing of {found.counts} can be used ({first}); needed are {NEEDED}"))
    return place


def _follow(store: DataSet, found: Found) -> list[Row]:
    """Take out what was made of files that changed or are gone; returns the refusals that still hold."""
    stamps = {source.origin: source.stamp for source in found.sources}
    stale = [file for file, row in store.rows.items() if stamps.get(row["origin"]) != row["stamp"]]
    for file in stale:
        store.drop(file)
    if stale:
        store.add([])
    path = store.folder / REJECTED
    rows = read_manifest(path, REFUSED) if path.is_file() else []
    return [row for row in rows if stamps.get(row["file"]) == row["stamp"]]


def _make(source: Source, data: Path, side: int, session: Session) -> tuple[Made, Refusals]:
    """The samples of a source, and why others came to nothing."""
    made: Made
    faults: Refusals = []
    try:
        if source.field is not None:
            made = [("field", {}, _of_field(source, side, session))]
        elif source.drawing is not None:
            made = [("drawn", {}, _of_drawing(source, session))]
        else:
            made, faults = _of_clip(source, side, session)
    except CineganError as error:
        return [], [(0.0, one_line(str(error)))]
    said = rows_of(source.file, data)
    credit = {
        "split": "train",
        "licence": said.get("licence") or NOT_STATED,
        "train_shipped_weights": "yes",
        "source": said.get("source") or source.origin,
        "origin": source.origin,
        "stamp": source.stamp,
    }
    return [(ending, {**credit, **row}, sample) for ending, row, sample in made], faults


def _of_clip(source: Source, side: int, session: Session) -> tuple[Made, Refusals]:
    assert source.clip is not None
    config = VideosConfig(max_side=max(side, LEAST_SIDE))
    windows, faults = measure_clip(source.clip, config, None)
    if not windows:
        return [], faults
    made: Made = []
    seen = _sky_or_water(windows[0].photo, session)  # for all: the camera holds still
    for window in windows:
        sample = window_sample(window)
        kinds = np.where(sample.mask > 0, seen, STATIC).astype(np.uint8)
        made.append((window.ending, window_row(window, config), replace(sample, kinds=kinds)))
    return made, faults


def _of_field(source: Source, side: int, session: Session) -> MotionSample:
    """A sample of a published field: px per frame of its clip, or of 30 frames a second where there is none."""
    assert source.field is not None
    clip = None if source.clip is None else open_clip(source.clip, max_side=max(side, LEAST_SIDE))
    if source.shown is not None:
        photo = _smaller(read_picture(source.shown), max(side, LEAST_SIDE))
    else:
        assert clip is not None
        photo = next(clip.frames(1))
    height, width = photo.shape[:2]
    field = read_field(source.field)
    require_aspect(source.field, (field.shape[2], field.shape[1]), source.file, (width, height))
    scale = min(1.0, GRID_SIDE / max(field.shape))
    grid = max(1, round(field.shape[2] * scale)), max(1, round(field.shape[1] * scale))
    scale *= (clip.fps if clip is not None else FRAME_RATE_OF_FILES) / FRAME_RATE_OF_FILES
    field = np.stack([cv2.resize(part, grid, interpolation=cv2.INTER_AREA) for part in field]) * np.float32(scale)
    labels = None if source.mask is None else _labels(source.mask, (width, height), source.mask)
    speed = np.hypot(*field) * (FRAME_RATE_OF_FILES / max(grid))  # longer sides per second
    if labels is None:
        fast = (speed**2 > FASTER * np.square(speed).mean()) & (speed > LEAST_SPEED)
        labels = cv2.resize(fast.astype(np.uint8) * MOVING, (width, height), interpolation=cv2.INTER_NEAREST)
    kinds = np.where(labels == IGNORE, STATIC, labels).astype(np.uint8)
    if not kinds.any() or float(speed.max()) < LEAST_SPEED:
        raise InputError(f"{source.field}: nothing moves in it")
    kinds = _told_apart(kinds, photo, session)
    mask = (kinds != STATIC).astype(np.uint8) * np.uint8(255)
    return MotionSample(np.ascontiguousarray(photo), mask, stored(field), kinds)


def _of_drawing(source: Source, session: Session) -> MotionSample:
    """A sample of a photo with arrows; outlines of the drawing itself say what moves where no mask does."""
    assert source.shown is not None
    assert source.drawing is not None
    photo = _smaller(read_picture(source.shown), DRAWN_SIDE)
    size = photo.shape[1], photo.shape[0]
    regions = None
    if source.drawing.name == ARROWS:
        regions = read_shared(source.drawing, stamp_of(source.drawing))[source.shown.stem]
    labels = None
    if source.mask is not None:
        labels = _labels(source.mask, size, source.mask)
    elif regions is None:
        try:
            labels = _labels(source.drawing, size, source.drawing)
        except InputError:  # it holds arrows alone
            labels = None
    if labels is not None:
        labels = _told_apart(labels, photo, session)
    return drawn_sample(photo, labels, source.drawing, regions, session)


def _told_apart(labels: Pixels, photo: Pixels, session: Session) -> Pixels:
    """The labels [H, W], where what moves is sky or water as it looks, if they do not say which."""
    if not (labels == MOVING).any():
        return labels
    return np.where(labels == MOVING, _sky_or_water(photo, session), labels).astype(np.uint8)


def _sky_or_water(photo: Pixels, session: Session) -> Pixels:
    """Of each pixel [H, W] which of both it would be if it moved, as the mask network sees it."""
    small = _smaller(photo, DRAWN_SIDE)
    share = split_kinds(small, np.ones(small.shape[:2], np.float32), session)[0]
    sky = cv2.resize(share, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.where(sky > 0.5, SKY, WATER).astype(np.uint8)


def _labels(path: Path, size: tuple[int, int], shown: Path) -> Pixels:
    """Labels of a mask at `size` (width, height). Raises InputError, also where it has another shape."""
    labels = read_any(path)[0]
    require_aspect(path, (labels.shape[1], labels.shape[0]), shown, size)
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _smaller(photo: Pixels, side: int) -> Pixels:
    """At most `side` px on the longer side, in whole px."""
    scale = min(1.0, side / max(photo.shape[:2]))
    return reduced(photo, (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))))


def _name(source: Source) -> str:
    """A name for the folder of a sample: plain, and its own whatever folders are called alike."""
    return f"{_plain(Path(source.origin).stem)}-{zlib.crc32(source.origin.encode()):08x}"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:40].strip("._") or "data"


def _refusal(source: Source, start: float, reason: str) -> Row:
    for path in (source.clip, source.shown, source.field, source.drawing, source.mask):
        reason = reason.removeprefix(f"{path}: ")
    return {"file": source.origin, "start": f"{start:g}", "reason": reason, "stamp": source.stamp}


def _nothing(data: Path, found: Found) -> str:
    if found.held_out:
        return (
            f"{data}: all {found.held_out} samples are kept for testing, by manifest.csv or by the name of their "
            "folder; name that folder itself with --data to train on them"
        )
    return f"{data}: holds {found.counts}, nothing that may train; needed are {NEEDED}"


def _report(data: Path, place: Path, found: Found, refused: Sequence[Row], counts: tuple[int, int], tell: Tell) -> None:
    """What became of the data, and of what was left out the first ones."""
    for row in refused[:TOLD]:
        when = f" at {row['start']} s" if row["start"] not in ("", "0") else ""
        tell(one_line(f"left out: {row['file']}{when}: {row['reason']}"))
    if len(refused) > TOLD:
        tell(f"left out: {len(refused) - TOLD} more; all are in {place / REJECTED}")
    before, now = counts
    held = f", {found.held_out} kept for testing" if found.held_out else ""
    tell(one_line(f"{data}: {now} samples ({before} from before){held}; they are in {place}"))

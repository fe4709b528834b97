"""Labelled and unlabelled photos for the mask network, decoded once and kept in memory at a small size."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from cinegan_cli.errors import InputError, one_line
from cinegan_cli.photos import OUTLINES
from cinegan_cli.training.data.folder import (
    MANIFEST,
    TOLD,
    Row,
    Tell,
    read_manifest,
    read_picture,
    require_aspect,
    unheard,
)
from cinegan_cli.training.data.labels import merged, read_any
from cinegan_cli.training.data.sources import find_masks, may_train
from cinegan_cli.types import IGNORE, MOVING, SKY, STATIC, WATER, Photo

Pixels = npt.NDArray[Any]  # uint8

NEEDED = (
    "photos with masks (NAME_mask.png, NAME.png or NAME.json beside NAME.jpg, or images/ and masks/), or a set with "
    "manifest.csv, photos/ and annotated/"
)


@dataclass(frozen=True)
class Example:
    """A photo [h, w, 3] RGB and its labels [h, w] (values above), both uint8. `split`: train, test, none (unlabelled).

    `patches` are rectangles (x0, y0, x1, y1) with nothing but sky, or nothing but water: material for `augment`.
    """

    name: str
    split: str
    photo: Pixels
    labels: Pixels
    patches: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)


def read_examples(data: Path, annotations: Path | None, side: int, *, tell: Tell = unheard) -> list[Example]:
    """Photos and the labels there are; kinds of sky and water (fog, lake, ...) count as sky and water.

    Of a folder with manifest.csv, photos/, annotated/, stylecinegan_samples/ every photo that may train shipped
    weights, and the test photos; of any other folder every photo with a mask (`data.sources`, `data.labels`), where
    those that cannot be read are left out and `tell` gets the reasons. annotations: further NAME.png label pictures, at
    any size. side: long side of the examples in pixels.
    Raises InputError when nothing can be used, or a photo or label picture that a manifest lists cannot be read.
    """
    rows = photo_rows(data)
    if not rows:
        return _from_anywhere(data, side, tell)
    examples = []
    for row in rows:
        if row["split"] not in ("train", "test") or row["train_shipped_weights"] != "yes":
            continue
        path = data / row["file"]
        labels = _find_labels(path.stem, data, annotations)
        values = None if labels is None else merged(read_labels(labels))
        examples.append(_read(path.stem, row["split"], path, labels, values, side))
    for folder in sorted(mask.parent for mask in (data / "stylecinegan_samples").glob("*/mask.png")):
        values = np.where(read_labels(folder / "mask.png") > 127, MOVING, STATIC).astype(np.uint8)
        examples.append(_read(folder.name, "train", folder / "photo.png", folder / "mask.png", values, side))
    return examples


def photo_rows(data: Path) -> list[Row]:
    """The photos that the manifest of `data` lists; none where there is no manifest, or one of something else."""
    manifest = data / MANIFEST
    if not os.path.isfile(manifest):  # False also for a name that the system cannot take
        return []
    rows = read_manifest(manifest, require=("file", "split", "train_shipped_weights"))
    return [row for row in rows if row["file"].startswith("photos/")]


def _from_anywhere(data: Path, side: int, tell: Tell) -> list[Example]:
    """Every photo of a folder that has a mask. Raises InputError when none can be used."""
    found = find_masks(data)
    examples, numbered = [], []
    reasons: list[str] = []
    notices: list[str] = []
    for source in found.sources:
        assert source.shown is not None
        assert source.mask is not None
        try:
            drawn = source.mask.suffix.lower() in OUTLINES
            values, said, ones = read_any(source.mask, _empty(source.shown) if drawn else None)
            split = "train" if may_train(source.shown, data, {}) else "test"
            examples.append(_read(source.origin, split, source.shown, source.mask, values, side))
        except InputError as error:
            reasons.append(one_line(f"{source.origin}: {error}"))
            continue
        notices += said
        numbered.append(ones)
    for reason in reasons[:TOLD]:
        tell(f"left out: {reason}")
    if len(reasons) > TOLD:
        tell(f"left out: {len(reasons) - TOLD} more photos")
    if not examples:
        first = f" can be used ({reasons[0]})" if reasons else " is of use"
        raise InputError(one_line(f"{data}: nothing of {found.counts}{first}; needed are {NEEDED}"))
    examples = _told_kinds(examples, numbered, notices, tell)
    tell(one_line(f"{data}: {len(examples)} photos with masks"))
    return examples


def _told_kinds(examples: list[Example], ones: list[bool], notices: list[str], tell: Tell) -> list[Example]:
    """The examples, where 1 means that something moves if no mask holds a higher number; and how masks were taken."""
    if any(ones) and not any((example.labels == WATER).any() for example in examples):
        tell("masks hold 0 and 1 alone: 1 is taken as what moves, sky or water; write 1 for sky and 2 for water")
        examples = [
            replace(e, labels=np.where(e.labels == SKY, MOVING, e.labels).astype(np.uint8), patches={}) if one else e
            for e, one in zip(examples, ones, strict=True)
        ]
    for notice in notices[:TOLD]:
        tell(one_line(notice))
    return examples


def _empty(path: Path) -> Photo:
    """A photo of which only the size and name are known: what outlines need that do not say them."""
    height, width = read_picture(path).shape[:2]
    nothing = torch.empty(0)
    return Photo(nothing, nothing, (width, height), (0.0, 0.0, width, height), (), path.name)


def _find_labels(name: str, data: Path, annotations: Path | None) -> Path | None:
    places = [data / "annotated" / f"{name}_mask.png"]
    if annotations is not None:
        places.append(annotations / f"{name}.png")
    return next((place for place in places if place.is_file()), None)


def _read(name: str, split: str, path: Path, labels: Path | None, values: Pixels | None, side: int) -> Example:
    """An example of a photo and the label `values` that the file `labels` holds, or of a photo without."""
    photo = read_photo(path, side)
    size = (photo.shape[1], photo.shape[0])
    if labels is None or values is None:
        return Example(name, "none", photo, np.full(size[::-1], IGNORE, np.uint8))
    require_aspect(labels, (values.shape[1], values.shape[0]), path, size)
    # area-averaged votes, not nearest: a mask 5 times larger than the example would alias
    votes = np.stack([resize((values == c).astype(np.float32), size) for c in (STATIC, SKY, WATER, MOVING)])
    winner = votes.argmax(0).astype(np.uint8)
    winner[votes.max(0) < 0.5] = IGNORE
    return Example(name, split, photo, winner, _patches(winner))


def read_photo(path: Path, side: int) -> Pixels:
    """Decode a photo and shrink it to `side` pixels on its long side: uint8 [h, w, 3] RGB. Raises InputError."""
    picture = read_picture(path)
    scale = side / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.ascontiguousarray(resize(picture, size))


def read_labels(path: Path) -> Pixels:
    """Label values of a grey or palette PNG, uint8 [h, w]: palette *indices*, which cv2 would turn into colours.

    Raises InputError.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            values = np.asarray(picture if picture.mode in ("P", "L") else picture.convert("L"))
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"{path}: the mask cannot be read as a picture; paint it again, or remove it") from error
    return values.astype(np.uint8)


def resize(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Area averaging when shrinking, bilinear when enlarging; size is (width, height)."""
    shrinks = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def _patches(labels: Pixels) -> dict[int, tuple[int, int, int, int]]:
    """The largest rectangle of pure sky and of pure water, where it covers at least 6 % of the picture."""
    found = {}
    cell = 8
    rows, columns = labels.shape[0] // cell, labels.shape[1] // cell
    blocks = labels[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    for value in (SKY, WATER):
        pure = (blocks == value).all((1, 3))
        x0, y0, x1, y1 = _largest_rectangle(pure)
        if (x1 - x0) * (y1 - y0) >= 0.06 * rows * columns:
            found[value] = (x0 * cell, y0 * cell, x1 * cell, y1 * cell)
    return found


def _largest_rectangle(full: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) of the largest all-true rectangle, by histogram heights per row, O(rows · columns²)."""
    best, area = (0, 0, 0, 0), 0
    heights = np.zeros(full.shape[1], int)
    for y, row in enumerate(full):
        heights = np.where(row, heights + 1, 0)
        for x0 in range(full.shape[1]):
            lowest = np.minimum.accumulate(heights[x0:])
            areas = lowest * np.arange(1, lowest.size + 1)
            k = int(areas.argmax())
            if areas[k] > area:
                area, best = int(areas[k]), (x0, y + 1 - int(lowest[k]), x0 + k + 1, y + 1)
    return best

"""Labelled and unlabelled photos for the seer, decoded once and kept in memory at a small size."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.errors import InputError
from cinegan_cli.training.data.folder import read_manifest, read_picture, require_aspect
from cinegan_cli.types import FOG, IGNORE, LAKE, MOVING, REFLECTION, SKY, STATIC, WATER

Pixels = npt.NDArray[Any]  # uint8


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


def read_examples(data: Path, annotations: Path | None, side: int) -> list[Example]:
    """Every photo of `data` that may train shipped weights, and the test photos, with the labels there are.

    data: folder with manifest.csv, photos/, annotated/, stylecinegan_samples/. annotations: further NAME.png label
    pictures, at any size. side: long side of the examples in pixels.
    Raises InputError when the manifest is missing or a label picture does not fit its photo.
    """
    manifest = require_data(data)
    rows = read_manifest(manifest, require=("file", "split", "train_shipped_weights"))
    rows = [row for row in rows if row["file"].startswith("photos/")]
    examples = []
    for row in rows:
        if row["split"] not in ("train", "test") or row["train_shipped_weights"] != "yes":
            continue
        path = data / row["file"]
        labels = _find_labels(path.stem, data, annotations)
        examples.append(_read(path.stem, row["split"], path, labels, side))
    samples = [mask.parent for mask in sorted((data / "stylecinegan_samples").glob("*/mask.png"))]
    return examples + [_read(f.name, "train", f / "photo.png", f / "mask.png", side, binary=True) for f in samples]


def require_data(data: Path) -> Path:
    """The manifest of `data`. Raises InputError when there is none."""
    manifest = data / "manifest.csv"
    if not os.path.isfile(manifest):  # False also for a name that the system cannot take
        raise InputError(f"{manifest}: not found; --data must name a folder with manifest.csv, photos/ and annotated/")
    return manifest


def _find_labels(name: str, data: Path, annotations: Path | None) -> Path | None:
    """Those of `annotations` win: they may correct the others."""
    places = [] if annotations is None else [annotations / f"{name}.png"]
    places.append(data / "annotated" / f"{name}_mask.png")
    return next((place for place in places if place.is_file()), None)


def _read(name: str, split: str, path: Path, labels: Path | None, side: int, binary: bool = False) -> Example:
    photo = read_photo(path, side)
    size = (photo.shape[1], photo.shape[0])
    if labels is None:
        return Example(name, "none", photo, np.full(size[::-1], IGNORE, np.uint8))
    values = read_labels(labels)
    if binary:
        values = np.where(values > 127, MOVING, STATIC).astype(np.uint8)
    require_aspect(labels, (values.shape[1], values.shape[0]), path, size)
    # area-averaged votes, not nearest: a mask 5 times larger than the example would alias
    there = np.unique(values[values <= REFLECTION])
    votes = np.stack([resize((values == c).astype(np.float32), size) for c in (STATIC, *there)])
    winner = np.asarray([STATIC, *there], np.uint8)[votes.argmax(0)]
    winner[votes.max(0) < 0.5] = IGNORE
    return Example(name, split, photo, winner, _patches(winner))


def sky_of(labels: Pixels) -> npt.NDArray[np.bool_]:
    """Where labels say sky, or fog."""
    return np.asarray((labels == SKY) | (labels == FOG))


def water_of(labels: Pixels) -> npt.NDArray[np.bool_]:
    """Where labels say water, of a known kind or not."""
    return np.asarray((labels == WATER) | ((labels >= LAKE) & (labels <= REFLECTION)))


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
    for value, of_kind in ((SKY, sky_of), (WATER, water_of)):
        pure = np.asarray(of_kind(blocks).all((1, 3)))
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

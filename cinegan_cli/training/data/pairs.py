"""Pairs for super-resolution: a photo, and what a generator makes of it at a quarter of the size.

A pair takes minutes, so it is made once: three arrays a photo in the run's folder, read by need.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.files import replacing
from cinegan_cli.training.data.folder import Tell, read_picture
from cinegan_cli.types import Progress

Pixels = npt.NDArray[Any]  # uint8 or float32
Make = Callable[[Pixels], tuple[Pixels, Pixels]]  # photo [H, W, 3] → its small picture [h, w, 3], masks [h', w', 2]
SCALE = 4  # photo over small picture
_LEAST = 2  # a photo's short side over the small picture's, below which it has no detail to teach


def make_pairs(
    paths: Sequence[Path], folder: Path, side: int, make: Make, *, progress: Progress, tell: Tell
) -> list[Path]:
    """The pairs' names in `folder`, those that are not there yet made; small pictures have `side` px or more.

    `make` gets a photo uint8 and gives the small picture and masks in [0, 1] as uint8. Photos that are too small are
    told and left out. Raises InputError when none is left, OutputError when `folder` cannot be written.
    """
    kept = []
    for number, path in enumerate(paths):
        progress("making pairs", number, len(paths))
        pair = folder / f"{path.stem}-{zlib.crc32(path.read_bytes()):08x}"
        if not _part(pair, "masks").is_file():
            photo = read_picture(path)
            if min(photo.shape[:2]) < _LEAST * side:
                tell(f"{path}: left out: {min(photo.shape[:2])} px, and {_LEAST * side} are needed")
                continue
            _write(pair, photo, *make(photo))
        kept.append(pair)
    if not kept:
        raise InputError(f"{paths[0]}: too small, as are all others: {_LEAST * side} px are needed on the short side")
    return kept


def _write(pair: Path, photo: Pixels, small: Pixels, masks: Pixels) -> None:
    size = (SCALE * small.shape[1], SCALE * small.shape[0])
    shrinks = size[0] < photo.shape[1]
    large = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    masks = cv2.resize(masks, size, interpolation=cv2.INTER_LINEAR)
    try:
        pair.parent.mkdir(parents=True, exist_ok=True)
        for name, values in (("small", small), ("large", large), ("masks", masks)):
            with replacing(_part(pair, name)) as part, part.open("wb") as file:
                np.save(file, np.ascontiguousarray(values))
    except OSError as error:
        raise OutputError(f"{pair.parent}: cannot be written: {error.strerror}; choose another --work") from error


def _part(pair: Path, name: str) -> Path:
    return pair.with_name(f"{pair.name}.{name}.npy")


class PairSet:
    """Crops of pairs, as numbered samples want them."""

    def __init__(self, pairs: Sequence[Path]) -> None:
        self._parts = [[np.load(_part(pair, n), mmap_mode="r") for n in ("small", "large", "masks")] for pair in pairs]

    def crop(self, rng: np.random.Generator, side: int) -> tuple[Pixels, Pixels, Pixels]:
        """A small crop [3, side, side], the photo [3, 4 side, 4 side] and masks [2, ...] there; float32 in [0, 1].

        Smaller where the picture is. Mirrored one time in two.
        """
        small, large, masks = self._parts[rng.integers(len(self._parts))]
        y, x = (int(rng.integers(max(0, length - side) + 1)) for length in small.shape[:2])
        mirrored = bool(rng.random() < 0.5)
        found = []
        for part, scale in ((small, 1), (large, SCALE), (masks, SCALE)):
            cut = part[scale * y : scale * (y + side), scale * x : scale * (x + side)]
            cut = cut[:, ::-1] if mirrored else cut
            found.append(np.ascontiguousarray(cut.transpose(2, 0, 1)).astype(np.float32) / 255)
        return found[0], found[1], found[2]

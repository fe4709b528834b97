"""Photos for the generator and its encoder: crops, and recoloured versions that teach the codes what a look is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.errors import InputError
from cinegan_cli.photos import list_folder
from cinegan_cli.training.data.folder import read_manifest, read_picture

THUMBNAIL = 128  # px, both sides: what the codes are read from
GRAIN = 3e-4  # variance of Lab (in [0, 1]²) that is granted to a flat photo: its colours are not stretched to noise

Pixels = npt.NDArray[Any]  # uint8 or float32


def list_photos(data: Path, split: str) -> list[Path]:
    """The photos of a folder, sorted by name: with a manifest.csv those of `split` that may train shipped weights.

    Raises InputError when there are none.
    """
    manifest = data / "manifest.csv"
    if manifest.is_file():
        listed = read_manifest(manifest, require=("file", "split", "train_shipped_weights"))
        rows = [r for r in listed if r["file"].startswith("photos/") and r["split"] == split]
        paths = [data / r["file"] for r in rows if split != "train" or r["train_shipped_weights"] == "yes"]
    else:
        paths = photos_below(data) if data.is_dir() else []
    if not paths:
        raise InputError(f"{data}: no photos found; --data must name a folder of photos, or one with a manifest.csv")
    return paths


def photos_below(folder: Path) -> list[Path]:
    """The photos of a folder and those below, but for masks painted beside them. Raises InputError."""
    listing = list_folder(folder)
    for path, reason in listing.unreachable.items():
        raise InputError(f"{path}: cannot be read: {reason}; check its permissions, or remove it")
    return [path for path in listing.photos if not path.stem.endswith("_mask")]


@dataclass(frozen=True)
class Palette:
    """Mean [3] and root of the covariance of a photo's colours, CIE Lab scaled to about [0, 1]: what a look is here."""

    mean: Pixels
    covariance: Pixels


@dataclass(frozen=True)
class PhotoCrop:
    """One training example, float32 RGB in [0, 1].

    `seen` [3, s, s] is a crop in some palette, and `own` [3, 128, 128] the whole photo in that one; `wanted` [3, s, s]
    is the same crop in another palette, and `look` [3, 128, 128] a whole photo in that other one. Structure comes from
    the first two, colours from the last.
    """

    seen: Pixels
    own: Pixels
    wanted: Pixels
    look: Pixels


class PhotoSet:
    """Decoded photos, kept in memory as uint8, and their palettes."""

    def __init__(self, paths: Sequence[Path], short_side: int = 1024) -> None:
        self.photos = [read_photo(path, short_side) for path in paths]
        self.thumbnails = [_lab(_thumbnail(photo)) for photo in self.photos]
        self.palettes = [palette_of(thumbnail) for thumbnail in self.thumbnails]

    def crop(self, rng: np.random.Generator, side: int) -> PhotoCrop:
        """A crop of a random photo, half of the time in its own colours, else in another photo's."""
        own = int(rng.integers(len(self.photos)))
        other, disguise = (int(rng.integers(len(self.photos))) for _ in range(2))
        crop = _lab(self._crop(self.photos[own], rng, side))
        palette = self.palettes[own]
        thumbnail = self.thumbnails[own]
        seen, whole, wanted, look = crop, thumbnail, crop, thumbnail
        if rng.random() < 0.5:
            wanted = transfer(crop, palette, self.palettes[other])
            borrowed = rng.random() < 0.5
            look = self.thumbnails[other] if borrowed else transfer(thumbnail, palette, self.palettes[other])
        if rng.random() < 0.5:  # what the structure is read from must not tell the colours
            seen, whole = (transfer(part, palette, self.palettes[disguise]) for part in (crop, thumbnail))
        return PhotoCrop(_rgb(seen), _rgb(whole), _rgb(wanted), _rgb(look))

    def view(self, rng: np.random.Generator, side: int) -> Pixels:
        """The largest square of a random photo at a random place, mirrored half of the time: float32 [3, s, s]."""
        photo = self.photos[int(rng.integers(len(self.photos)))]
        large = min(photo.shape[:2])
        y, x = (int(rng.integers(n - large + 1)) for n in photo.shape[:2])
        part = np.ascontiguousarray(photo[y : y + large, x : x + large, :][:, :: 1 if rng.random() < 0.5 else -1])
        small = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small.transpose(2, 0, 1).astype(np.float32) / 255)

    def _crop(self, photo: Pixels, rng: np.random.Generator, side: int) -> Pixels:
        """A square of `side` px at 1 to 0.6 times the photo's scale, mirrored half of the time: uint8 [s, s, 3]."""
        large = min(round(side * rng.uniform(1, 1.6)), *photo.shape[:2])
        y, x = (int(rng.integers(n - large + 1)) for n in photo.shape[:2])
        part = photo[y : y + large, x : x + large]
        part = part[:, ::-1] if rng.random() < 0.5 else part
        return np.asarray(cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=cv2.INTER_AREA))


def read_photo(path: Path, short_side: int) -> Pixels:
    """uint8 [h, w, 3] RGB, `short_side` px on the short side. Raises InputError."""
    picture = read_picture(path)
    scale = short_side / min(picture.shape[:2])
    size = (max(short_side, round(picture.shape[1] * scale)), max(short_side, round(picture.shape[0] * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=kind))


def palette_of(lab: Pixels) -> Palette:
    """Palette of a picture [h, w, 3] in scaled Lab."""
    colours = lab.reshape(-1, 3).astype(np.float64)
    return Palette(colours.mean(0), np.cov(colours.T) + GRAIN * np.eye(3))


def transfer(lab: Pixels, own: Palette, other: Palette) -> Pixels:
    """Colours [h, w, 3] moved so that the palette `own` becomes `other`: the linear Monge-Kantorovich map.

    Pitié and Kokaram, "The linear Monge-Kantorovitch linear colour mapping" (2007): of all linear maps that do so, the
    one that moves colours least.
    """
    matrix = _monge(own.covariance.tobytes(), other.covariance.tobytes())
    return ((lab - own.mean) @ matrix.T + other.mean).astype(np.float32)


@lru_cache(maxsize=100_000)
def _monge(own: bytes, other: bytes) -> Pixels:
    a, b = (np.frombuffer(part).reshape(3, 3) for part in (own, other))
    root, inverse = _power(a, 0.5), _power(a, -0.5)
    return np.asarray(inverse @ _power(root @ b @ root, 0.5) @ inverse)


def _power(matrix: Pixels, exponent: float) -> Pixels:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def _thumbnail(photo: Pixels) -> Pixels:
    return np.asarray(cv2.resize(photo, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA))


def _lab(rgb: Pixels) -> Pixels:
    """uint8 sRGB [h, w, 3] → CIE Lab, each channel scaled to about [0, 1]."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab / 100, np.float32)


def _rgb(lab: Pixels) -> Pixels:
    """The way back: float32 [3, h, w] in [0, 1]."""
    rgb = cv2.cvtColor(np.ascontiguousarray(lab) * 100, cv2.COLOR_LAB2RGB)
    return np.ascontiguousarray(np.clip(rgb, 0, 1).transpose(2, 0, 1))

"""`cinegan data from-photos`: photos at one size, each only once, laid out as `train mask` and `train compact` read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import InputError
from cinegan_cli.photos import PHOTO_SUFFIXES
from cinegan_cli.stages.photo import decode_picture, to_8_bit
from cinegan_cli.stages.video import reduced
from cinegan_cli.training.data.folder import MANIFEST, NOT_STATED, DataSet, Row, credit_of, png, require_aspect
from cinegan_cli.training.data.from_videos import REJECTED, REJECTED_FIELDS, Collected
from cinegan_cli.training.data.masks import read_labels
from cinegan_cli.training.data.photos import photos_below
from cinegan_cli.training.settings import PhotosConfig
from cinegan_cli.types import LABEL_OF_KIND, MOVING, STATIC, Progress, silent

FIELDS = ("file", "split", "licence", "train_shipped_weights", "source", "width", "height", "hash")
QUALITY = 95  # of the JPEG files, with full colour resolution
SMALLEST = 64  # px, shorter side
ALIKE = 4  # of 64 bits in which copies of a photo may differ: `docs/measurements.md`, Data and training

Pixels = NDArray[np.uint8]


def from_photos(paths: Sequence[Path], out: Path, config: PhotosConfig, *, progress: Progress = silent) -> Collected:
    """Write the photo set `out`: photos/NAME.jpg, annotated/NAME_mask.png where one is painted, manifest.csv.

    Photos that `out` holds are kept; unreadable ones, small ones and doubles are listed in rejected.csv.
    Raises InputError when a path does not exist or nothing can be used, OutputError.
    """
    files = _find(paths)
    data = DataSet(out, FIELDS)
    added, kept, rejected = [], [], []
    try:
        seen = {int(row["hash"], 16): file for file, row in data.rows.items()}
    except ValueError as error:
        raise InputError(f"{out / MANIFEST}: a hash is damaged ({error}); choose another --out") from error
    for done, path in enumerate(files):
        progress(f"reading {path.name}", done, len(files))
        file = f"photos/{path.stem}.jpg"
        if file in data.rows:
            kept.append(path.stem)
            continue
        try:
            photo, mask = _read(path, config.short_side)
            bits = perceptual_hash(photo)
            double = next((other for known, other in seen.items() if (known ^ bits).bit_count() <= ALIKE), None)
            if double is not None:
                raise InputError(f"the same picture as {Path(double).name}")
        except InputError as error:
            rejected.append({"file": path.name, "start": "", "reason": str(error)})
            continue
        contents = {file: _jpeg(photo)} | ({} if mask is None else {f"annotated/{path.stem}_mask.png": png(mask)})
        data.add([(_row(file, path, photo, bits, config.licence), contents)])
        seen[bits] = file
        added.append(path.stem)
    data.add([])  # a set without photos is still one: the next run may add some
    data.write_table(REJECTED, REJECTED_FIELDS, rejected)
    if not data.rows:
        raise InputError(f"no photo can be used: {rejected[0]['reason']}; all reasons are in {out / REJECTED}")
    unstated = sum(row["licence"] == NOT_STATED for row in data.rows.values())
    return Collected(tuple(added), tuple(kept), tuple((row["file"], row["reason"]) for row in rejected), unstated)


def perceptual_hash(photo: Pixels) -> int:
    """64 bits of [h, w, 3]: the signs of its low frequencies (DCT of 32 x 32 luminance) against their median."""
    grey = cv2.cvtColor(cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    low = np.asarray(cv2.dct(grey.astype(np.float32)))[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int("".join("1" if bit else "0" for bit in bits), 2)


def _find(paths: Sequence[Path]) -> list[Path]:
    """The pictures of all paths and folders, but for masks. Raises InputError."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the name")
        inside = photos_below(path) if path.is_dir() else [path]
        found += [p for p in inside if not p.stem.endswith("_mask") and not p.name.startswith(".")]
    names = [path.stem for path in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two photos are called {twice}; give them different names")
    if not found:
        raise InputError(f"{paths[0]}: holds no photos ({', '.join(PHOTO_SUFFIXES)})")
    return found


def _read(path: Path, short_side: int) -> tuple[Pixels, Pixels | None]:
    """A photo, upright, at most `short_side` px on its shorter side, and the labels painted beside it. InputError."""
    pixels = decode_picture(path, background=(255, 255, 255)).pixels
    photo = to_8_bit(np.asarray(pixels, np.uint16)) if pixels.dtype == np.uint16 else np.asarray(pixels, np.uint8)
    height, width = photo.shape[:2]
    if min(width, height) < SMALLEST:
        raise InputError(f"{path}: {width}x{height} px is too small; photos need {SMALLEST} px on the shorter side")
    scale = min(1.0, short_side / min(width, height))
    photo = np.ascontiguousarray(reduced(photo, (round(width * scale), round(height * scale))))
    painted = path.with_name(f"{path.stem}_mask.png")
    return photo, _labels(painted, path, (width, height)) if painted.is_file() else None


def _labels(painted: Path, path: Path, size: tuple[int, int]) -> Pixels:
    """A painted mask as labels: 0 static, 1 sky, 2 water, 255 unknown; white on black becomes 3 (moves). InputError."""
    values = read_labels(painted)
    require_aspect(painted, (values.shape[1], values.shape[0]), path, size)
    classes = set(np.unique(values).tolist()) & {*LABEL_OF_KIND[1:], MOVING}
    return values if classes else np.where(values > 127, MOVING, STATIC).astype(np.uint8)


def _jpeg(photo: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def _row(file: str, path: Path, photo: Pixels, bits: int, licence: str | None) -> Row:
    sizes = {"width": str(photo.shape[1]), "height": str(photo.shape[0])}
    return {**credit_of(path, licence), **sizes, "file": file, "hash": f"{bits:016x}"}

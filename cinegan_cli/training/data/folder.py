"""Data sets on disk, written so that a kill at any time leaves whole samples only, and reads back as they were.

A motion set is DS/NAME/photo.png, mask.png (255 moves), motion.npy ([2, h, w] px per frame at 30 fps on its own grid)
and, where it is known, kinds.png (0 static, 1 sky, 2 water); DS/manifest.csv has a row for each.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.files import replacing
from cinegan_cli.stages.photo import MOST_ELONGATED, SMALLEST_SIDE, decode_picture, to_8_bit
from cinegan_cli.stages.video import LONGEST_NAME

MANIFEST = "manifest.csv"
FIELDS = ("file", "split", "licence", "train_shipped_weights", "source", "seconds", "moving", "speed", "note")
NOT_STATED = "not stated"
TOLD = 8  # of what was left out, how many are told one by one

Row = dict[str, str]
Pixels = NDArray[np.uint8]
Tell = Callable[[str], None]  # gets sentences for the user


def unheard(text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class MotionSample:
    """`photo` [H, W, 3] and `mask` [H, W] uint8, `motion` [2, h, w] px per frame at 30 fps; `kinds` [H, W] or None."""

    photo: Pixels
    mask: Pixels
    motion: NDArray[np.float16]
    kinds: Pixels | None = None

    def files(self) -> dict[str, bytes]:
        """The contents of the sample's folder."""
        array = io.BytesIO()
        np.save(array, self.motion)
        files = {"photo.png": png(self.photo), "mask.png": png(self.mask), "motion.npy": array.getvalue()}
        return files if self.kinds is None else {**files, "kinds.png": png(self.kinds)}


class DataSet:
    """A data set that is being written: samples that are there already are kept, so a stopped run goes on.

    Raises OutputError when the folder cannot be written, InputError when its manifest is not one of ours.
    """

    def __init__(self, folder: Path, fields: Sequence[str] = FIELDS) -> None:
        self.folder, self.fields = folder, tuple(fields)
        self.rows: dict[str, Row] = {}
        if len(os.fsencode(folder.name)) > LONGEST_NAME:
            raise OutputError(f"{folder}: the name is too long; {LONGEST_NAME} letters are the most")
        if (folder / MANIFEST).is_file():
            rows = read_manifest(folder / MANIFEST, require=("file",))
            missing = next((name for name in self.fields if rows and name not in rows[0]), None)
            if missing is not None:
                raise InputError(
                    f"{folder / MANIFEST}: has no column {missing}: a data set of another kind; choose another --out"
                )
            self.rows = {row["file"]: row for row in rows}
            self.fields += tuple(name for name in (rows[0] if rows else ()) if name not in self.fields)  # the user's
        elif folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise OutputError(f"{folder}: is not empty and holds no data set; choose another --out")
        _attempt(folder, lambda: folder.mkdir(parents=True, exist_ok=True))

    def __contains__(self, file: str) -> bool:
        return file in self.rows and (self.folder / file).is_file()

    def add(self, samples: Sequence[tuple[Row, Mapping[str, bytes]]]) -> None:
        """Add samples: `row["file"]` names the photo of each, its files are paths within the set with their contents.

        The files come first, those of one folder together, then all rows at once.
        """
        for _, files in samples:
            folders = {Path(name).parent for name in files}
            whole = len(folders) == 1 and len(files) > 1
            write = _write_folder if whole else _write_files
            _attempt(self.folder, partial(write, self.folder, files))
        for row, _ in samples:
            self.rows[row["file"]] = {field: row.get(field, "") for field in self.fields}
        self.write_table(MANIFEST, self.fields, self.rows.values())

    def drop(self, file: str) -> None:
        """Take a sample out, with its folder; the manifest follows with what is added next."""
        del self.rows[file]
        shutil.rmtree((self.folder / file).parent, ignore_errors=True)

    def write_table(self, name: str, fields: Sequence[str], rows: Iterable[Row]) -> None:
        """A .csv in the folder, whole or not at all."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _attempt(self.folder, lambda: _write_file(self.folder / name, text.getvalue().encode()))


def sample_of(name: str, row: Row, sample: MotionSample) -> tuple[Row, dict[str, bytes]]:
    """A sample as `DataSet.add` takes it, in a folder `name`; `row` says the rest about it."""
    files = {f"{name}/{file}": content for file, content in sample.files().items()}
    return {**row, "file": f"{name}/photo.png"}, files


def read_manifest(path: Path, require: Sequence[str]) -> list[Row]:
    """Rows of a manifest. Raises InputError when it cannot be read or lacks a column of `require`."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
            missing = [name for name in require if name not in (reader.fieldnames or ())]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a table ({error}); write it as UTF-8 .csv") from error
    if missing:
        raise InputError(f"{path}: has no column {missing[0]}; name it in the first line")
    return rows


def read_picture(path: Path) -> Pixels:
    """A photo of a data set, upright, uint8 [h, w, 3]. Raises InputError naming what to do with one that is no photo.

    Not by OpenCV, which makes a whole picture of half a JPEG, and complains on stderr.
    """
    try:
        pixels = decode_picture(path, background=(255, 255, 255)).pixels
    except InputError as error:
        what = str(error).rpartition(";")[0] or str(error)
        raise InputError(f"{what}; repair it, or take it out of the data") from error
    photo = to_8_bit(np.asarray(pixels, np.uint16)) if pixels.dtype == np.uint16 else np.asarray(pixels, np.uint8)
    height, width = photo.shape[:2]
    if min(width, height) < SMALLEST_SIDE or max(width, height) > MOST_ELONGATED * min(width, height):
        raise InputError(
            f"{path}: is {width}x{height} px; a photo needs {SMALLEST_SIDE} px on its shorter side and at most "
            f"{MOST_ELONGATED:g} times that on the other; take it out of the data"
        )
    return photo


def require_aspect(path: Path, size: tuple[int, int], photo: Path, photo_size: tuple[int, int]) -> None:
    """Raises InputError where a picture painted over a photo has not its shape; sizes are (width, height)."""
    if abs(np.log(size[0] / size[1] * photo_size[1] / photo_size[0])) > 0.03:
        raise InputError(
            f"{path}: {size[0]}x{size[1]} px has not the aspect of {photo.name} ({photo_size[0]}x{photo_size[1]}); "
            "draw it again over the photo"
        )


def stated(file: Path) -> Row:
    """What a manifest.csv beside `file`, or one folder up, says about it: the row whose `file` has its name."""
    for folder in (file.parent, file.parent.parent):
        if (folder / MANIFEST).is_file():
            rows = read_manifest(folder / MANIFEST, require=("file",))
            return next((row for row in rows if Path(row["file"]).name == file.name), {})
    return {}


def credit_of(file: Path, licence: str | None) -> Row:
    """The columns of the manifest that say where a sample comes from; `licence` is for all that state none."""
    said = stated(file)
    return {
        "split": said.get("split") or "train",
        "licence": said.get("licence") or licence or NOT_STATED,
        "train_shipped_weights": said.get("train_shipped_weights") or "yes",
        "source": said.get("source") or file.name,
    }


def stored(field: NDArray[np.float32]) -> NDArray[np.float16]:
    """A field in px per frame as sets hold it. Raises InputError for one beyond the range of float16."""
    if float(np.abs(field).max()) > float(np.finfo(np.float16).max):
        raise InputError("it moves faster than anything does")
    return field.astype(np.float16)


def png(pixels: NDArray[Any]) -> bytes:
    """A PNG file of uint8 [H, W] or [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _write_folder(root: Path, files: Mapping[str, bytes]) -> None:
    """A folder that appears with all its files."""
    folder = root / Path(next(iter(files))).parent
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name, content in files.items():
            (part / Path(name).name).write_bytes(content)
        shutil.rmtree(folder, ignore_errors=True)  # without a row: from a run that was killed
        os.replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _write_files(root: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_file(path, content)


def _write_file(path: Path, content: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(content)


def _attempt(folder: Path, write: Callable[[], None]) -> None:
    """`write`, its failure told as an OutputError."""
    try:
        write()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}; choose another --out") from error

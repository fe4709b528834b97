"""What a folder of somebody's data holds: by their names, which files belong together. Nothing is decoded here.

The layouts that are known, with any names and folders around them:
clips; the Eulerian set (NAME_gt.mp4, NAME_input.jpg, NAME_motion.pth); CLAW (NAME_input.jpg, NAME.flo); frames with
their field (NAME/0.png ..., NAME/NAME_motion.flo, or NAME_gt/images/0.png ...); photos with fields (NAME.png,
NAME_mask.png, NAME_motion.npy; NAME/photo.png, mask.png, motion.npy; or photos/NAME.jpg, flows/NAME.npy); photos with
arrows (arrows.json, or NAME.json of labelme beside NAME.jpg); photos with masks (NAME.jpg with NAME.png, NAME_mask.png
or NAME.json; images/NAME.jpg with masks/NAME.png).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cinegan_cli.errors import InputError
from cinegan_cli.photos import OUTLINES, is_animated, is_photo_name, list_folder
from cinegan_cli.stages.video import VIDEOS
from cinegan_cli.training.data.drawn import ARROWS, read_shared
from cinegan_cli.training.data.fields import FIELD_SUFFIXES
from cinegan_cli.training.data.folder import MANIFEST, Row, read_manifest

PHOTO_ROLES = ("input", "photo", "image", "img", "first", "first_frame", "rgb")
CLIP_ROLES = ("gt", "video", "clip", "images", "frames", "imgs")
FIELD_ROLES = ("mean_motion", "motion", "mean_flow", "meanflow", "average_flow", "avg_flow", "flow")
MASK_ROLES = ("kinds", "labels", "label", "mask", "masks", "seg", "segmentation", "annotation")  # the first ones first
MASK_FOLDERS = {"annotated", "annotations", "gt", *MASK_ROLES, "segmentations", "labelled", "labeled"}
NO_MEAN = ("sparse", "hint", "blend", "norm", "backward")  # in the names of fields that are not the mean motion
HELD_OUT = {"test", "testing", "val", "valid", "validation", "eval"}  # folders that publishers keep for testing
FEWEST_FRAMES = 8  # numbered pictures in a folder that make it a clip
CLOSE = 1.5  # numbers that they may span, over how many they are
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".heic", ".heif", ".hif", ".avif")  # photos, never masks

Key = tuple[Path, str]  # a folder and a name in it


@dataclass(frozen=True)
class Source:
    """What samples are made from, by the first of these that is there: a `field`, a `drawing` of arrows, a `clip`.

    `shown` is the photo, or None where the clip's first frame is; `drawing` is labelme's or the shared arrows.json;
    `mask` goes with a photo, where there is one. `origin` is its name below the folder.
    """

    origin: str
    shown: Path | None = None
    clip: Path | None = None
    field: Path | None = None
    drawing: Path | None = None
    mask: Path | None = None

    @property
    def stamp(self) -> str:
        """Differs when one of the files was replaced."""
        paths = (self.shown, self.clip, self.field, self.drawing, self.mask)
        return " ".join(stamp_of(path) for path in paths if path is not None)

    @property
    def file(self) -> Path:
        """What it is called by."""
        named = self.shown or self.clip or self.field
        assert named is not None
        return named


@dataclass(frozen=True)
class Found:
    """What of a folder can be read; what seems to miss its other half, and why; and how many are kept for testing."""

    sources: tuple[Source, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    held_out: int = 0
    counts: str = "nothing"  # of files, for messages


@dataclass
class Files:
    """The files of a folder and all below it, by what their names say that they are."""

    top: Path
    photos: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)  # pictures and drawings
    clips: list[Path] = field(default_factory=list)  # and folders of frames
    fields: list[Path] = field(default_factory=list)
    drawings: list[Path] = field(default_factory=list)
    arrows: list[Path] = field(default_factory=list)

    @property
    def counts(self) -> str:
        """What there is, in words."""
        parts = (
            ("clips", self.clips),
            ("photos", self.photos),
            ("mask pictures", self.masks),
            ("motion fields", self.fields),
            ("drawings", self.drawings + self.arrows),
        )
        return ", ".join(f"{len(files)} {what}" for what, files in parts if files) or "nothing of use"


def list_files(data: Path, apart: Path | None = None) -> Files:
    """The files of a folder, or a clip alone, without those in the folder `apart`. Raises InputError if it is none."""
    if not os.path.exists(data):  # False also for a name that the system cannot take
        raise InputError(f"{data}: no such file or folder; check --data")
    if not data.is_dir():
        return Files(data.parent, clips=[data])
    try:
        listed = list_folder(data).files
    except OSError as error:
        raise InputError(f"{data}: cannot be read: {error.strerror or error}; check its permissions") from error
    if apart is not None:
        away = os.path.abspath(apart)
        listed = tuple(path for path in listed if not Path(os.path.abspath(path)).is_relative_to(away))
    files = Files(data)
    pictures = []
    for path in listed:
        suffix = path.suffix.lower()
        if suffix in VIDEOS and (suffix != ".gif" or is_animated(path)):
            files.clips.append(path)
        elif is_photo_name(path):
            pictures.append(path)
        elif suffix in FIELD_SUFFIXES:
            files.fields.append(path)
        elif path.name == ARROWS:
            files.arrows.append(path)
        elif suffix in OUTLINES:
            files.drawings.append(path)
    named = {(path.parent, path.stem) for path in pictures if path.suffix.lower() in LOSSY}
    for path in pictures:
        (files.masks if _is_mask(path, data, named) else files.photos).append(path)
    return files


def _is_mask(path: Path, top: Path, photos: set[Key]) -> bool:
    """Whether a picture's name is that of a mask: by its ending, its folders, or the photo of its name beside it."""
    stem, suffix = path.stem.lower(), path.suffix.lower()
    if any(stem == role or re.search(rf"[-_.]{role}$", stem) for role in MASK_ROLES):
        return True
    if suffix in LOSSY:
        return False
    folders = {part.lower() for part in path.parent.relative_to(top).parts}
    return bool(folders & MASK_FOLDERS) or (path.parent, path.stem) in photos


def subject(path: Path, roles: Sequence[str], top: Path) -> Key:
    """The folder and name of what a file is about: lake_input.jpg, lake/photo.png and lake.jpg are about lake."""
    folder, name = path.parent, path.name if path.is_dir() else path.stem
    while True:
        low = name.lower()
        role = next((role for role in roles if low == role or re.search(rf"[-_.]{role}$", low)), None)
        if role is None or (low == role and folder == top):
            return folder, name
        if low == role:
            folder, name = folder.parent, folder.name
        else:
            name = name[: -len(role) - 1]


class Index:
    """Files by what they are about."""

    def __init__(self, paths: Iterable[Path], roles: Sequence[str], top: Path) -> None:
        self._exact: dict[Key, list[Path]] = {}
        self._named: dict[str, list[Path]] = {}
        for path in paths:
            key = subject(path, roles, top)
            self._exact.setdefault(key, []).append(path)
            self._named.setdefault(key[1], []).append(path)

    def beside(self, key: Key) -> list[Path]:
        """Those about exactly this."""
        return self._exact.get(key, [])

    def nearest(self, key: Key) -> Path | None:
        """That of this name which shares most folders' names: masks/train/a.png for images/train/a.jpg."""
        folders = set(key[0].parts)
        return max(self._named.get(key[1], []), key=lambda path: len(folders & set(path.parent.parts)), default=None)


def find_motions(data: Path, apart: Path | None = None) -> Found:
    """What a motion network may learn from in a folder. Raises InputError when it cannot be read."""
    files = list_files(data, apart)
    folders = _frame_folders(files.photos)
    found, left_out, taken = _with_fields(files, folders)
    found += _with_arrows(files, taken)
    drawn = {source.shown for source in found}
    frames = [folder for folder, inside in folders.items() if not drawn & set(inside)]
    for path in [*files.clips, *frames]:
        if path not in taken:
            found.append(Source(_origin(path, files.top), clip=path))
    kept = [source for source in found if may_train(source.file, files.top, rows_of(source.file, files.top))]
    return Found(tuple(kept), tuple(left_out), len(found) - len(kept), files.counts)


def find_masks(data: Path) -> Found:
    """Photos with masks in a folder. Raises InputError when it cannot be read."""
    files = list_files(data)
    masks = Index((*files.masks, *files.drawings), MASK_ROLES, files.top)
    found = []
    for photo in files.photos:
        mask = mask_of(photo, masks, files.top)
        if mask is not None:
            found.append(Source(_origin(photo, files.top), shown=photo, mask=mask))
    return Found(tuple(found), counts=files.counts)


def mask_of(photo: Path, masks: Index, top: Path) -> Path | None:
    """The mask that goes with a photo: one beside it rather than elsewhere, of kinds rather than white on black."""
    key = subject(photo, PHOTO_ROLES, top)
    beside = masks.beside(key) or masks.beside((photo.parent, photo.stem))
    return min(beside, key=_rank) if beside else masks.nearest(key)


def _rank(mask: Path) -> int:
    stem = mask.stem.lower()
    return next((n for n, role in enumerate(MASK_ROLES) if stem.endswith(role)), len(MASK_ROLES))


def _with_fields(
    files: Files, folders: dict[Path, list[Path]]
) -> tuple[list[Source], list[tuple[str, str]], set[Path]]:
    """Fields with what they are about, those of which nothing is, and what was taken."""
    photos = Index(files.photos, PHOTO_ROLES, files.top)
    clips = Index([*files.clips, *folders], CLIP_ROLES, files.top)
    masks = Index(files.masks, MASK_ROLES, files.top)
    found, left_out, taken = [], [], set()
    for path in files.fields:
        if any(word in path.stem.lower() for word in NO_MEAN):
            continue
        key = subject(path, FIELD_ROLES, files.top)
        beside, moving = photos.beside(key), clips.beside(key)
        shown = min(beside, key=_photo_rank) if beside else None
        if shown is None and not moving:
            shown = photos.nearest(key)
        clip = moving[0] if moving else clips.nearest(key)
        if shown is None and clip is None:
            if key[1] != path.stem:
                left_out.append((_origin(path, files.top), "no photo, clip or folder of frames goes with it"))
            continue
        taken |= {path for path in (shown, clip) if path is not None}
        mask = None if shown is None else mask_of(shown, masks, files.top)
        found.append(Source(_origin(path, files.top), shown, clip, path, None, mask))
    return found, left_out, taken


def _photo_rank(photo: Path) -> int:
    stem = photo.stem.lower()
    return next((n for n, role in enumerate(PHOTO_ROLES) if stem.endswith(role)), len(PHOTO_ROLES))


def _with_arrows(files: Files, taken: set[Path]) -> list[Source]:
    """Photos that arrows are drawn for, but for those `taken`; labelme's own drawing wins over the shared file."""
    masks = Index(files.masks, MASK_ROLES, files.top)
    own = {(path.parent, path.stem): path for path in files.drawings if path.suffix.lower() == ".json"}
    shared = {path: read_shared(path, stamp_of(path)) for path in files.arrows}
    found = []
    for photo in files.photos:
        above = [path for path, names in shared.items() if photo.is_relative_to(path.parent) and photo.stem in names]
        nearest = max(above, key=lambda path: len(path.parts), default=None)
        drawing = own.get((photo.parent, photo.stem), nearest)
        if drawing is not None and photo not in taken:
            mask = mask_of(photo, masks, files.top)
            found.append(Source(_origin(photo, files.top), shown=photo, drawing=drawing, mask=mask))
    return found


def _frame_folders(photos: Iterable[Path]) -> dict[Path, list[Path]]:
    """Folders of pictures that are numbered through, with these."""
    folders: dict[Path, list[Path]] = {}
    for photo in photos:
        folders.setdefault(photo.parent, []).append(photo)
    return {folder: inside for folder, inside in folders.items() if _numbered(inside)}


def _numbered(pictures: Sequence[Path]) -> bool:
    parts = [re.fullmatch(r"(.*?)(\d+)", path.stem) for path in pictures]
    numbers = [int(part[2]) for part in parts if part]
    if len(numbers) < FEWEST_FRAMES or len(numbers) < len(pictures) - 1 or len({p[1] for p in parts if p}) > 1:
        return False
    return max(numbers) - min(numbers) < CLOSE * len(numbers)


def rows_of(file: Path, top: Path) -> Row:
    """What the manifest.csv of the data, or one beside the file, says about it."""
    for folder in dict.fromkeys((file.parent, file.parent.parent, top)):
        path = folder / MANIFEST
        if path.is_file():
            return _table(path, stamp_of(path)).get(file.name, {})
    return {}


def may_train(file: Path, top: Path, said: Row) -> bool:
    """Whether a file is not kept for testing: by its row in a manifest, else by the folders it lies in."""
    if said:
        return said.get("split", "train") in ("", "train") and said.get("train_shipped_weights") != "no"
    return not HELD_OUT & {part.lower() for part in file.parent.relative_to(top).parts}


@lru_cache(maxsize=8)
def _table(path: Path, stamp: str) -> dict[str, Row]:
    """The rows of a manifest, as it is at `stamp`, by the names of their files."""
    return {Path(row["file"]).name: row for row in read_manifest(path, require=("file",))}


def _origin(path: Path, top: Path) -> str:
    """A file's name below the folder, in letters that any table holds."""
    return os.fsencode(path.relative_to(top).as_posix()).decode("utf-8", "backslashreplace")


def stamp_of(path: Path) -> str:
    """Size and time of a file, or of all in a folder of frames."""
    files = [path] if not path.is_dir() else [inside for inside in path.iterdir() if inside.is_file()]
    facts = [inside.stat() for inside in files]
    return f"{sum(fact.st_size for fact in facts):x}.{max((fact.st_mtime_ns for fact in facts), default=0):x}"

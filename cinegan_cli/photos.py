"""Which files of a folder are photos, and which other files go with a photo. No pixels are decoded here."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# What the photo stage reads; of two files of one name the earlier kind is taken.
PHOTO_SUFFIXES = (
    *(".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    *(".avif", ".heic", ".heif", ".hif", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
OUTLINES = (".json", ".xml")  # drawn in labelme or CVAT
COMPANIONS: Mapping[str, tuple[str, ...]] = {  # NAME_mask.png goes with NAME.jpg, as the option of that name
    "mask": (*PHOTO_SUFFIXES, *OUTLINES),
    "freeze": (*PHOTO_SUFFIXES, *OUTLINES),
    "motion": (".npy", ".npz", ".flo"),
}
BY_PRODUCTS = ("_mask_overlay", "_motion", "_motion_colours", "_reconstruction")  # pictures to look at: no photos
SYSTEM_FOLDERS = {
    *("@eadir", "#recycle", "#snapshot", "__macosx"),
    *("$recycle.bin", "system volume information", "lost+found"),
}


@dataclass(frozen=True)
class Listing:
    """What lies in a folder and below it, sorted: files that can be reached, and why others cannot."""

    files: tuple[Path, ...]
    unreachable: Mapping[Path, str]

    @property
    def photos(self) -> tuple[Path, ...]:
        """The files that are photos by their names; animated pictures are none."""
        return tuple(path for path in self.files if is_photo_name(path) and not is_animated(path))


def is_photo_name(path: Path) -> bool:
    """Whether a name is that of a photo: of a kind that we read, and not hidden."""
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")


def is_animated(path: Path) -> bool:
    """Whether a GIF or WebP file has several frames; False for one that cannot be read, of which others will tell."""
    if path.suffix.lower() not in (".gif", ".webp"):
        return False
    from PIL import Image

    try:
        with Image.open(path) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # Pillow's parsers raise nearly anything on damaged headers
        return False


def list_folder(folder: Path, *, below: bool = True) -> Listing:
    """The files of a folder, and of all folders in it unless not `below`.

    What is hidden or belongs to the system (._a.jpg, .thumbs, @eaDir, lost+found) is left out. Links are followed, but
    for those that lead back up; folders that several ways lead to are listed once. Raises OSError when `folder` itself
    cannot be listed.
    """
    files: list[Path] = []
    unreachable: dict[Path, str] = {}
    seen: set[str] = set()
    waiting: list[Path] = [folder]
    links: list[Path] = []
    while waiting or links:
        place = waiting.pop() if waiting else links.pop()
        real = os.path.realpath(place)
        if real in seen:
            continue
        seen.add(real)
        try:
            names = os.listdir(place)
        except OSError as error:
            if place == folder:
                raise
            unreachable[place] = _reason(error)
            continue
        for path in (place / name for name in names if not _is_systems(name)):
            try:
                kind = path.stat().st_mode
            except OSError as error:
                if error.errno != errno.ENOENT or is_photo_name(path):
                    unreachable[path] = _reason(error)
                continue
            if stat.S_ISREG(kind):
                files.append(path)
            elif stat.S_ISDIR(kind) and below:
                if not path.is_symlink():
                    waiting.append(path)
                elif not _holds(path, folder):
                    links.append(path)
    return Listing(tuple(sorted(files)), dict(sorted(unreachable.items())))


def with_companions(photos: Sequence[Path]) -> dict[Path, dict[str, Path]]:
    """The photos, each with the files beside it that go with it: {"mask": NAME_mask.png, "motion": NAME_motion.npy}.

    What goes with another photo, or was made from one to look at, is no photo and is left out.
    """
    names = {folder: _names(folder) for folder in {photo.parent for photo in photos}}
    stems = {(photo.parent, photo.stem) for photo in photos}
    return {
        photo: {
            word: photo.with_name(name)
            for word, suffixes in COMPANIONS.items()
            if (name := _first(names[photo.parent].get(f"{photo.stem}_{word}", ()), suffixes))
        }
        for photo in photos
        if not any((photo.parent, owner) in stems for owner in _owners(photo.stem))
    }


def _is_systems(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def _holds(link: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(link))


def _reason(error: OSError) -> str:
    return "leads nowhere" if error.errno == errno.ENOENT else (error.strerror or str(error))


def _names(folder: Path) -> dict[str, list[str]]:
    """The files of a folder by their stems."""
    found: dict[str, list[str]] = {}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return found
    for name in names:
        if not name.startswith("."):
            found.setdefault(Path(name).stem, []).append(name)
    return found


def _owners(stem: str) -> Iterable[str]:
    """lake_mask → lake: the stems of the photos that such a picture would go with."""
    for word in (*(f"_{word}" for word in COMPANIONS), *BY_PRODUCTS):
        if stem.endswith(word) and stem != word:
            yield stem.removesuffix(word)


def _first(names: Iterable[str], suffixes: Sequence[str]) -> str | None:
    known = [name for name in names if Path(name).suffix.lower() in suffixes]
    return min(known, key=lambda name: suffixes.index(Path(name).suffix.lower()), default=None)

"""Photos to measure on: files, folders of photos, or a data folder with its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cinegan_cli.errors import InputError
from cinegan_cli.photos import is_photo_name, list_folder, with_companions
from cinegan_cli.training.data import read_manifest

T = TypeVar("T")

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Found:
    """One photo; `folder` is where it was looked for, None for a file named by itself."""

    path: Path
    folder: Path | None = None


def find_photos(paths: Sequence[Path], split: str) -> list[Found]:
    """Photos: `paths`, where a folder stands for the photos in it, one with a manifest.csv for those of `split`.

    Raises InputError when nothing is found somewhere.
    """
    found: list[Found] = []
    for path in paths:
        if not path.is_dir():
            found.append(Found(path))
        elif (path / "manifest.csv").is_file():
            found += _listed(path, split)
        elif inside := with_companions(list_folder(path, below=False).photos):
            found += [Found(p, path) for p in inside]
        else:
            raise InputError(f"{path}: holds no photos; name photos, or a folder of photos")
    return found


def spread(found: Sequence[T], count: int | None) -> list[T]:
    """At most `count` of them, at even steps through the list."""
    steps = min(count or len(found), len(found))
    return [found[k * len(found) // steps] for k in range(steps)]


def named(given: Path, name: str, suffixes: Sequence[str]) -> Path:
    """The file `given` itself, or in the folder the one called `name` or `name`_mask.

    Raises InputError when there is none.
    """
    if given.is_file():
        return given
    if not given.is_dir():
        raise InputError(f"{given}: no such file or folder; check the name")
    for stem in (name, f"{name}_mask"):
        for suffix in suffixes:
            if (found := given / (stem + suffix)).exists():
                return found
    raise InputError(f"{given}: holds nothing for {name}; call it {name}{suffixes[0]}")


def _listed(folder: Path, split: str) -> list[Found]:
    manifest = folder / "manifest.csv"
    rows = [(row["file"], row["split"]) for row in read_manifest(manifest, require=("file", "split"))]
    found = [Found(folder / name, folder) for name, part in rows if part == split and _is_there(folder / name)]
    if not found:
        parts = ", ".join(sorted({part for _, part in rows})) or "none"
        raise InputError(f"{manifest}: lists no photo of the split {split!r}; it has {parts}: choose with --split")
    return found


def _is_there(path: Path) -> bool:
    return is_photo_name(path) and path.is_file()

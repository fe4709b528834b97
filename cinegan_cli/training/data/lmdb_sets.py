"""Data sets that the release's prepare_data.py wrote: an LMDB environment of JPEG pictures for every size.

A set is the folder with one environment a size (`SET/64`, `SET/128`, ...), or one such environment. Keys are text:
`length` is the number of items as digits; picture 12 is `0000012`; clip 12 has `0000012-length` frames, and its frame
345 is `0000012-0000345`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.training.data.frames import Frame, Source

FILE = "data.mdb"  # of an environment
DIGITS = 7  # of the largest number that its keys can hold
GET = "get a whole copy, or give the photos and clips themselves"


def is_lmdb(path: Path) -> bool:
    """Whether a folder is such a set, or one of its environments."""
    return (path / FILE).is_file() or bool(_sizes(path))


def lmdb_sources(path: Path, side: int, *, moving: bool) -> list[Source]:
    """The pictures of a set, or with `moving` its clips, at the smallest size that has `side` px, else the largest.

    Raises UsageError without the package lmdb or where the set holds the other kind, InputError when it is cut or holds
    something else.
    """
    sizes = _sizes(path)
    if not (path / FILE).is_file():
        path = path / str(min((size for size in sizes if size >= side), default=max(sizes)))
    environment = _opened(path)
    count = _number(environment, "length", path)
    has_clips = _get(environment, "0000000-length") is not None
    if has_clips != moving:
        right, kind = ("--clips", "clips") if has_clips else ("--data", "pictures")
        raise UsageError(f"{path}: holds {kind}; give it as {right}")
    stamp = f"{count} {(path / FILE).stat().st_size} {(path / FILE).stat().st_mtime_ns}"
    read = _clip if moving else _picture
    return [Source(f"{path}#{n:07d}", stamp, moving, read(environment, n, path)) for n in range(count)]


def _sizes(path: Path) -> list[int]:
    if not path.is_dir():
        return []
    return sorted(int(p.name) for p in path.iterdir() if p.name.isdecimal() and (p / FILE).is_file())


def _opened(path: Path) -> Any:
    """The environment, when the file is as long as it says: pages beyond its end would kill the process."""
    try:
        import lmdb
    except ImportError as error:
        raise UsageError(f"{path}: is an LMDB set; to read it, `pip install cinegan[lmdb]`") from error
    try:
        environment = lmdb.open(str(path), readonly=True, lock=False, readahead=False)
        pages, size = environment.info()["last_pgno"] + 1, environment.stat()["psize"]
    except (lmdb.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read as LMDB; {GET}") from error
    if pages * size > (path / FILE).stat().st_size:
        environment.close()
        raise InputError(f"{path}: is cut: {FILE} should have {pages * size} bytes; {GET}")
    return environment


def _get(environment: Any, key: str) -> bytes | None:
    import lmdb

    try:
        with environment.begin(buffers=False) as reading:
            value: bytes | None = reading.get(key.encode())
    except lmdb.Error as error:
        raise InputError(f"{environment.path()}: is damaged; {GET}") from error
    return value


def _number(environment: Any, key: str, path: Path) -> int:
    value = _get(environment, key)
    if value is None or not value.isdigit() or len(value) > DIGITS:
        raise InputError(f"{path}: has no number called {key}: prepare_data.py did not make it; {GET}")
    return int(value)


def _picture(environment: Any, number: int, path: Path) -> Callable[[], Iterator[Frame]]:
    return lambda: iter([_decoded(environment, f"{number:07d}", path)])


def _clip(environment: Any, number: int, path: Path) -> Callable[[], Iterator[Frame]]:
    def frames() -> Iterator[Frame]:
        for k in range(_number(environment, f"{number:07d}-length", path)):
            yield _decoded(environment, f"{number:07d}-{k:07d}", path)

    return frames


def _decoded(environment: Any, key: str, path: Path) -> Frame:
    data = _get(environment, key)
    if data is None:
        raise InputError(f"{path}: {key} is missing; {GET}")
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged data
        raise InputError(f"{path}: {key} is no picture; {GET}") from error

"""Projects as `.cinegan` zips: only known names, bounded sizes, nothing but plain files."""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cinegan_cli.editor.project import (
    FILE,
    FREEZE,
    LARGEST_JSON,
    MASK,
    MOTION,
    PHOTO_NAME,
    Project,
    read_project,
    save_file,
)
from cinegan_cli.errors import InputError
from cinegan_cli.files import temporary_folder

LARGEST_PHOTO = 200 * 2**20  # bytes
LARGEST_MASK = LARGEST_MOTION = 64 * 2**20
LIMITS = {FILE: LARGEST_JSON, MASK: LARGEST_MASK, FREEZE: LARGEST_MASK, MOTION: LARGEST_MOTION}
ZIP_HEAD = b"PK\x03\x04"
CHUNK = 2**20
DAMAGED = (  # what `zipfile` and what it unpacks with raise on zips that were cut, changed or locked
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


def pack(project: Project) -> bytes:
    """The project as a zip; exports stay behind."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in (FILE, MASK, FREEZE, MOTION):
            if project.file(name) is not None:
                bundle.write(project.folder / name, name)
        bundle.write(project.photo_path, project.photo, zipfile.ZIP_STORED)
    return made.getvalue()


def unpack(source: Path, folder: Path) -> Project:
    """The project of a zip, written to `folder`, which is there and empty. Raises InputError for any other zip."""
    try:
        with zipfile.ZipFile(source) as bundle:
            for entry in _checked(bundle, source.name):
                with bundle.open(entry) as file:
                    save_file(folder / entry.filename, _bounded(file, entry, source.name))
    except DAMAGED as error:
        raise InputError(f"{source.name}: the project is damaged: {error}; save or copy it again") from error
    return read_project(folder)


@contextmanager
def project_at(path: Path) -> Iterator[Project]:
    """The project of a folder or a zip; that of a zip is gone at the end. Raises InputError."""
    if path.is_dir():
        yield read_project(path)
        return
    with temporary_folder("cinegan-") as folder:
        yield unpack(path, folder)


def _checked(bundle: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    entries = bundle.infolist()
    names = [entry.filename for entry in entries]
    if FILE not in names or len(set(names)) != len(names) or len(names) > len(LIMITS) + 1:
        raise InputError(f"{name}: is no project of cinegan; open a .cinegan file or a photo")
    for entry in entries:
        mode = entry.external_attr >> 16
        plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
        if not plain or not (entry.filename in LIMITS or PHOTO_NAME.fullmatch(entry.filename)):
            raise InputError(f"{name}: holds {os.fsencode(entry.filename)!r:.60}, which no project does; not opened")
        if entry.file_size > LIMITS.get(entry.filename, LARGEST_PHOTO):
            raise InputError(f"{name}: {entry.filename} is too large ({entry.file_size / 1e6:.0f} MB); not opened")
    return entries


def _bounded(file: IO[bytes], entry: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of an entry, which may hold more than it says."""
    limit, data = LIMITS.get(entry.filename, LARGEST_PHOTO), bytearray()
    while chunk := file.read(CHUNK):
        data += chunk
        if len(data) > limit:
            raise InputError(f"{name}: {entry.filename} is too large; not opened")
    return bytes(data)

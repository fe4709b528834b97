"""DeepLandscape's encoder and lighting network as they were released: saved whole, by `torch.save(module)`.

Their tensors are taken from the pickle as data (`formats.pickle_machine`); nothing in the file is executed.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models.formats.pickle_machine import MAX_PICKLE, Machine, Record, Refused, Source, Storage, View

MAX_MODULES = 10_000
MAX_DEPTH = 64  # of modules in modules
MAGIC = 0x1950A86A20F9469CFC6C  # with which torch's older format begins
ROOTS = ("inference.encoders.ResNetEncoder", "inference.encoders.MLPApproximator")
_WORD = re.compile(r"\w+", re.ASCII)

Values = Mapping[str, Tensor]  # flat, by the storages' keys


def read_pickled(path: Path) -> dict[str, Tensor]:
    """The state dict of the network in a file that holds the whole module, of torch's zip format or the older one.

    Raises InputError naming what is in it that is not known.
    """
    try:
        root, values = _from_zip(path) if zipfile.is_zipfile(path) else _from_legacy(path)
        if not isinstance(root, Record) or root.name not in ROOTS:
            raise Refused(f"a {root.name if isinstance(root, Record) else type(root).__name__}, no known network")
        views = dict(_views(root))
        if sum(math.prod(view.size) for view in views.values()) > sum(map(len, values.values())):
            raise Refused("tensors that share their values")
        return {name: _tensor(view, values) for name, view in views.items()}
    except Refused as reason:
        raise InputError(
            f"{path}: holds code or data beside weights and is refused ({reason}); get the plain state dict from its "
            "authors"
        ) from reason
    except Exception as error:  # whatever damage leads to: of the archive, of the pickle, of what it describes
        said = (ascii(error).splitlines() or [""])[0][:80]
        raise InputError(f"{path}: a damaged pickle is refused ({said}); get the file again") from error


def _from_zip(path: Path) -> tuple[Any, Values]:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        folders = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
        if len(folders) != 1:
            raise Refused("an archive of another kind")

        def bytes_of(name: str, most: int) -> bytearray:
            entry = entries[folders[0] + name]
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
                raise Refused("a part of it is compressed or too long")
            return bytearray(archive.read(entry))

        if folders[0] + "byteorder" in entries and bytes_of("byteorder", 16) != b"little":
            raise Refused("numbers in the other byte order")
        storages: dict[str, Storage] = {}
        root = Machine(Source(bytes_of("data.pkl", MAX_PICKLE)), storages).run()
        values = {key: _flat(bytes_of(f"data/{key}", _size(s)), s) for key, s in storages.items()}
    return root, values


def _from_legacy(path: Path) -> tuple[Any, Values]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        source = Source(data)
        if Machine(source).run() != MAGIC:
            raise Refused("no file of torch.save")
        Machine(source).run()  # the format's version
        system = Machine(source).run()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise Refused("numbers in the other byte order")
        storages: dict[str, Storage] = {}
        root = Machine(source, storages).run()
        keys = Machine(source).run()
        values = {}
        for key in keys:
            (count,) = struct.unpack("<q", source.read(8))
            if count != storages[key].numel:
                raise Refused("a storage has another length than is said of it")
            values[key] = _flat(bytearray(source.read(_size(storages[key]))), storages[key])
    return root, values


def _size(storage: Storage) -> int:
    """Bytes."""
    return storage.numel * storage.dtype.itemsize


def _flat(data: bytearray, storage: Storage) -> Tensor:
    """[numel]"""
    if len(data) != _size(storage):
        raise Refused("a storage has another length than is said of it")
    return torch.frombuffer(data, dtype=storage.dtype) if data else torch.empty(0, dtype=storage.dtype)


def _views(root: Record) -> Iterator[tuple[str, View]]:
    """Names and tensors of all parameters and buffers."""
    waiting: list[tuple[str, int, Any]] = [("", 0, root)]
    count = 0
    while waiting:
        prefix, depth, record = waiting.pop()
        count += 1
        if not isinstance(record, Record):
            raise Refused(f"{prefix} is no module")
        if count > MAX_MODULES or depth > MAX_DEPTH:
            raise Refused("modules within modules without end")
        for kind in ("_parameters", "_buffers"):
            for name, view in _entries(record, kind):
                if not isinstance(view, View):
                    raise Refused(f"{prefix}{name} is no tensor")
                yield prefix + name, view
        waiting += [(f"{prefix}{name}.", depth + 1, child) for name, child in _entries(record, "_modules")]


def _entries(record: Record, kind: str) -> list[tuple[str, Any]]:
    entries = record.state.get(kind)
    if not isinstance(entries, dict):
        raise Refused(f"{record.name} without {kind}")
    if not all(isinstance(name, str) and _WORD.fullmatch(name) for name in entries):
        raise Refused(f"{record.name} with names that are no words")
    return [(name, value) for name, value in entries.items() if value is not None]


def _tensor(view: View, values: Values) -> Tensor:
    return values[view.storage.key].as_strided(view.size, view.stride, view.offset).clone()

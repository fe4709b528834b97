"""Published motion fields: all forms give the same numbers, damaged and hostile ones are refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.training.data import lz4
from cinegan_cli.training.data.fields import read_field
from tests.training.data import packed

FIELD = np.arange(2 * 6 * 8, dtype=np.float32).reshape(2, 6, 8)
Field = NDArray[np.float32]


def saved(path: Path, field: Field) -> None:
    torch.save(torch.from_numpy(field)[None], path)


def saved_before_zip(path: Path, field: Field) -> None:
    torch.save(torch.from_numpy(field), path, _use_new_zipfile_serialization=False)


FORMS: dict[str, Callable[[Path, Field], object]] = {
    "plain.npy": np.save,
    "last.npy": lambda path, field: np.save(path, field.transpose(1, 2, 0)),
    "several.npz": lambda path, field: np.savez(path, flow=field, other=np.zeros(3)),
    "middlebury.flo": lambda path, field: path.write_bytes(packed.flo(field)),
    "tensor.pth": saved,
    "old_tensor.pth": saved_before_zip,
    "dictionary.pt": lambda path, field: torch.save({"motion": torch.from_numpy(field).half()}, path),
    "pickled.pth": lambda path, field: path.write_bytes(pickle.dumps(field)),
    **{
        f"eulerian_{protocol}.pth": lambda path, field, protocol=protocol: path.write_bytes(  # type: ignore[misc]
            packed.packed(field, protocol)
        )
        for protocol in (0, 2, 4, 5)
    },
    "columns.pth": lambda path, field: path.write_bytes(packed.lz4(pickle.dumps(np.asfortranarray(field)))),
    "big_endian.pth": lambda path, field: path.write_bytes(packed.lz4(pickle.dumps(field.astype(">f4")))),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_field(name: str, tmp_path: Path) -> None:
    FORMS[name](tmp_path / name, FIELD)
    assert np.allclose(read_field(tmp_path / name), FIELD)


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("executed",)


DAMAGED = {
    "text.pth": b"hello",
    "empty.npy": b"",
    "cut.pth": packed.packed(FIELD)[:-40],
    "evil.pth": pickle.dumps(Evil()),
    "packed_evil.pth": packed.lz4(pickle.dumps(Evil())),
    "objects.pth": packed.lz4(pickle.dumps(np.array([[None]], dtype=object))),
    "words.pth": packed.lz4(pickle.dumps(np.array(["a"]))),
    "shape.pth": packed.packed(np.zeros((3, 4, 5), np.float32)),
    "nan.pth": packed.packed(np.full((2, 4, 5), np.nan, np.float32)),
    "block.pth": packed.lz4(b"")[:7] + b"\x05\0\0\0" + b"\x10a\x09\0\0" + bytes(4),  # copies from before the start
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_field_is_refused_in_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(DAMAGED[name])
    with pytest.raises(InputError, match=name) as raised:
        read_field(path)
    assert "\n" not in str(raised.value)
    assert not Path("executed").exists()


def test_a_saved_tensor_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"motion": Evil()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth"):
        read_field(tmp_path / "a.pth")
    assert not Path("executed").exists()


def test_blocks_of_lz4_copy_from_what_came_before() -> None:
    block = packed.sequence(b"abc", 8, 3) + b"\x50vwxyz"
    frame = packed.lz4(b"")[:7] + len(block).to_bytes(4, "little") + block + bytes(4)
    assert lz4.decompress(frame) == b"abcabcabcabvwxyz"
    stored = packed.lz4(b"")[:7] + (5 | 1 << 31).to_bytes(4, "little") + b"plain" + bytes(4)
    assert lz4.decompress(stored) == b"plain"
    long = bytes(1000) + b"end" + bytes(range(100))
    assert lz4.decompress(packed.lz4(long)) == long

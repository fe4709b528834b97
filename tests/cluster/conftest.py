"""What the tests of clusters share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.small_scene import texture, upper_half


@pytest.fixture
def memory() -> Iterator[Any]:
    """The memory:// file system, which all tests of a process share, empty."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: mask.png, and five photos in photos/, of which broken.png is cut in half, and a companion."""
    Image.fromarray(upper_half()).save(tmp_path / "mask.png")
    (tmp_path / "photos/sub").mkdir(parents=True)
    for k, name in enumerate(("lake.png", "river.jpg", "sub/sea.webp", "sub/sky.png", "broken.png")):
        Image.fromarray(np.roll(texture(), 7 * k, axis=1)).save(tmp_path / "photos" / name)
    Image.fromarray(255 - upper_half()).save(tmp_path / "photos/lake_freeze.png")
    broken = tmp_path / "photos/broken.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    monkeypatch.chdir(tmp_path)
    return tmp_path

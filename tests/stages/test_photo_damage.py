"""Files that are cut short, and camera raw files."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo.read import read_photo

SIZE = 200


def noisy() -> np.ndarray:
    """Rows that all cost the same, so that a share of the bytes is that share of the rows."""
    return np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noisy()).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


KINDS = {
    "png": encoded("PNG"),
    "deep": cv2.imencode(".png", noisy().astype(np.uint16) * 257)[1].tobytes(),
    "jpeg": encoded("JPEG", quality=90),
    "grey": encoded("JPEG", "L", quality=90),
    "restarts": encoded("JPEG", quality=90, restart_marker_rows=1),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.7, 0.95])
def test_most_of_a_file_is_read_and_told(kind: str, share: float) -> None:
    data = KINDS[kind]
    whole, part = (read_photo(each, PhotoConfig()) for each in (data, data[: int(len(data) * share)]))
    rows = int(SIZE * share) - 20
    assert np.array_equal(part.pixels_u8.numpy()[:rows], whole.pixels_u8.numpy()[:rows])
    assert (part.pixels_u8[-1] == part.pixels_u8[-2]).all(), "what is missing repeats the last row"
    assert any("cut off" in notice for notice in part.notices)
    assert whole.notices == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_half_a_file_is_an_error(kind: str, share: float) -> None:
    with pytest.raises(InputError, match="damaged") as caught:
        read_photo(KINDS[kind][: int(len(KINDS[kind]) * share)], PhotoConfig())
    assert "\n" not in str(caught.value)


def test_progressive_jpeg() -> None:
    data = encoded("JPEG", quality=90, progressive=True)
    whole, part = (read_photo(each, PhotoConfig()) for each in (data, data[: int(len(data) * 0.95)]))
    assert np.abs(whole.pixels_u8.numpy().astype(int) - part.pixels_u8.numpy()).mean() < 10
    assert any("cut off" in notice for notice in part.notices)
    with pytest.raises(InputError, match="damaged"):
        read_photo(data[: len(data) // 10], PhotoConfig())


def test_a_wrong_byte_is_still_an_error() -> None:
    data = bytearray(KINDS["png"])
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(InputError, match="damaged"):
        read_photo(bytes(data), PhotoConfig())


def directory(entries: dict[int, tuple[int, int]], order: str = "<") -> bytes:
    """A TIFF directory of whole numbers: tag to (type 3 or 4, value)."""
    packed = b"".join(
        struct.pack(order + "HHI", tag, kind, 1) + struct.pack(order + {3: "Hxx", 4: "I"}[kind], value)
        for tag, (kind, value) in sorted(entries.items())
    )
    return struct.pack(order + "H", len(entries)) + packed + bytes(4)


def tiff_of(*directories: dict[int, tuple[int, int]], order: str = "<") -> bytes:
    """A TIFF whose first directory points to the second one as a sub-directory."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    first = dict(directories[0])
    if len(directories) > 1:
        first[330] = (4, 8 + len(directory({**first, 330: (4, 0)}, order)))
    return (
        start
        + struct.pack(order + "I", 8)
        + directory(first, order)
        + b"".join(directory(each, order) for each in directories[1:])
    )


PREVIEW = {256: (3, 160), 257: (3, 120), 254: (4, 1)}
RAW = {
    "preview.dng": tiff_of({**PREVIEW, 50706: (4, 1)}),
    "a.nef": tiff_of(PREVIEW, {256: (3, 6000), 257: (3, 4000), 262: (3, 32803)}),
    "big_endian.tif": tiff_of(PREVIEW, {256: (3, 6000), 257: (3, 4000), 259: (3, 34713)}, order=">"),
    "unnamed": tiff_of(PREVIEW, {256: (3, 6000), 257: (3, 4000)}),
    "a.pef": tiff_of({256: (3, 6000), 257: (3, 4000), 259: (3, 65535)}),
    "a.cr2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(100),
    "a.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "a.raf": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "a.orf": b"IIRO\x08\0\0\0" + bytes(100),
    "a.rw2": b"IIU\0\x08\0\0\0" + bytes(100),
    "unknown.arw": b"a camera's own format" + bytes(100),
}


@pytest.mark.parametrize("name", RAW)
def test_camera_raw_is_refused_with_advice(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(RAW[name])
    with pytest.raises(InputError, match=r"raw.*export") as caught:
        read_photo(tmp_path / name, PhotoConfig())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tif", "a.dng"])
def test_an_ordinary_tiff_is_none(tmp_path: Path, name: str) -> None:
    Image.fromarray(noisy()).save(tmp_path / name, "TIFF")
    assert np.array_equal(read_photo(tmp_path / name, PhotoConfig()).pixels_u8.numpy(), noisy())


def test_sub_directories_that_point_in_circles() -> None:
    looped = tiff_of({**PREVIEW, 330: (4, 8)})
    with pytest.raises(InputError):
        read_photo(looped, PhotoConfig())


@pytest.mark.parametrize("content", [b"II*\0", b"MM\0*", b"MM\0*\0\0\0", b"II*\0\x08\0\0\0"])
def test_no_more_than_the_head_of_a_tiff_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif"):
        read_photo(path, PhotoConfig())

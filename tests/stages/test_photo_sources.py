"""Photos that are no plain files: pipes, bytes, arrays, Pillow pictures; and several threads that read at once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.files import read_text
from cinegan_cli.stages.photo.read import read_photo
from tests.bad_files import damaged_tiff
from tests.stages.test_photo import HEIGHT, WIDTH, picture, stored_as, swapped_profile


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seen(source: object) -> NDArray[np.uint8]:
    return read_photo(source, PhotoConfig()).pixels_u8.numpy()  # type: ignore[arg-type]


def piped(data: bytes, tmp_path: Path) -> Path:
    """A named pipe through which `data` comes once."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_pipe_is_read_whole(tmp_path: Path, kind: str) -> None:
    data = encoded(Image.fromarray(picture()), kind)
    assert np.array_equal(seen(piped(data, tmp_path)), seen(data))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_an_empty_pipe_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing came through the pipe"):
        read_photo(piped(b"", tmp_path), PhotoConfig())


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input(name: str) -> None:
    if name != "-" and not Path(name).exists():
        pytest.skip("no /dev/stdin here")
    code = (
        "import sys; from pathlib import Path; from cinegan_cli.config import PhotoConfig\n"
        "from cinegan_cli.stages.photo import read_photo\n"
        f"sys.stdout.buffer.write(read_photo(Path({name!r}), PhotoConfig()).pixels_u8.numpy().tobytes())"
    )
    data = encoded(Image.fromarray(picture()))
    done = subprocess.run([sys.executable, "-c", code], input=data, stdout=subprocess.PIPE, check=True)
    assert done.stdout == picture().tobytes()


def test_bytes_and_pillow_pictures() -> None:
    image = Image.fromarray(picture())
    assert np.array_equal(seen(encoded(image)), picture())
    assert np.array_equal(seen(image), picture())
    with pytest.raises(InputError, match="0 bytes"):
        read_photo(b"", PhotoConfig())


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_and_profile_of_a_pillow_picture(turn: int) -> None:
    image = Image.fromarray(stored_as(turn))
    image.getexif()[0x0112] = turn
    before = image.copy()
    assert np.array_equal(seen(image), picture())
    assert image == before, "what is given is left as it is"
    tinted = Image.new("RGB", (WIDTH, HEIGHT), (220, 40, 40))
    tinted.info["icc_profile"] = swapped_profile()
    assert seen(tinted)[0, 0, 1] > 200


@pytest.mark.parametrize(
    "array",
    [
        picture(),
        picture().astype(np.uint16) * 257,
        picture().astype(np.float32) / 255,
        picture().astype(np.float64) / 255,
        np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)]),
    ],
    ids=lambda array: f"{array.dtype}x{array.shape[2]}",
)
def test_arrays(array: NDArray[np.generic]) -> None:
    assert np.array_equal(seen(array), picture())


def test_grey_and_transparent_arrays() -> None:
    grey = picture()[:, :, 0]
    assert np.array_equal(seen(grey), np.repeat(grey[:, :, None], 3, axis=2))
    clear = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    assert (read_photo(clear, PhotoConfig(background="white")).pixels_u8 == 255).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, HEIGHT, WIDTH), np.uint8),
        np.zeros((HEIGHT, WIDTH, 2), np.uint8),
        np.zeros((HEIGHT, 0, 3), np.uint8),
        np.full((HEIGHT, WIDTH), 128.0),
        np.full((HEIGHT, WIDTH), np.nan),
        np.zeros((HEIGHT, WIDTH), np.complex64),
        np.array("text"),
    ],
    ids=str,
)
def test_arrays_that_are_no_pictures(array: NDArray[np.generic]) -> None:
    with pytest.raises(InputError) as caught:
        read_photo(array, PhotoConfig())
    assert "array" in str(caught.value)


def test_threads_do_not_disturb_each_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Damaged and sound files at once: nothing of the process changes, and what is written to stderr arrives."""
    Image.fromarray(picture()).save(tmp_path / "photo.png")
    damaged_tiff("bad.tif")(tmp_path)
    Image.fromarray(picture()).save(tmp_path / "good.tif", compression="tiff_lzw")
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters), set(Image.OPEN)

    def read(index: int) -> bool:
        os.write(2, b"x")
        try:
            return np.array_equal(seen(tmp_path / ("bad.tif", "good.tif", "photo.png")[index % 3]), picture())
        except InputError:
            return index % 3 == 0

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, range(12)))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters), set(Image.OPEN)) == before
    assert capfd.readouterr().err == "x" * 12


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_text_in_the_encodings_of_other_systems(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("café\r\nmer\n".encode(encoding))
    assert read_text(path) == "café\nmer\n"

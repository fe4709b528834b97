"""Unusual but sound inputs make a sound loop; interruptions and clashes in mid-render leave nothing behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.check import check_loop
from tests import bad_files as bad
from tests.bad_files import array, field
from tests.small_scene import ANIMATE, MOTION, QUICK, invoke, pixels, texture, tree, upper_half, write_scene

LAST_WORDS = 60  # s, for a process to end on a busy machine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def animated(folder: Path) -> None:
    pages = [Image.fromarray(np.roll(texture(), 5 * k, axis=1)) for k in range(3)]
    pages[0].save(folder / "odd.gif", save_all=True, append_images=pages[1:], duration=100)


def sixteen_bit_grey(folder: Path) -> None:
    Image.fromarray(texture()[:, :, 0].astype(np.uint16) * 257).save(folder / "odd.png")


def turned(folder: Path) -> None:
    """Stored lying on its side, with the EXIF orientation that sets it up again."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(texture()).transpose(Image.Transpose.ROTATE_90).save(folder / "odd.jpg", exif=exif, quality=95)


def converted(name: str, mode: str = "RGB", **options: object) -> bad.Make:
    return lambda folder: Image.fromarray(texture()).convert(mode).save(folder / name, **options)  # type: ignore[arg-type]


def with_holes(folder: Path) -> None:
    pixels = Image.fromarray(texture()).convert("RGBA")
    pixels.putalpha(Image.fromarray(255 - upper_half() // 3))
    pixels.save(folder / "odd.png")


def named(name: str) -> bad.Make:
    return lambda folder: (folder / "photo.png").rename(folder / name)


def odd_size(folder: Path) -> None:
    Image.fromarray(texture(65, 49)).save(folder / "odd.png")


PHOTOS = [
    pytest.param("odd.gif", animated, id="animated GIF"),
    pytest.param("odd.jpg", converted("odd.jpg", "CMYK", quality=95), id="CMYK JPEG"),
    pytest.param("odd.png", converted("odd.png", "P"), id="palette"),
    pytest.param("odd.png", converted("odd.png", "L"), id="grey"),
    pytest.param("odd.png", converted("odd.png", "LA"), id="grey and alpha"),
    pytest.param("odd.png", sixteen_bit_grey, id="16-bit grey"),
    pytest.param("odd.png", with_holes, id="half transparent"),
    pytest.param("odd.png", converted("odd.png", "1"), id="black and white"),
    pytest.param("odd.jpg", turned, id="turned by EXIF"),
    pytest.param("odd.jpg", converted("odd.jpg", quality=95, progressive=True), id="progressive JPEG"),
    pytest.param("odd.tif", converted("odd.tif", compression="tiff_lzw"), id="TIFF"),
    pytest.param("odd.bmp", converted("odd.bmp"), id="BMP"),
    pytest.param("odd.webp", converted("odd.webp", lossless=True), id="WebP"),
    pytest.param("ODD.JPG", converted("ODD.JPG", format="PNG"), id="PNG named .JPG"),
    pytest.param("odd.png", odd_size, id="odd sides"),
    pytest.param("./-odd % näme.png", named("-odd % näme.png"), id="odd name"),
]


@pytest.mark.parametrize(("photo", "make"), PHOTOS)
def test_odd_photo_makes_a_clean_loop(
    photo: str, make: bad.Make, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(folder)
    outcome = invoke(f"animate '{photo}' --mask mask.png {MOTION} {QUICK} --out loop.mp4", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
    report = check_loop(folder / "loop.mp4")
    assert report.passed, report.findings
    assert report.loop.size == (64, 48)


GIVEN = [
    pytest.param("--mask odd.png", bad.blank("odd.png", 128, 96, "L", 255), id="mask of twice the size"),
    pytest.param("--mask odd.png", bad.blank("odd.png", 64, 48, "RGBA", 255), id="mask in colour"),
    pytest.param("--mask odd.png", bad.blank("odd.png", 64, 48, "L", 100), id="all-grey mask"),
    pytest.param("--mask odd.jpg", bad.blank("odd.jpg", 64, 48, "L", 255), id="mask as JPEG"),
    pytest.param("--motion odd.npy", array("odd.npy", 4 * field(1.0, 1, 2, 6, 8)), id="motion with a batch axis"),
    pytest.param("--motion odd.npy", array("odd.npy", np.full((2, 48, 64), 2, np.int64)), id="motion in whole numbers"),
    pytest.param(
        "--motion odd.npy", array("odd.npy", np.asfortranarray(2 * field(1.0, 2, 48, 64))), id="columns first"
    ),
    pytest.param("--motion odd.npz", bad.archive("odd.npz", any=2 * field(1.0, 2, 48, 64)), id="motion as .npz"),
    pytest.param("--motion odd.npy", array("odd.npy", 1e6 * field(1.0, 2, 48, 64)), id="motion far out of the picture"),
    pytest.param("--motion odd.npy", array("odd.npy", np.zeros((2, 48, 64))), id="motion that is none"),
    pytest.param("--motion odd.npy", array("odd.npy", np.ones((2, 1, 1))), id="motion of one cell"),
]


@pytest.mark.parametrize(("options", "make"), GIVEN)
def test_odd_mask_or_motion_is_taken(
    options: str, make: bad.Make, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make(folder)
    rest = f"{'' if 'mask' in options else '--mask mask.png'} {'' if 'motion' in options else MOTION}"
    outcome = invoke(f"animate photo.png {options} {rest} {QUICK} --out frames/%d.png", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
    assert np.array_equal(pixels(folder / "frames/0.png"), texture())


DAMAGED = {
    "a.png": converted("a.png"),
    "odd.png": sixteen_bit_grey,
    "a.jpg": converted("a.jpg"),
    "a.tif": converted("a.tif", compression="tiff_lzw"),
    "a.webp": converted("a.webp"),
    "odd.gif": animated,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_anywhere_is_at_most_one_line(name: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    DAMAGED[name](folder)
    whole = (folder / name).read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for cut in range(20):
        data = bytearray(whole[: len(whole) * cut // 20] if cut % 2 else whole)
        for place in random.integers(0, max(1, len(data) >> (cut % 5)), 0 if cut % 2 else 1 + cut):
            data[place] = random.integers(0, 256)
        (folder / name).write_bytes(data)
        outcome = invoke(f"animate {name} --mask mask.png {MOTION} --out loop.mp4 --dry-run", capfd)
        assert outcome.status in (ExitStatus.OK, ExitStatus.INPUT), outcome.stderr
        assert len(outcome.complaints) == (outcome.status != ExitStatus.OK), outcome.stderr
        refused += outcome.status == ExitStatus.INPUT
    assert refused >= 5


def test_output_that_appears_in_mid_render_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {**tree(folder), "loop.mp4": b"mine"}
    bad.after_a_frame(bad.text("loop.mp4", "mine"))(monkeypatch, folder)
    outcome = invoke(f"{ANIMATE} --out loop.mp4", capfd)
    assert outcome.status == ExitStatus.ENCODER
    assert [complaint.count("loop.mp4") for complaint in outcome.complaints] == [1]
    assert tree(folder) == before


def test_folder_that_vanishes_in_mid_render_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(folder)
    bad.after_a_frame(bad.remove_outputs_folder)(monkeypatch, folder)
    outcome = invoke(f"{ANIMATE} --out new/frames/%d.png", capfd)
    assert outcome.status == ExitStatus.ENCODER
    assert len(outcome.complaints) == 1
    assert tree(folder) == before


def test_failed_overwrite_keeps_the_old_output(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bad.text("loop.mp4", "old")(folder)
    before = tree(folder)
    bad.after_a_frame(bad.raising(OSError(5, "Input/output error")))(monkeypatch, folder)
    outcome = invoke(f"{ANIMATE} --out loop.mp4 --overwrite", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.ENCODER, 1)
    assert tree(folder) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signal_in_mid_render_leaves_nothing(name: str, folder: Path) -> None:
    before = tree(folder)
    arguments = f"{ANIMATE} --seconds 30 --fps 60 --out new/loop.mp4 --out new/frames/%05d.png"
    # A test run in the background hands down an ignored SIGINT, one under nohup an ignored SIGHUP.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "from cinegan_cli.cli.main import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, *shlex.split(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        until = time.monotonic() + LAST_WORDS
        while not list(folder.glob("new/frames/.*.part/*.png")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "no frame was rendered"
            time.sleep(0.02)
        process.send_signal(signal.Signals[name])
        process.send_signal(signal.Signals[name])  # an impatient user presses it twice
        stdout, stderr = process.communicate(timeout=LAST_WORDS)
    finally:
        process.kill()
        process.communicate()
    assert [line.startswith("cinegan: ") for line in stderr.splitlines() if line] == [True]
    assert (process.returncode, stdout) == (ExitStatus.INTERRUPTED, "")
    assert tree(folder) == before

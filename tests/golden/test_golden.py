"""Frames of `animate` on a tiny scene drawn by code, against those kept here; each file holds the frames of one run.

After a change that is meant to be seen: `python -m pytest tests/golden --regenerate`, and look at what git says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.pipeline import animate
from tests.small_scene import HEIGHT, WIDTH, pixels, write_scene

HERE = Path(__file__).parent
FRAMES = 4
# 8-bit levels: processors round sums in different orders. Kernels and references, 1 and 2 threads: equal, or off by 1.
TOLERANCE = 1
RUNS = {
    "default": {},
    "coordinates": {"warp": "coordinates"},
    "paper": {"warp": "splat", "blend": "linear", "fill": "paper"},
    "crossfade": {"loop": "crossfade", "warp": "coordinates"},
    "pingpong": {"loop": "pingpong", "warp": "coordinates"},
}


def uneven_motion() -> NDArray[np.float32]:
    """Fractions of a pixel, slower and faster, so that there are holes and places reached twice: [2, HEIGHT, WIDTH]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([0.83 + 0.6 * np.sin(x / 6), 0.37 * np.cos(x / 9 + y / 7)]).astype(np.float32)


def rendered(folder: Path, **options: object) -> NDArray[np.uint8]:
    """The frames of one run side by side, [HEIGHT, FRAMES * WIDTH, 3]."""
    write_scene(folder)
    np.save(folder / "motion.npy", uneven_motion())
    files = {"mask": folder / "mask.png", "motion": folder / "motion.npy", "out": [folder / "%d.png"]}
    config = Config.from_options(seconds=0.4, fps=10, backbone="pyramid", device="cpu", **files, **options)
    animate(folder / "photo.png", config)
    return np.concatenate([pixels(folder / f"{index}.png") for index in range(FRAMES)], axis=1).astype(np.uint8)


def compare(actual: NDArray[np.uint8], expected: NDArray[np.uint8], folder: Path) -> None:
    """Fails when a value is off by more than TOLERANCE, and then leaves pictures to look at."""
    difference = np.abs(actual.astype(np.int16) - expected)
    if difference.max() <= TOLERANCE:
        return
    amplified = (difference * (255 / difference.max())).astype(np.uint8)
    shown = {"actual": actual, "expected": expected, "difference": amplified}
    for name, picture in shown.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    Image.fromarray(np.concatenate(list(shown.values()))).save(folder / "all.png")
    wrong = (difference > TOLERANCE).any(axis=2)
    frames = sorted({int(x) // WIDTH for x in np.flatnonzero(wrong.any(axis=0))})
    pytest.fail(
        f"{wrong.sum()} pixels are off by up to {difference.max()} levels, in frames {frames}; see actual.png, "
        f"expected.png, difference.png and the three below each other in all.png, in {folder}"
    )


@pytest.mark.parametrize("name", RUNS)
def test_frames_are_those_kept(name: str, tmp_path: Path, regenerate: bool) -> None:
    actual = rendered(tmp_path, **RUNS[name])
    assert actual.shape == (HEIGHT, FRAMES * WIDTH, 3)
    if regenerate:
        Image.fromarray(actual).save(HERE / f"{name}.png", optimize=True)
    compare(actual, pixels(HERE / f"{name}.png").astype(np.uint8), tmp_path)


def test_runs_differ_from_each_other() -> None:
    """A setting that nothing reads would give the frames of another run."""
    kept = [pixels(HERE / f"{name}.png") for name in RUNS]
    for index, one in enumerate(kept):
        for other in kept[:index]:
            assert np.abs(one - other).max() > 4 * TOLERANCE


def test_a_difference_is_found_and_shown(tmp_path: Path) -> None:
    expected = pixels(HERE / "default.png").astype(np.uint8)
    actual = expected.copy()
    actual[5, WIDTH + 3, 1] ^= 2
    with pytest.raises(pytest.fail.Exception, match=r"1 pixels .* up to 2 levels, in frames \[1\]"):
        compare(actual, expected, tmp_path)
    assert np.argwhere(pixels(tmp_path / "difference.png")).tolist() == [[5, WIDTH + 3, 1]]
    assert pixels(tmp_path / "all.png").shape == (3 * HEIGHT, FRAMES * WIDTH, 3)

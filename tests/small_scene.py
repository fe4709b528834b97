"""A tiny photo with its mask and motion, and the command line run in this process: what the command tests share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.cli.main import run

WIDTH, HEIGHT = 64, 48
QUICK = "--seconds 0.3 --fps 10"  # 3 frames, the fewest there are
MOTION = "--arrow 10,10,50,12"
ANIMATE = f"animate photo.png --mask mask.png {MOTION} {QUICK}"


def texture(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Waves of several sizes and colours, uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = [np.sin(k * x / 10 + j * y / 7 + k * j) for k, j in ((1, 2), (3, 1), (5, -2), (2, -3))]
    picture = 128 + 40 * np.stack([sum(waves), sum(waves[1:]), sum(waves[:2]) - waves[3]], axis=2)
    return picture.clip(0, 255).astype(np.uint8)


def upper_half(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A mask whose upper part moves, uint8 [height, width]."""
    mask = np.zeros((height, width), np.uint8)
    mask[: height * 5 // 8] = 255
    return mask


def write_scene(folder: Path) -> None:
    """photo.png, mask.png and motion.npy (2 px per frame to the right)."""
    Image.fromarray(texture()).save(folder / "photo.png")
    Image.fromarray(upper_half()).save(folder / "mask.png")
    motion = np.zeros((2, HEIGHT, WIDTH), np.float32)
    motion[0] = 2
    np.save(folder / "motion.npy", motion)


def pixels(file: Path) -> NDArray[np.int16]:
    """A picture, [height, width, 3] for colour; signed, so that differences are right."""
    with Image.open(file) as picture:
        return np.array(picture, np.int16)


def tree(folder: Path) -> Mapping[str, bytes | None]:
    """Everything below a folder: the bytes of files, None for folders."""
    entries = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in entries}


@dataclass(frozen=True)
class Outcome:
    """What a command gave back."""

    status: int
    stdout: str
    stderr: str

    @property
    def notes(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.startswith("note: ")]

    @property
    def complaints(self) -> list[str]:
        """Lines on stderr that are no notes, but for the empty one that click prints after ^C."""
        return [line for line in self.stderr.splitlines() if line and not line.startswith("note: ")]


def invoke(arguments: str, capfd: pytest.CaptureFixture[str]) -> Outcome:
    """Run `cinegan ARGUMENTS` in the current folder; `capfd` also sees what ffmpeg and native code print."""
    capfd.readouterr()
    status = run(shlex.split(arguments))
    captured = capfd.readouterr()
    return Outcome(status, captured.out, captured.err)

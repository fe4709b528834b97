"""Real clips to compare with: videos, or folders of frames, at a reduced size, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.stages.video.probe import probe
from cinegan_cli.stages.video.read import FRAME_FILES, read_frames

Frame = NDArray[np.uint8]

VIDEOS = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif"),
    *(".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp", ".mts", ".m2ts", ".ts"),
)
SMALLEST_SIDE = 16  # px, after reduction
FRAME_RATES = (1.0, 240.0)


@dataclass(frozen=True)
class Clip:
    """A clip whose frames are given at `size` (width, height), both even. `fps` is the file's own, or a folder's."""

    path: Path
    name: str
    fps: float
    size: tuple[int, int]

    def frames(self, count: int | None = None) -> Iterator[Frame]:
        """Its first `count` frames, uint8 [H, W, 3]; all by default. Raises InputError when the file is damaged."""
        shape = None
        for n, frame in enumerate(islice(read_frames(self.path), count)):
            shape = shape or frame.shape
            if frame.shape != shape:
                sizes = " px, the first one ".join(f"{s[1]}x{s[0]}" for s in (frame.shape, shape))
                raise InputError(f"{self.path}: frame {n + 1} is {sizes}; name the frames of one clip")
            yield reduced(frame, self.size)


def find_clips(paths: Sequence[Path]) -> list[Path]:
    """Videos and folders of frames: `paths`, where a folder of videos or of such folders stands for its contents.

    Raises InputError for a folder that holds neither, and when two clips have one name.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir() or _holds(path, FRAME_FILES):
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        clips = [p for p in inside if p.suffix.lower() in VIDEOS or (p.is_dir() and _holds(p, FRAME_FILES))]
        if not clips:
            raise InputError(f"{path}: holds neither videos nor frames; name clips, or a folder of clips")
        found += clips
    names = [path.stem for path in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two clips are called {twice}; give them different names")
    return found


def open_clip(path: Path, *, max_side: int, fps: float | None = None) -> Clip:
    """Reads the first frame and the rate. `fps` says the rate of a folder (30 by default), or another one.

    The picture is scaled down to at most `max_side` px and even sides.
    Raises InputError when the clip cannot be read or its rate is not known.
    """
    first = next(read_frames(path))
    height, width = first.shape[:2]
    scale = min(1.0, max_side / max(width, height))
    size = (2 * int(width * scale / 2), 2 * int(height * scale / 2))
    if min(size) < SMALLEST_SIDE:
        raise InputError(f"{path}: would be {size[0]}x{size[1]} px, too small to compare; raise --max-side")
    rate = fps or (30.0 if path.is_dir() else probe(path).fps)
    if not FRAME_RATES[0] <= rate <= FRAME_RATES[1]:
        raise InputError(f"{path}: says {rate:g} frames per second; give the rate with --fps")
    return Clip(path, path.stem, rate, size)


def reduced(frame: Frame, size: tuple[int, int]) -> Frame:
    """Area average at `size` (width, height)."""
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _holds(folder: Path, suffixes: tuple[str, ...]) -> bool:
    return any(p.suffix.lower() in suffixes and not p.name.startswith(".") for p in folder.iterdir())

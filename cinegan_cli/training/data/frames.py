"""Frames of photos and clips at the sizes a progressive training asks for: decoded once, kept on disk as uint8.

`DIR/SIDE.bin` holds the frames of all sources one after the other, `SIDE` px on their short side; `DIR/SIDE.json` says
where each begins. The files are mapped, not read: memory does not grow with the data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.files import written
from cinegan_cli.stages.video import find_clips, read_frames
from cinegan_cli.training.data.folder import Tell, read_picture, stated
from cinegan_cli.training.data.photos import list_photos

Frame = NDArray[np.uint8]

MOST_FRAMES = 600  # of a clip; of a longer one every second, fourth, ... is kept
NEARLY_SQUARE = 1.1  # long side over short side: two square crops would be the same
CROP = 0.85  # side of the crops of such a frame, in its short side's
ADVICE = "free some space, then --resume"


@dataclass(frozen=True)
class Source:
    """A photo, or a clip. `stamp` changes when its contents do. `frames` raises InputError when it is damaged."""

    name: str
    stamp: str
    moving: bool
    frames: Callable[[], Iterable[Frame]]


def photo_sources(folder: Path) -> list[Source]:
    """The photos of a folder, as `list_photos` finds them. Raises InputError when there are none."""
    return [Source(str(path), _stamp(path), False, partial(_photo, path)) for path in list_photos(folder, "train")]


def clip_sources(path: Path) -> list[Source]:
    """Videos and folders of frames, as `find_clips` finds them, but for those a manifest.csv keeps from training.

    Raises InputError when there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the name")
    kept = [clip for clip in find_clips([path]) if _may_train(clip)]
    if not kept:
        raise InputError(f"{path}: its manifest.csv keeps all clips from training; choose others with --clips")
    return [Source(str(clip), _stamp(clip), True, partial(read_frames, clip)) for clip in kept]


def _may_train(path: Path) -> bool:
    row = stated(path)
    return row.get("split", "train") == "train" and row.get("train_shipped_weights", "yes") == "yes"


def _photo(path: Path) -> list[Frame]:
    return [read_picture(path)]


def _stamp(path: Path) -> str:
    told = path.stat()
    return f"{told.st_size} {told.st_mtime_ns}"


class FrameStore:
    """Frames of all sources, with `side` px on their short side."""

    def __init__(self, path: Path, side: int) -> None:
        index = json.loads(path.with_suffix(".json").read_text())
        self.side = side
        self.items: list[tuple[int, int, int, int, bool]] = [tuple(item) for item in index["items"]]
        self._bytes = np.memmap(path, np.uint8, mode="r")

    @property
    def photos(self) -> list[int]:
        """Numbers of the sources that are photos; without any, those of the clips, whose frames stand in."""
        return [k for k, item in enumerate(self.items) if not item[4]] or list(range(len(self.items)))

    @property
    def clips(self) -> list[int]:
        """Numbers of the sources that are clips of 2 frames and more."""
        return [k for k, item in enumerate(self.items) if item[4] and item[3] > 1]

    def frame(self, source: int, number: int) -> Frame:
        """uint8 [h, w, 3]"""
        offset, height, width, _, _ = self.items[source]
        size = height * width * 3
        return self._bytes[offset + number * size : offset + (number + 1) * size].reshape(height, width, 3)

    def length(self, source: int) -> int:
        """Number of frames."""
        return self.items[source][3]


def make_stores(sources: Sequence[Source], sides: Sequence[int], folder: Path, tell: Tell) -> None:
    """Write the stores of all `sides` (px, ascending) below `folder`, unless they are there for the same sources.

    Damaged sources are told and left out. Raises InputError when nothing is left, OutputError when it cannot be
    written.
    """
    names = [[source.name, source.stamp, source.moving] for source in sources]
    key = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    if all(_is_made(folder / f"{side}.bin", key) for side in sides):
        return
    largest = sides[-1]
    _write(folder / f"{largest}.bin", key, _decoded(sources, largest, tell))
    store = FrameStore(folder / f"{largest}.bin", largest)
    for side in sides[:-1]:
        _write(folder / f"{side}.bin", key, _reduced(store, side))


def _is_made(path: Path, key: str) -> bool:
    index = path.with_suffix(".json")
    return path.is_file() and index.is_file() and json.loads(index.read_text()).get("key") == key


def _write(path: Path, key: str, clips: Iterable[tuple[bool, Iterable[Frame]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    items: list[list[Any]] = []
    path.with_suffix(".json").unlink(missing_ok=True)
    with written(path, ADVICE) as part, part.open("wb") as file:
        for moving, frames in clips:
            start, count, shape = file.tell(), 0, (0, 0)
            for frame in frames:
                file.write(np.ascontiguousarray(frame).tobytes())
                count, shape = count + 1, frame.shape[:2]
            items.append([start, *shape, count, moving])
    with written(path.with_suffix(".json"), ADVICE) as part:
        part.write_text(json.dumps({"key": key, "items": items}))


def _decoded(sources: Sequence[Source], side: int, tell: Tell) -> Iterator[tuple[bool, list[Frame]]]:
    any_left = False
    for source in sources:
        try:
            frames = thinned(shrunk(frame, side) for frame in source.frames())
            if len({frame.shape for frame in frames}) != 1:
                raise InputError(f"{source.name}: has frames of several sizes, or none; take it out of the data")
        except InputError as error:
            tell(f"left out: {error}")
            continue
        any_left = True
        yield source.moving, frames
    if not any_left:
        raise InputError("none of the photos and clips can be read; give others with --data or --clips")


def _reduced(store: FrameStore, side: int) -> Iterator[tuple[bool, Iterable[Frame]]]:
    for number, item in enumerate(store.items):
        yield item[4], (shrunk(store.frame(number, k), side) for k in range(item[3]))


def thinned(frames: Iterable[Frame]) -> list[Frame]:
    """At most `MOST_FRAMES` frames at even distances."""
    kept: list[Frame] = []
    every = 1
    for number, frame in enumerate(frames):
        if number % every == 0:
            kept.append(frame)
        if len(kept) > MOST_FRAMES:
            kept, every = kept[::2], 2 * every
    return kept


def shrunk(frame: Frame, side: int) -> Frame:
    """The frame with `side` px on its short side; larger or smaller than it was."""
    height, width = frame.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(frame), size, interpolation=kind), np.uint8)


def photo_view(store: FrameStore, rng: np.random.Generator) -> Frame:
    """A random square of a random photo, mirrored half of the time: uint8 [s, s, 3]."""
    photos = store.photos
    source = photos[int(rng.integers(len(photos)))]
    frame = store.frame(source, int(rng.integers(store.length(source))))
    return _mirrored(_square(frame, store.side, rng), rng.random() < 0.5)


def pair_view(store: FrameStore, rng: np.random.Generator) -> Frame:
    """Two frames of a random clip, in random order, cut and mirrored alike: uint8 [2, s, s, 3]."""
    clips = store.clips
    source = clips[int(rng.integers(len(clips)))]
    first, second = rng.choice(store.length(source), 2, replace=False)
    frames = np.stack([store.frame(source, int(number)) for number in (first, second)])
    return _mirrored(_square(frames, store.side, rng), rng.random() < 0.5)


def crop_pair_view(store: FrameStore, rng: np.random.Generator) -> Frame:
    """Two squares of one frame of a random clip, mirrored alike: uint8 [2, s, s, 3]. What is no pair of frames."""
    clips = store.clips
    source = clips[int(rng.integers(len(clips)))]
    frame = store.frame(source, int(rng.integers(store.length(source))))
    square = max(frame.shape[:2]) < NEARLY_SQUARE * store.side
    side = max(1, round(CROP * store.side)) if square else store.side
    crops = [_square(frame, side, rng) for _ in range(2)]
    return _mirrored(np.stack([shrunk(crop, store.side) if square else crop for crop in crops]), rng.random() < 0.5)


def _square(frames: Frame, side: int, rng: np.random.Generator) -> Frame:
    """[..., h, w, 3] → [..., side, side, 3]"""
    y, x = (int(rng.integers(n - side + 1)) for n in frames.shape[-3:-1])
    return frames[..., y : y + side, x : x + side, :]


def _mirrored(frames: Frame, mirror: bool) -> Frame:
    return np.ascontiguousarray(frames[..., ::-1, :] if mirror else frames)

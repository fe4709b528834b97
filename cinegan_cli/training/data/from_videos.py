"""`cinegan data from-videos`: clips become photos with the mask and the mean motion of what moved in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import FRAME_RATE_OF_FILES
from cinegan_cli.errors import InputError
from cinegan_cli.measure import ClipMotion, Flow, camera_fault, clip_fault, measure_motion
from cinegan_cli.stages.video import Clip, Frame, find_clips, open_clip
from cinegan_cli.training.data.folder import NOT_STATED, DataSet, MotionSample, Row, credit_of, read_manifest, sample_of
from cinegan_cli.training.data.raft import raft_flow
from cinegan_cli.training.settings import VideosConfig
from cinegan_cli.types import Progress, silent

REJECTED = "rejected.csv"
REJECTED_FIELDS = ("file", "start", "reason")
SHORTEST = 0.6  # of a window: what is left at the end of a clip is used from this on


@dataclass(frozen=True)
class Collected:
    """What became of the clips: names of samples `added` and `kept` from an earlier run; `rejected` file and reason."""

    added: tuple[str, ...]
    kept: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    unstated: int  # samples of which no licence is known


def from_videos(paths: Sequence[Path], out: Path, config: VideosConfig, *, progress: Progress = silent) -> Collected:
    """Write the motion set `out` from videos, folders of frames, or folders of those.

    Samples that `out` holds already are kept; clips (or windows of clips) that fail `clip_fault` or cannot be read are
    listed in rejected.csv. Memory does not grow with the length of clips.
    Raises InputError when a path does not exist or nothing can be used, UsageError when RAFT cannot run, OutputError.
    """
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file or folder; check the name")
    clips = find_clips(paths)
    flow = raft_flow(config.raft_weights) if config.flow == "raft" else None
    origins = {path: credit_of(path, config.licence) for path in clips}
    data = DataSet(out)
    added, kept, rejected = [], [], _earlier(out, clips)
    for done, path in enumerate(clips):
        progress(f"measuring {path.name}", done, len(clips))
        if earlier := [name for name in map(_name, data.rows) if name.rpartition("_")[0] == path.stem]:
            kept += earlier
            continue
        found, faults = measure_clip(path, config, flow)
        rejected += [{"file": path.name, "start": f"{start:g}", "reason": reason} for start, reason in faults]
        names = [f"{path.stem}_{window.ending}" for window in found]
        rows = [origins[path] | window_row(window, config) for window in found]
        data.add([sample_of(*each) for each in zip(names, rows, map(window_sample, found), strict=True)])
        added += names
    data.write_table(REJECTED, REJECTED_FIELDS, rejected)
    if not data.rows:
        raise InputError(f"no clip can be used: {_told(rejected)}; all reasons are in {out / REJECTED}")
    unstated = sum(row["licence"] == NOT_STATED for row in data.rows.values())
    reasons = tuple((f"{row['file']} at {row['start']} s", row["reason"]) for row in rejected)
    return Collected(tuple(added), tuple(kept), reasons, unstated)


def _earlier(out: Path, clips: Sequence[Path]) -> list[Row]:
    """What an earlier run rejected of other clips."""
    path = out / REJECTED
    rows = read_manifest(path, REJECTED_FIELDS) if path.is_file() else []
    return [row for row in rows if row["file"] not in {clip.name for clip in clips}]


def _name(file: str) -> str:
    return str(Path(file).parent)


@dataclass(frozen=True)
class Window:
    """The first frame and the motion of a window that can be used; `start` in seconds."""

    start: float
    photo: Frame
    motion: ClipMotion

    @property
    def ending(self) -> str:
        """What tells it from the clip's other windows in the name of its sample: tenths of a second."""
        return f"{round(10 * self.start):03d}"


def measure_clip(path: Path, config: VideosConfig, flow: Flow | None) -> tuple[list[Window], list[tuple[float, str]]]:
    """The windows of a clip that can be used; starts in seconds and reasons of those that cannot.

    A camera that moves in one window is hand-held: then none is used.
    """
    found, faults = [], []
    try:
        clip = open_clip(path, max_side=config.max_side, fps=config.fps)
        for start, photo, motion in _windows(clip, config, flow):
            if (fault := camera_fault(motion, clip.fps)) is not None:
                return [], [(start, fault)]
            if (fault := clip_fault(motion)) is not None:
                faults.append((start, fault))
            else:
                found.append(Window(start, photo, motion))
    except InputError as error:
        return [], [(0.0, str(error))]
    return found, faults


def _windows(clip: Clip, config: VideosConfig, flow: Flow | None) -> Iterator[tuple[float, Frame, ClipMotion]]:
    """The start in seconds, first frame and motion of every other window: those between would look the same."""
    length = max(3, round(config.window * clip.fps))
    frames = clip.frames()
    for turn in range(config.windows):
        opening = list(islice(frames, 3))
        if turn and len(opening) < 3:
            return
        motion = measure_motion(chain(opening, islice(frames, length - 3)), clip.fps, flow=flow)
        if turn and motion.frames < SHORTEST * length:
            return
        yield 2 * turn * length / clip.fps, opening[0], motion
        for _ in islice(frames, length):
            pass


def window_sample(window: Window) -> MotionSample:
    """The photo, mask and field of a window."""
    motion, size = window.motion, (window.photo.shape[1], window.photo.shape[0])
    mask = cv2.resize(motion.moving.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) >= 0.5
    field = (motion.velocity / np.float32(FRAME_RATE_OF_FILES)).astype(np.float16)
    return MotionSample(np.ascontiguousarray(window.photo), mask.astype(np.uint8) * np.uint8(255), field)


def window_row(window: Window, config: VideosConfig) -> Row:
    """What the manifest says of its measurement; speed as a share of the longer side per second."""
    return {
        "seconds": f"{config.window:g}",
        "moving": f"{window.motion.moving.mean():.3f}",
        "speed": f"{window.motion.speed:.4f}",
        "note": f"{config.flow} flow over {window.motion.frames} frames",
    }


def _told(rejected: Sequence[Row]) -> str:
    return "; ".join(f"{row['file']}: {row['reason']}" for row in rejected[:3])

"""How short cycles look: the first frame of each clip, moved as was measured in it, against the clip itself.

python examples/eval_cycles.py data/videos/*.mp4 [--max-side 640] [--cycles auto]

Within the moving area: texture at 1/4, 1/2, 3/4; steps over their median; the seam; slow drift (mean change of the
picture blurred by 2 % of its width) over the clip's own; half: of the places faster than 60, how much two moments half
a second apart differ at least, over unrelated ones; strange: pixels whose colour the photo's moving area lacks. Speeds
are in thousandths of the width per second. Clips that cannot be used (`cinegan data from-videos` says why) are skipped.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import FRAME_RATE_OF_FILES, Config
from cinegan_cli.errors import InputError
from cinegan_cli.measure import LoopMeter, LoopReport, camera_fault, clip_fault, measure_motion
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.stages.video import open_clip

SECONDS = 4.0
FAST, DRIFTING = 60.0, 30.0  # u/s
BLUR = 0.02  # of the width
BINS = 16  # per channel
APART = 0.5  # s


@dataclass(frozen=True)
class Row:
    """The figures of one clip."""

    name: str
    speed: float
    cycles: str
    loop: LoopReport
    drift: float
    half: float | None
    strange: float

    def faults(self) -> list[str]:
        """What is outside its limits."""
        checks = {
            "texture": all(0.9 <= value <= 1.1 for value in self.loop.texture),
            "steps": self.loop.pulse <= 0.12,
            "seam": 0.85 <= self.loop.seam <= 1.15,
            "drift": self.drift <= 1.3 and (self.drift >= 0.35 or self.speed < DRIFTING),
            "half": self.half is None or self.half >= 0.6,
            "static": not self.loop.static_error,
        }
        return [name for name, good in checks.items() if not good]

    def line(self) -> str:
        """A line of the table."""
        loop = self.loop
        texture = " ".join(f"{value:.2f}" for value in loop.texture)
        half = "" if self.half is None else f"{self.half:.2f}"
        return (
            f"| {self.name} | {self.speed:.0f} | {self.cycles} | {texture} | {loop.slowest:.2f}-{loop.fastest:.2f} | "
            f"{loop.seam:.2f} | {self.drift:.2f} | {half} | {self.strange:.2%} | {' '.join(self.faults()) or 'ok'} |"
        )


class Watch:
    """Drift, grey frames of what is fast, and strange colours, as frames pass."""

    def __init__(self, moving: np.ndarray, fast: np.ndarray | None = None) -> None:
        self.moving, self.fast = moving, fast
        self.first: np.ndarray | None = None
        self.drifts: list[float] = []
        self.kept: list[np.ndarray] = []
        self.known = np.zeros((BINS,) * 3, bool)
        self.strange: list[float] = []

    def add(self, frame: np.ndarray) -> None:
        blurred = cv2.GaussianBlur(frame.astype(np.float32), (0, 0), BLUR * frame.shape[1])[self.moving]
        bins = tuple((frame[self.moving] // (256 // BINS)).T)
        if self.first is None:
            self.first = blurred
            self.known[bins] = True
            self.known = grown(self.known)
        self.drifts.append(float(np.abs(blurred - self.first).mean()))
        self.strange.append(1 - float(self.known[bins].mean()))
        if self.fast is not None and self.fast.sum() > 200:
            self.kept.append(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[self.fast])

    @property
    def drift(self) -> float:
        return float(np.mean(self.drifts[1:]))

    def half(self, fps: float) -> float | None:
        """The least difference of two moments `APART`, over the median of moments far from each other."""
        if not self.kept:
            return None
        step, count = round(APART * fps), len(self.kept)
        near = [apart(self.kept[t], self.kept[(t + step) % count]) for t in range(count)]
        some = [self.kept[t] for t in np.linspace(0, count, 9, endpoint=False).astype(int)]
        return min(near) / float(np.median([apart(a, b) for a, b in combinations(some, 2)]))


def grown(known: np.ndarray) -> np.ndarray:
    """With the neighbouring bins."""
    for axis in range(3):
        padded = np.pad(known, [(1, 1) if i == axis else (0, 0) for i in range(3)])
        known = known | np.take(padded, range(2, BINS + 2), axis) | np.take(padded, range(BINS), axis)
    return known


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def measure(path: Path, arguments: argparse.Namespace) -> Row:
    """Raises InputError for a clip that cannot be used."""
    clip = open_clip(path, max_side=arguments.max_side, fps=None)
    frames = list(islice(clip.frames(), round(SECONDS * clip.fps)))
    motion = measure_motion(iter(frames), clip.fps)
    shakes = None if arguments.shaky else camera_fault(motion, clip.fps)
    if fault := shakes or clip_fault(motion):
        raise InputError(fault)
    photo = np.ascontiguousarray(frames[0])
    size = photo.shape[1], photo.shape[0]
    mask = (cv2.resize(motion.moving.astype(np.float32), size) >= 0.5).astype(np.uint8) * 255
    config = Config.from_options(
        mask=mask, motion=motion.velocity / FRAME_RATE_OF_FILES, seconds=SECONDS, fps=arguments.fps,
        max_side=arguments.max_side, cycles=arguments.cycles, backbone=arguments.backbone,
    )  # fmt: skip
    scene = prepare(photo, config)
    flow = scene.motion.velocity.norm(dim=0).numpy() * 1000 / scene.motion.velocity.shape[2]
    speed = cv2.resize(flow, scene.photo.size)
    moving = scene.mask.alpha.numpy() > 0.5
    cycles = "1" if scene.motion.cycles is None else "/".join(map(str, scene.motion.cycles.unique().tolist()))
    meter = LoopMeter(photo=scene.photo.pixels_u8.numpy(), mask=scene.mask.alpha.numpy())
    ours, own = Watch(moving, moving & (speed > FAST)), Watch(moving)
    for frame in render(scene, config):
        meter.add(frame)
        ours.add(frame)
    for frame in frames:
        own.add(cv2.resize(frame, scene.photo.size, interpolation=cv2.INTER_AREA))
    drift = ours.drift / max(own.drift, 1e-6)
    typical = float(np.median(speed[moving]))
    return Row(path.stem, typical, cycles, meter.report(), drift, ours.half(config.render.fps), max(ours.strange))


def row_of(path: Path, arguments: argparse.Namespace) -> Row | None:
    """The row of a clip, printed; None where it cannot be used."""
    try:
        row = measure(path, arguments)
    except InputError as error:
        print(f"| {path.stem}: skipped, {error} |", flush=True)
        return None
    print(row.line(), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--max-side", type=int, default=640)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--cycles", default="auto")
    parser.add_argument("--backbone", default="pyramid")
    parser.add_argument("--shaky", action="store_true", help="also clips whose camera shakes")
    arguments = parser.parse_args()
    print("| clip | speed | cycles | texture | steps | seam | drift | half | strange | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    found = [row for path in arguments.clips if (row := row_of(path, arguments)) is not None]
    print(f"{sum(not row.faults() for row in found)} of {len(found)} within all limits")


if __name__ == "__main__":
    main()

"""Loop quality: is the seam like any other step, does nothing stall, jump, pulse, drift or move that should not?

Definitions: d(a, b) is the mean absolute difference of two frames over the moving pixels, in levels (0 to 255);
a cycle of N frames has the steps d(0, 1) ... d(N-2, N-1) and the seam step d(N-1, 0).

In an encoded file d is not enough: the keyframe at the seam differs from the frame before it by coding noise, which in
slow loops is 2 to 4 times a step, stalled or not. So there is also the progress: the part of the change a -> b that
goes along the change seen just before and just after,

    <b - a, v> / <v, v>,    v = half of (f(i-1) - f(i-2)) + (f(i+3) - f(i+2))   for a = f(i), b = f(i+1),

in which noise averages out over the pixels. It is given as a share of its median over the cycle: 1 is a step like the
others, 0 a repeated frame, 3 two missing frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import InputError

Frame = NDArray[np.uint8]

PROBE_FRAMES = 6  # held at the start to find the moving pixels when no mask is given
MOVING_LEVELS = 1.5  # an area that changed by more than this within them moves; coding noise of static areas is 0.2
TURNING_SHARE = 1.1  # two frames before against two after, over two steps: ping-pong in H.264 0.7, stalled 1.5, flow 2
# px, short side, each made from the one before: where one step is a small part of the texture; the better one counts
PROGRESS_SIDES = (256, 128)


@dataclass(frozen=True)
class LoopReport:
    """Figures of one cycle of `frames` frames of `size` (width, height).

    `steps` are d(i, i+1), then d(N-1, 0); `typical` is the median of all but the last. In units of `typical`: `seam` is
    the last step, `slowest` and `fastest` the extremes of all steps, `pulse` the largest deviation from 1.
    `progress` is the seam's progress, None where it cannot be told (under 8 frames, or motion too fast or irregular).
    `static_error` (levels) and `static_psnr` (dB) compare the pixels where the mask is 0 with the photo, all frames.
    `mean_drift` (levels) and `spread_drift` (share) are the largest changes, against frame 0, of the mean and standard
    deviation of the luminance of the moving pixels. `texture` is their mean |Laplacian| over the photo's (over frame
    0's without a photo) at N/4, N/2 and 3N/4.
    """

    frames: int
    size: tuple[int, int]
    steps: tuple[float, ...]
    typical: float
    seam: float
    slowest: float
    fastest: float
    pulse: float
    progress: float | None
    static_error: int | None
    static_psnr: float | None
    mean_drift: float
    spread_drift: float
    texture: tuple[float, float, float]


class LoopMeter:
    """Measures a cycle as its frames pass: `add` each uint8 [H, W, 3], then `report`. Holds 2 frames, at first 6."""

    def __init__(
        self, *, photo: Frame | None = None, mask: NDArray[np.float32] | None = None, count: int | None = None
    ) -> None:
        """`photo` is uint8 [H, W, 3], `mask` float32 [H, W] in [0, 1].

        `count`, when N is known, saves measuring the texture of frames whose texture is not reported.
        """
        self._textured = None if count is None else {0, count // 4, count // 2, 3 * count // 4}
        self._photo = photo
        self._mask = mask
        self._moving: Frame | None = None
        self._count = 0  # of moving pixels
        self._still = None if mask is None else (mask == 0).astype(np.uint8)
        self._waiting: list[Frame] = []
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._steps: list[float] = []
        self._levels: list[tuple[float, float]] = []
        self._textures: dict[int, float] = {}  # by frame number
        self._worst = 0
        self._squares = 0.0
        self._progress: list[_Progress] = []

    def add(self, frame: Frame) -> None:
        """Take the next frame; the caller may change it afterwards."""
        frame = np.array(frame)
        before = self._waiting[0] if self._waiting else self._last
        if before is not None and frame.shape != before.shape:
            raise InputError("the frames differ in size; name a folder with the frames of one loop")
        if self._moving is None:
            self._waiting.append(frame)
            if self._mask is not None or len(self._waiting) == PROBE_FRAMES:
                self._start()
            return
        self._measure(frame)

    def report(self) -> LoopReport:
        """The figures of the frames so far. Raises `InputError` when there are fewer than 3."""
        if self._moving is None and len(self._waiting) > 2:
            self._start()
        if self._first is None or self._last is None or len(self._levels) < 3:
            raise InputError("a loop needs at least 3 frames; name a longer video")
        steps = [*self._steps, self._difference(self._last, self._first)]
        typical = median(steps[:-1])
        relative = [step / max(typical, 1e-9) for step in steps]
        means, spreads = zip(*self._levels, strict=True)
        count = len(means)
        textures = self.textures()
        quarter, half, three_quarters = (textures[count * k // 4] for k in (1, 2, 3))
        return LoopReport(
            frames=count,
            size=(self._first.shape[1], self._first.shape[0]),
            steps=tuple(steps),
            typical=typical,
            seam=relative[-1],
            slowest=min(relative),
            fastest=max(relative),
            pulse=max(abs(step - 1) for step in relative),
            progress=_best_progress(self._progress),
            static_error=self._worst if self._compares_static else None,
            static_psnr=self._psnr() if self._compares_static else None,
            mean_drift=max(abs(mean - means[0]) for mean in means),
            spread_drift=max(abs(spread - spreads[0]) for spread in spreads) / max(spreads[0], 1e-9),
            texture=(quarter, half, three_quarters),
        )

    def textures(self) -> dict[int, float]:
        """By frame number, what `LoopReport.texture` is at three of them: of every frame, unless `count` was given."""
        whole = self._textures[0] if self._photo is None else self._texture(self._photo)
        return {number: texture / max(whole, 1e-9) for number, texture in self._textures.items()}

    @property
    def _compares_static(self) -> bool:
        return self._photo is not None and self._still is not None and bool(self._still.any())

    def _start(self) -> None:
        """Settle which pixels move, then measure the frames that waited for it."""
        first = self._waiting[0]
        for name, given in (("photo", self._photo), ("mask", self._mask)):
            if given is not None and given.shape[:2] != first.shape[:2]:
                raise InputError(
                    f"the {name} is {given.shape[1]}x{given.shape[0]} px but the frames are "
                    f"{first.shape[1]}x{first.shape[0]}; give the {name} at the size of the loop"
                )
        if self._mask is not None:
            moving = self._mask >= 0.5 if (self._mask >= 0.5).any() else self._mask > 0
        else:
            largest = np.zeros(first.shape[:2], np.uint8)
            for frame in self._waiting[1:]:
                largest = np.maximum(largest, cv2.absdiff(frame, first).max(axis=2))
            # Areas, not pixels: the pixels that changed most are those with the most noise.
            moving = cv2.blur(largest.astype(np.float32), (9, 9)) > MOVING_LEVELS
        self._moving = (moving if moving.any() else np.ones_like(moving)).astype(np.uint8)
        self._count = int(self._moving.sum(dtype=np.int64))
        self._progress = [_Progress(self._moving, side) for side in PROGRESS_SIDES]
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            self._measure(frame)

    def _measure(self, frame: Frame) -> None:
        if self._last is None:
            self._first = frame
        else:
            self._steps.append(self._difference(self._last, frame))
        self._last = frame
        grey = _grey(frame)
        self._levels.append(self._level(grey))
        number = len(self._levels) - 1
        if self._textured is None or number in self._textured:
            self._textures[number] = self._texture(frame)
        reduced = grey
        for progress in self._progress:
            reduced = progress.add(reduced)
        if self._photo is not None and self._still is not None:
            worst = int(cv2.norm(frame, self._photo, cv2.NORM_INF, self._still))
            self._worst = max(self._worst, worst)
            if worst:
                self._squares += float(cv2.norm(frame, self._photo, cv2.NORM_L2SQR, self._still))

    def _difference(self, one: Frame, other: Frame) -> float:
        return cv2.norm(one, other, cv2.NORM_L1, self._moving) / (3 * self._count)

    def _level(self, grey: Frame) -> tuple[float, float]:
        """Mean and standard deviation of the moving pixels: by norms, for which OpenCV has fast loops with a mask."""
        mean = cv2.norm(grey, cv2.NORM_L1, self._moving) / self._count
        square = cv2.norm(grey, cv2.NORM_L2SQR, self._moving) / self._count
        return mean, max(square - mean**2, 0.0) ** 0.5

    def _texture(self, frame: Frame) -> float:
        """Mean |Laplacian| of the luminance, which is not rounded to bytes: that alone adds 10 % to a smooth sky's."""
        grey = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2GRAY)
        return float(cv2.mean(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), mask=self._moving)[0])

    def _psnr(self) -> float:
        assert self._still is not None
        samples = 3 * int(self._still.sum()) * len(self._levels)
        return float(10 * np.log10(255**2 / max(self._squares / samples, 1e-10)))


class _Progress:
    """Progress of each step at one reduced size; holds the first 3 frames and the last 6, grey."""

    def __init__(self, moving: Frame, side: int) -> None:
        height, width = moving.shape
        scale = min(1.0, side / min(height, width))
        self._size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._moving = cv2.resize(moving, self._size, interpolation=cv2.INTER_AREA) > 0
        self._first: list[NDArray[np.float32]] = []
        self._last: deque[NDArray[np.float32]] = deque(maxlen=6)
        self._values: list[float] = []

    def add(self, grey: Frame) -> Frame:
        """Take the next frame, and return it at the reduced size: a smaller one can be made from that."""
        reduced = np.asarray(cv2.resize(grey, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        small = reduced[self._moving].astype(np.float32)
        self._last.append(small)
        if len(self._first) < 3:
            self._first.append(small)
        if len(self._last) == 6:
            self._values.append(_along(self._last))
        return reduced

    def seam(self) -> tuple[float, float] | None:
        """Median progress of the steps inside the cycle, and the seam's as a share of it."""
        if len(self._values) < 3:
            return None
        usual = median(self._values)
        around = [*list(self._last)[-3:], *self._first]
        if usual <= 0 or _turns(around):
            return None
        return usual, _along(around) / usual


def _along(six: Sequence[NDArray[np.float32]]) -> float:
    """Progress of the step from the third to the fourth of six frames [pixels]."""
    usual = 0.5 * ((six[1] - six[0]) + (six[5] - six[4]))
    return float((six[3] - six[2]) @ usual / max(float(usual @ usual), 1e-6))


def _turns(six: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the frames on both sides of the fourth mirror each other, as at the ends of a ping-pong loop."""
    return float(np.linalg.norm(six[1] - six[5])) < TURNING_SHARE * float(np.linalg.norm(six[3] - six[5]))


def _best_progress(scales: Iterable[_Progress]) -> float | None:
    """The seam's progress at the size where steps follow each other best; below 0.1 they do not, as in surf."""
    found = [seam for seam in (scale.seam() for scale in scales) if seam is not None and seam[0] >= 0.1]
    return max(found)[1] if found else None


def measure_loop(
    frames: Iterable[Frame], *, photo: Frame | None = None, mask: NDArray[np.float32] | None = None
) -> LoopReport:
    """Figures of one cycle of uint8 [H, W, 3] frames, read once, none kept.

    `photo` (uint8 [H, W, 3]) and `mask` (float32 [H, W], 0 static) add the comparison of what must not move.
    Raises `InputError` when there are fewer than 3 frames or the sizes differ.
    """
    meter = LoopMeter(photo=photo, mask=mask)
    for frame in frames:
        meter.add(frame)
    return meter.report()


def _grey(frame: Frame) -> Frame:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)

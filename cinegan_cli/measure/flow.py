"""What moves in a clip, and where to on average: mean optical flow (DIS) and the mask of the moving area."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.video import Frame

Array = NDArray[np.float32]

GRID_SIDE = 512  # px on the long side, as the motion of the pipeline
Z_LIMIT = 3.0  # speeds further from the mean, in deviations, are mistakes of the flow (release)
MOVING_SPEED = 0.01  # of the long side per second; DIS gives 0.002 on static ground with sensor noise
MOVING_LEVELS = 4.0  # temporal deviation of the blurred luminance, in levels: water that moves without a direction
BLUR_SHARE = 1 / 100  # of the long side
SPECK_SHARE = 0.01  # of the picture: smaller moving specks are dropped, smaller static ones filled
JITTER = 0.2  # levels: neighbouring frames of a still clip differ by about this, blurred
BLOCKS = 12  # per side: the resolution at which the flow of every single step is kept

Flow = Callable[[Frame, Frame], Array]  # two frames, uint8 [h, w, 3] → displacement [2, h, w], px


@dataclass(frozen=True)
class ClipMotion:
    """`velocity` [2, h, w] px of its own grid per second, everywhere; `moving` bool [h, w]; `frames` looked at.

    `gross` is the mean speed [h, w] whatever its direction, px per second: well above the length of `velocity` where
    things go to and fro. `steps` [frames - 1, 2, 12, 12] is the mean flow of blocks in each step, px, and `texture`
    [12, 12] the blocks' mean gradient in levels per px: flow means little without. `jump` is the largest mean
    difference of neighbouring frames over the mean of the others: a cut has a large one.
    """

    velocity: Array
    moving: NDArray[np.bool_]
    frames: int
    gross: Array
    steps: Array
    texture: Array
    jump: float

    @property
    def speed(self) -> float:
        """Mean speed of the moving area, as a share of the longer side per second; 0 when nothing moves."""
        if not self.moving.any():
            return 0.0
        return float(np.hypot(*self.velocity)[self.moving].mean() / max(self.moving.shape))


def measure_motion(frames: Iterable[Frame], fps: float, *, flow: Flow | None = None) -> ClipMotion:
    """Mean flow between neighbouring frames and what moved, from uint8 [H, W, 3] frames at `fps`; none is kept.

    `flow` measures it, OpenCV's DIS by default. Something moves where its mean speed or the deviation of its luminance
    over time is large. Speeds more than three deviations off the mean of the moving area are replaced by their
    surroundings (the release sets them to 0, which leaves stones in the river).
    Raises InputError for fewer than 3 frames.
    """
    sums, before = _Sums(), None
    for frame in map(_on_grid, frames):
        sums.look(frame)
        if before is not None:
            sums.add((flow or dis_flow)(before, frame))
        before = frame
    count = sums.frames
    if count < 3:
        raise InputError(f"the clip has {count} frames, too few to see motion; use one of 3 or more")
    rate = fps / (count - 1)
    deviation = np.sqrt(np.maximum(sums.squares / count - (sums.light / count) ** 2, 0))
    gross = np.asarray(sums.speed * rate, np.float32)
    fast = _blur(gross) > MOVING_SPEED * max(gross.shape)
    moving = _without_specks(np.asarray(fast | (deviation > MOVING_LEVELS)))
    velocity = np.ascontiguousarray(sums.flow * rate, np.float32)
    changes = np.array(sums.changes)
    return ClipMotion(
        velocity=_without_outliers(velocity, moving),
        moving=moving,
        frames=count,
        gross=gross,
        steps=np.stack(sums.steps),
        texture=sums.texture,
        jump=float(changes.max() / max(float(np.sort(changes)[:-1].mean()), JITTER)),
    )


class _Sums:
    """What `measure_motion` keeps of the frames it has seen."""

    def __init__(self) -> None:
        self.frames, self.flow, self.speed = 0, np.zeros(0), np.zeros(0)
        self.light, self.squares, self.last = np.zeros(0), np.zeros(0), np.zeros(0, np.float32)
        self.texture = np.zeros(0, np.float32)
        self.steps: list[Array] = []
        self.changes: list[float] = []

    def look(self, frame: Frame) -> None:
        """A frame by itself: luminance and texture."""
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.float32)
        soft = _blur(grey)
        if self.frames:
            self.changes.append(float(np.abs(soft - self.last).mean()))
        else:
            slopes = [cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (0, 1)]
            self.texture = blocks_of(np.asarray(np.hypot(*slopes), np.float32))
            self.light, self.squares = np.zeros(grey.shape), np.zeros(grey.shape)
        self.last = soft
        self.light += soft
        self.squares += soft.astype(np.float64) ** 2
        self.frames += 1

    def add(self, step: Array) -> None:
        """The flow [2, h, w] from the last frame but one to the last."""
        if not self.steps:
            self.flow, self.speed = np.zeros(step.shape), np.zeros(step.shape[1:])
        self.flow += step
        self.speed += np.hypot(step[0], step[1])
        self.steps.append(np.stack([blocks_of(part) for part in step]))


def dis_flow(before: Frame, after: Frame) -> Array:
    """Dense inverse search (Kroeger et al. 2016), OpenCV's: [2, h, w], px. Sees luminance only."""
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
    return np.asarray(estimator.calc(*greys, None), np.float32).transpose(2, 0, 1)


def blocks_of(image: Array) -> Array:
    """Means of 12 x 12 blocks of [h, w]."""
    return np.asarray(cv2.resize(image, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA), np.float32)


def _without_outliers(velocity: Array, moving: NDArray[np.bool_]) -> Array:
    """`velocity` [2, h, w] with speeds of |z| > 3 within the moving area filled from around."""
    speed = np.hypot(*velocity)
    inside = speed[moving]
    if not inside.size or inside.std() == 0:
        return velocity
    usual = ~moving | (np.abs(speed - inside.mean()) <= Z_LIMIT * inside.std())
    return pull_push(torch.from_numpy(velocity), torch.from_numpy(usual.astype(np.float32))).numpy()


def _without_specks(moving: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected areas, moving or static, under 1 % of the picture given to what surrounds them."""
    for value in (True, False):
        count, labels, stats, _ = cv2.connectedComponentsWithStats((moving == value).astype(np.uint8), connectivity=4)
        small = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] < SPECK_SHARE * moving.size]
        moving = np.where(np.isin(labels, small), not value, moving)
    return moving


def _on_grid(frame: Frame) -> Frame:
    """The frame at most 512 px long."""
    scale = min(1.0, GRID_SIDE / max(frame.shape))
    size = (max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _blur(image: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR_SHARE * max(image.shape)), np.float32)

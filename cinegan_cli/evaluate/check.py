"""`cinegan check`: the verdict on a finished loop, from its figures (`loop`), its pixels and its container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.measure import (
    Finding,
    LoopMeter,
    LoopReport,
    StepLimits,
    check_container,
    motion_findings,
    static_findings,
    step_limits,
)
from cinegan_cli.stages.mask import read_mask
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import is_lossless, is_pattern, read_frames
from cinegan_cli.types import Photo

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class CheckReport:
    """What `cinegan check` found: `findings` with the figures in `loop`; `passed` when all of them passed.

    `textures` are `LoopReport.texture` of every frame; `limits` is None where nothing moves.
    """

    path: Path
    loop: LoopReport
    findings: tuple[Finding, ...]
    textures: tuple[float, ...]
    limits: StepLimits | None

    @property
    def passed(self) -> bool:
        """Whether the file loops cleanly and plays safely."""
        return all(finding.passed for finding in self.findings)


def check_loop(path: Path, *, photo: Path | None = None, mask: Path | None = None) -> CheckReport:
    """Check a video, an animated picture or a folder of frames, made by any program, as one cycle of a loop.

    With `photo` and `mask` (picture files; black is static) also what must not move. Raises `InputError` for files
    that cannot be read or do not fit together.
    """
    container = () if is_pattern(path) else check_container(path)
    frames = read_frames(path)
    first = next(frames)
    size = (first.shape[1], first.shape[0])
    photo_pixels = None if photo is None else _fitted(photo, read_photo(photo, PhotoConfig(max_side=16384)), size)
    mask_values = None if mask is None else _fitted_mask(mask, size)
    meter = LoopMeter(photo=photo_pixels, mask=mask_values)
    meter.add(first)
    for frame in frames:
        meter.add(frame)
    report = meter.report()
    exact = is_lossless(path)
    moves = motion_findings(report, exact=exact)
    findings = (*moves, *static_findings(report, exact=exact), *container)
    limits = None if moves[0].name == "motion" else step_limits(report, exact=exact)
    return CheckReport(path, report, findings, tuple(meter.textures().values()), limits)


def _fitted(path: Path, photo: Photo, size: tuple[int, int]) -> Frame:
    """The photo's pixels at the size of the frames. Raises `InputError` when its shape is another."""
    pixels = photo.pixels_u8.numpy()
    if photo.size == size:
        return np.asarray(pixels, np.uint8)
    _check_aspect(path, photo.size, size)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fitted_mask(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    values, _ = read_mask(path)
    _check_aspect(path, (values.shape[1], values.shape[0]), size)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _check_aspect(path: Path, given: tuple[int, int], size: tuple[int, int]) -> None:
    if abs(given[0] * size[1] / (given[1] * size[0]) - 1) > 0.02:  # 2 %: even sides of small loops
        raise InputError(
            f"{path}: is {given[0]}x{given[1]} px and the frames are {size[0]}x{size[1]}: another shape; "
            "cut it as the loop was cut"
        )

"""`cinegan check`: the verdict on a finished loop, from its figures (`loop`), its pixels and its container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.evaluation.container import Finding, check_container
from cinegan_cli.evaluation.loop import LoopMeter, LoopReport
from cinegan_cli.evaluation.loop_frames import is_lossless, is_pattern, read_frames
from cinegan_cli.stages.photo import read_grey, read_photo
from cinegan_cli.types import Photo

Frame = NDArray[np.uint8]

# Exact frames (PNG, APNG). Two 8-bit roundings of the same picture differ by up to 0.15 levels on average, which is
# half a step of the slowest water we have seen (0.29), so every limit has an absolute part.
SEAM_RANGE, SEAM_LEVELS = (0.8, 1.2), 0.15  # of a usual step; a seam within it is not seen
STALL_SHARE, STALL_LEVELS = 0.5, 0.1
STILL_LEVELS = 0.05  # a usual step below this is no motion
JUMP_SHARE, JUMP_LEVELS = 1.5, 0.3
# Encoded frames: measured on our H.264 files of three samples at qualities 60, 80 and 92 (512 px, 0.4 to 3.2 levels a
# step). Progress at the seam: good 0.39 to 1.10, first frame repeated -0.53 to -0.04, two frames missing 2.3 to 3.6 in
# slow loops; in fast ones 0.5 to 0.7, but there the step itself is 1.98 to 2.8 times the usual (good: at most 1.77).
# x264 with its macroblock tree, as other tools use it, blurs slow motion: good ones then fall to -0.17.
SEAM_PROGRESS = (0.1, 1.6)
SLOW_LEVELS, SLOW_SEAM_PROGRESS = 0.5, (-0.2, 2.2)
CODED_SEAM_SHARE, CODED_SEAM_LEVELS = 0.35, 1.8  # more than a usual step: the noise of the keyframe
CODED_STALL_SHARE = 0.25
CODED_JUMP_SHARE, CODED_JUMP_LEVELS = 2.0, 1.0  # VP9 refreshes its reference with steps of 1.1 levels
STATIC_ERROR = 1  # levels, exact frames
STATIC_PSNR = 28.0  # dB, coded frames: a 256-colour GIF has 30, a picture shifted by one pixel about 22


@dataclass(frozen=True)
class CheckReport:
    """What `cinegan check` found: `findings` with the figures in `loop`; `passed` when all of them passed."""

    path: Path
    loop: LoopReport
    findings: tuple[Finding, ...]

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
    findings = (*motion_findings(report, exact=exact), *_static_findings(report, exact), *container)
    return CheckReport(path, report, findings)


def motion_findings(report: LoopReport, *, exact: bool) -> tuple[Finding, ...]:
    """Seam, stall and jump, or the lack of any motion."""
    if report.typical < STILL_LEVELS and max(report.steps) < (STALL_LEVELS if exact else CODED_SEAM_LEVELS):
        return (Finding("motion", False, "none", "some", "nothing moves; this is a still picture"),)
    inner = report.steps[:-1]
    if exact:
        slowest = STALL_SHARE * report.typical - STALL_LEVELS
        fastest = JUMP_SHARE * report.typical + JUMP_LEVELS
    else:
        slowest = CODED_STALL_SHARE * report.typical - STALL_LEVELS
        fastest = CODED_JUMP_SHARE * report.typical + CODED_JUMP_LEVELS
    slowest = max(slowest, 0.1 * STALL_LEVELS)
    return (
        _seam_finding(report, exact, slowest),
        _step_finding("stall", min(inner) >= slowest, inner.index(min(inner)), report, "a repeated frame"),
        _step_finding("jump", max(inner) <= fastest, inner.index(max(inner)), report, "a cut, or missing frames"),
    )


def _seam_finding(report: LoopReport, exact: bool, slowest: float) -> Finding:
    seam, typical = report.steps[-1], report.typical
    stalled, jumped = seam < slowest, False
    if exact:
        stalled |= seam < SEAM_RANGE[0] * typical - SEAM_LEVELS
        jumped = seam > SEAM_RANGE[1] * typical + SEAM_LEVELS
    else:
        low, high = SEAM_PROGRESS if typical >= SLOW_LEVELS else SLOW_SEAM_PROGRESS
        stalled |= report.progress is not None and report.progress < low
        jumped = seam > (1 + CODED_SEAM_SHARE) * typical + CODED_SEAM_LEVELS
        jumped |= report.progress is not None and report.progress > high
    progress = "" if report.progress is None else f", progress {report.progress:.2f}"
    value = f"{report.seam:.2f} of a usual step{progress}"
    limit = "0.8 to 1.2" if exact else "progress 0.1 to 1.6"
    sentence = f"last to first frame is {value}"
    if jumped:
        sentence += "; the loop jumps there: its end does not lead to its start"
    elif stalled:
        sentence += "; the loop holds still or steps back there: is the first frame repeated at the end?"
    return Finding("seam", not (stalled or jumped), value, limit, sentence)


def _step_finding(name: str, passed: bool, index: int, report: LoopReport, cause: str) -> Finding:
    value = f"{report.steps[index] / max(report.typical, 1e-9):.2f} of a usual step"
    extreme = "slowest" if name == "stall" else "fastest"
    sentence = f"the {extreme} step, frame {index} to {index + 1}, is {value}"
    return Finding(name, passed, value, "like the other steps", sentence + ("" if passed else f": {cause}"))


def _static_findings(report: LoopReport, exact: bool) -> tuple[Finding, ...]:
    if report.static_error is None or report.static_psnr is None:
        return ()
    if exact:
        value, limit = f"largest error {report.static_error} of 255", f"at most {STATIC_ERROR}"
        passed = report.static_error <= STATIC_ERROR
    else:
        value, limit = f"{report.static_psnr:.1f} dB against the photo", f"at least {STATIC_PSNR:g} dB"
        passed = report.static_psnr >= STATIC_PSNR
    advice = "" if passed else f"; wanted: {limit}; something moves where the mask is black"
    return (Finding("static pixels", passed, value, limit, f"{value}{advice}"),)


def _fitted(path: Path, photo: Photo, size: tuple[int, int]) -> Frame:
    """The photo's pixels at the size of the frames. Raises `InputError` when its shape is another."""
    pixels = photo.pixels_u8.numpy()
    if photo.size == size:
        return np.asarray(pixels, np.uint8)
    _check_aspect(path, photo.size, size)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fitted_mask(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    values = read_grey(path)
    _check_aspect(path, (values.shape[1], values.shape[0]), size)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _check_aspect(path: Path, given: tuple[int, int], size: tuple[int, int]) -> None:
    if abs(given[0] * size[1] / (given[1] * size[0]) - 1) > 0.02:  # 2 %: even sides of small loops
        raise InputError(
            f"{path}: is {given[0]}x{given[1]} px and the frames are {size[0]}x{size[1]}: another shape; "
            "cut it as the loop was cut"
        )

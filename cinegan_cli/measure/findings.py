"""Verdicts on the figures of a loop: what is allowed, what was found."""

from __future__ import annotations

from dataclasses import dataclass

from cinegan_cli.measure.loop import LoopReport


@dataclass(frozen=True)
class Finding:
    """One thing checked: whether it `passed`, what was found, what is allowed, and a sentence saying both."""

    name: str
    passed: bool
    value: str
    limit: str
    sentence: str


def finding(name: str, passed: bool, value: str, limit: str, advice: str = "") -> Finding:
    """A finding whose sentence names the value and, where it failed, what was wanted and why."""
    sentence = value + ("" if passed else f"; wanted: {limit}" + (f"; {advice}" if advice else ""))
    return Finding(name, passed, value, limit, sentence)


# Exact frames (PNG, APNG). Two 8-bit roundings of the same picture differ by up to 0.15 levels on average, which is
# half a step of the slowest water we have seen (0.29), so every limit has an absolute part.
SEAM_RANGE, SEAM_LEVELS = (0.8, 1.2), 0.15  # of a usual step; a seam within it is not seen
STALL_SHARE, STALL_LEVELS = 0.5, 0.1
MOTIONLESS_LEVELS = 0.05  # a usual step below this is no motion
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
class StepLimits:
    """What is allowed, in levels: steps inside the cycle from `slowest` to `fastest`, the `seam` from low to high."""

    slowest: float
    fastest: float
    seam: tuple[float, float]


def step_limits(report: LoopReport, *, exact: bool) -> StepLimits:
    """The limits of `motion_findings` for a loop with such a usual step."""
    typical = report.typical
    stall, jump = (
        (STALL_SHARE, (JUMP_SHARE, JUMP_LEVELS))
        if exact
        else (CODED_STALL_SHARE, (CODED_JUMP_SHARE, CODED_JUMP_LEVELS))
    )
    slowest = max(stall * typical - STALL_LEVELS, 0.1 * STALL_LEVELS)
    seam = (slowest, (1 + CODED_SEAM_SHARE) * typical + CODED_SEAM_LEVELS)
    if exact:
        seam = (max(slowest, SEAM_RANGE[0] * typical - SEAM_LEVELS), SEAM_RANGE[1] * typical + SEAM_LEVELS)
    return StepLimits(slowest, jump[0] * typical + jump[1], seam)


def motion_findings(report: LoopReport, *, exact: bool) -> tuple[Finding, ...]:
    """Seam, stall and jump, or the lack of any motion."""
    if report.typical < MOTIONLESS_LEVELS and max(report.steps) < (STALL_LEVELS if exact else CODED_SEAM_LEVELS):
        return (Finding("motion", False, "none", "some", "nothing moves; this is a still picture"),)
    inner, limits = report.steps[:-1], step_limits(report, exact=exact)
    return (
        _seam_finding(report, exact, limits.seam),
        _step_finding("stall", min(inner) >= limits.slowest, inner.index(min(inner)), report, "a repeated frame"),
        _step_finding(
            "jump", max(inner) <= limits.fastest, inner.index(max(inner)), report, "a cut, or missing frames"
        ),
    )


def _seam_finding(report: LoopReport, exact: bool, allowed: tuple[float, float]) -> Finding:
    seam = report.steps[-1]
    stalled, jumped = seam < allowed[0], seam > allowed[1]
    if not exact and report.progress is not None:
        low, high = SEAM_PROGRESS if report.typical >= SLOW_LEVELS else SLOW_SEAM_PROGRESS
        stalled |= report.progress < low
        jumped |= report.progress > high
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


def static_findings(report: LoopReport, *, exact: bool) -> tuple[Finding, ...]:
    """Whether what must not move equals the photo; nothing where that was not compared."""
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

"""Where the noise moves: the release's homographies by clock direction, and files of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.systems.deeplandscape.homography import is_proper

Speed = Literal["manual", "slow2", "x2.5", "x4", "selected"]
SPEEDS: tuple[Speed, ...] = get_args(Speed)
CLOCK = tuple(f"{hour}h" for hour in range(1, 13))

# (dx, dy) of the top left, top right, horizon left and horizon right, in thousandths per frame (release, 2020)
_Rows = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
_RIGHT: dict[int, _Rows] = {
    1: ((-0.4, 4), (-10, 4), (-0.02, 0.02), (-0.2, 0.02)),
    2: ((-10 / 3, 5 / 3), (-5, 2 / 3), (-0.1 / 3, 0.5 / 3), (-0.1 / 3, 0.5 / 3)),
    3: ((-20 / 3, 0.5 / 3), (-20 / 3, 0.5 / 3), (-0.1 / 3, 0.1 / 3), (-0.1 / 3, 0.1 / 3)),
    4: ((-4, 0), (-4, -4), (-0.2, 0), (-0.2, -0.2)),
    5: ((-2.5, -0.5), (-1.5, -1.25), (-5, -0.25), (-0.5, -0.5)),
    6: ((-1, -2 / 3), (1, -2 / 3), (-10 / 3, -0.5 / 3), (10 / 3, -0.5 / 3)),
    12: ((20, 15), (-20, 15), (1, 2), (-1, 2)),
}
_SELECTED: dict[int, _Rows] = {  # the authors' choice of what looks best, on faster clouds
    3: ((-9, -0.9), (-9, -1.71), (-3, -0.3), (-3, -0.57)),
    8: ((6, -0.6), (6, -1.8), (3, -0.3), (3, -0.9)),
    9: ((9, -0.9), (9, -1.71), (3, -0.3), (3, -0.57)),
    1: ((-4, 2), (-4, 6), (-2, 1), (-2, 3)),
    11: ((4, 2), (4, 6), (2, 1), (2, 3)),
}
_FACTORS: dict[str, float] = {"manual": 1.0, "slow2": 0.5, "x2.5": 2.5, "x4": 4.0}
_STRAIGHT_UP_AT_X4 = 2.0  # what the release has for 12h, which runs out of sky


def wind(direction: str | Path, speed: Speed = "manual") -> Tensor:
    """The shifts [4, 2] of a homography: `direction` is "1h" … "12h", where to, or a file (`read_homography`).

    `speed` is a set of the release: "manual" is the paper's, "x2.5" that of real clips. Raises UsageError for a
    direction that the set lacks and for a `speed` beside a file, InputError for a bad file.
    """
    if str(direction) not in CLOCK:
        if speed != "manual":
            raise UsageError(f"--set {speed}: nothing reads it beside a file of a homography; leave one of them out")
        return read_homography(Path(direction))
    hour = int(str(direction)[:-1])
    if speed == "selected":
        if hour not in _SELECTED:
            known = ", ".join(f"{known}h" for known in sorted(_SELECTED))
            raise UsageError(f"{direction}: the set selected has {known}; choose one of them or another set")
        return _thousandths(_SELECTED[hour])
    factor = _STRAIGHT_UP_AT_X4 if (hour, speed) == (12, "x4") else _FACTORS[speed]
    return _thousandths(_RIGHT[hour] if hour in _RIGHT else _mirrored(_RIGHT[12 - hour])) * factor


def _mirrored(rows: _Rows) -> _Rows:
    """Left and right exchanged."""
    (a, b), (c, d), (e, f), (g, h) = rows
    return (-c, d), (-a, b), (-g, h), (-e, f)


def _thousandths(rows: _Rows) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32) / 1000


def read_homography(path: Path) -> Tensor:
    """The shifts [4, 2] of a file of four lines "dx dy": top left, top right, horizon left, horizon right.

    Units: the picture is 2 wide and 2 high; per frame. Raises InputError when the file cannot be read, does not hold
    that, or describes a movement that folds the picture or cannot be undone.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give one, or a direction from 1h to 12h") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{path}: cannot be read as a homography: {reason}") from None
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 4 or any(len(line) != 2 for line in lines):
        widths = sorted({len(line) for line in lines})
        raise InputError(
            f"{path}: a homography is 4 lines of 2 numbers, dx dy; found {len(lines)} lines of "
            f"{' or '.join(map(str, widths)) or 'no'} numbers"
        )
    shifts = torch.tensor([[_number(path, word) for word in line] for line in lines], dtype=torch.float32)
    if not is_proper(shifts):
        raise InputError(f"{path}: these shifts fold the picture or cannot be undone; make them smaller")
    return shifts


def _number(path: Path, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}: {word[:20]!r} is not a finite number; a homography is 4 lines of 2 numbers, dx dy")
    return number

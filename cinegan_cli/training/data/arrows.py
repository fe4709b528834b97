"""Arrows drawn into photos by eye, in one file beside them.

arrows.json holds, for the photo NAME.jpg, `{"NAME": {"regions": [{"kind": ..., "sure": ..., "arrows": [[x0, y0, x1,
y1], ...]}]}}`: where a bit of water or cloud is, and where it is a second later, in thousandths of the photo's width,
both ways. `sure` is how probable it is that the direction is right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cinegan_cli.errors import InputError
from cinegan_cli.files import read_text
from cinegan_cli.types import KINDS

ARROWS = "arrows.json"  # name of the file
UNITS = 1000  # of the file, to the width of the photo
FARTHEST = 20  # widths from the photo's corner at which an arrow can begin or end


@dataclass(frozen=True)
class Arrow:
    """Where something is in an upright photo, and how far it travels in a second: (x, y) in widths of the photo."""

    kind: str
    sure: float
    start: tuple[float, float]
    travel: tuple[float, float]


def read_arrows(path: Path) -> Mapping[str, tuple[Arrow, ...]]:
    """The arrows of each photo by its name without suffix. Raises InputError."""
    return _read(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Mapping[str, tuple[Arrow, ...]]:
    """What the file holds since it was `changed`."""
    try:
        photos = json.loads(read_text(path))
        return {
            str(name): tuple(arrow for region in each["regions"] for arrow in _arrows(region))
            for name, each in photos.items()
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; check the name") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise InputError(f"{path}: is no file of arrows ({what}); see docs/evaluation.md") from error


def _arrows(region: Mapping[str, Any]) -> list[Arrow]:
    """The arrows of one region, in widths. Raises ValueError, TypeError or KeyError."""
    kind, sure = region["kind"], float(region.get("sure", 1.0))
    if kind not in KINDS[1:]:
        raise ValueError(f"kind {kind!r}")
    found = []
    for x0, y0, x1, y1 in region["arrows"]:
        travel = ((x1 - x0) / UNITS, (y1 - y0) / UNITS)
        if not (math.isfinite(x0 + y0 + x1 + y1) and math.hypot(*travel) > 0):
            raise ValueError(f"an arrow without length at {x0}, {y0}")
        if max(map(abs, (x0, y0, x1, y1))) > FARTHEST * UNITS:
            raise ValueError(f"an arrow far outside of the photo, from {x0}, {y0} to {x1}, {y1}")
        found.append(Arrow(kind, sure, (x0 / UNITS, y0 / UNITS), travel))
    return found

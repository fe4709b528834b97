"""Light that changes: styles moved by the lighting network A along smooth paths (DeepLandscape, section 3.4).

Only the styles of `FIRST_LEVEL` (64 px) and finer change: those below say what the place looks like. The dynamic part
of z is three numbers whose meaning belongs to a training run; `LIGHTS` are those of the released generators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

FIRST_LEVEL = 4
FINEST = 3  # levels whose styles change in any case
STRENGTHS = MappingProxyType({7: 0.7, 8: 0.3})  # c of the release, by the number of levels: 256 and 512 px
STRENGTH = 0.7  # for other sizes

Lighting = Callable[[Tensor, Tensor, float], Tensor]  # A: w [B, D], z_dyn [B, 3], c → w [B, D]
Key = tuple[float, float, float, float, float]  # (t, z1, z2, z3, c)

LIGHTS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "day": (-1.5, -1.5, 0.0),
        "bright": (-1.5, 1.5, 0.0),
        "evening": (-1.0, 2.0, 0.0),
        "sunset": (0.0, 3.5, 0.0),
        "afterglow": (1.5, 3.5, 0.0),
        "dusk": (2.0, 1.0, 0.0),
        "night": (2.5, 0.0, 0.0),
        "morning": (2.5, -1.5, 0.0),
    }
)
DAY = (*LIGHTS, "day")  # the nine keys of the release: one day, from noon to noon


def strength_for(levels: int) -> float:
    """c of the release for a generator of so many levels."""
    return STRENGTHS.get(levels, STRENGTH)


def finest_levels(levels: int) -> int:
    """The first level whose styles change with the light, of so many."""
    return max(0, min(FIRST_LEVEL, levels - FINEST))


def day_keys(c: float) -> list[Key]:
    """The release's nine keys, evenly in [0, 1], all with the same `c`."""
    last = len(DAY) - 1
    return [(i / last, *LIGHTS[name], c) for i, name in enumerate(DAY)]


def cycle_keys(c: float) -> list[Key]:
    """One day that begins and ends at the photo: its own light (c = 0), then eight lights, evenly along the path."""
    last = len(LIGHTS) + 1
    lights = [(i / last, *z, c) for i, z in enumerate(LIGHTS.values(), 1)]
    return [(0.0, 0.0, 0.0, 0.0, 0.0), *lights, (1.0, 0.0, 0.0, 0.0, 0.0)]


def light_keys(name: str, c: float) -> list[Key]:
    """From the photo's own light (c = 0) to that of `name` in `LIGHTS`, which it reaches half-way, and back."""
    z = LIGHTS[name]
    return [(0.0, *z, 0.0), (0.25, *z, c / 2), (0.5, *z, c), (0.75, *z, c / 2), (1.0, *z, 0.0)]


def light_path(A: Lighting, w: Tensor, keys: Sequence[Sequence[float]], times: Sequence[float] | Tensor) -> Tensor:
    """The styles [T, D] at `times` (T numbers in [0, 1]) on a path through what A makes of `w` [D] at each key.

    `keys` are rows (t, z1, z2, z3, c), t rising. The path is a cubic spline that rests at either end, as the release
    has it. Differentiable.
    """
    table = _table(keys, w)
    knots = torch.cat([A(w[None], row[None, 1:4], float(row[4])) for row in table])
    return spline(table[:, 0], knots, _times(times))


def relit(
    A: Lighting, w: Tensor, keys: Sequence[Sequence[float]], times: Sequence[float] | Tensor, *, closed: bool = True
) -> Tensor:
    """The styles [T, N, 2, D] at `times` (T numbers in [0, 1]) for a photo's `w` [N, 2, D].

    `keys` are rows (t, z1, z2, z3, c), t rising from 0 to 1. A key with c = 0 is the photo's own light, exactly, so a
    path that begins with one begins at the photo. With `closed` the path is a loop: the last key is the first one
    again. Levels below `FIRST_LEVEL` keep their styles; of a generator with fewer levels the finest three change.
    """
    table = _table(keys, w)
    first = finest_levels(len(w))
    moving = w[first:].flatten(0, 1)  # [M, D]
    knots = torch.stack([_lit(A, moving, row) for row in table])  # [K, M, D]
    path = spline(table[:, 0], knots.flatten(1), _times(times), closed=closed)
    fixed = w[:first].expand(len(path), -1, -1, -1)
    return torch.cat((fixed, path.reshape(len(path), -1, *w.shape[1:])), 1)


def _lit(A: Lighting, styles: Tensor, row: Tensor) -> Tensor:
    if float(row[4]) == 0 or not len(styles):
        return styles
    return A(styles, row[None, 1:4].expand(len(styles), -1), float(row[4]))


def _table(keys: Sequence[Sequence[float]], w: Tensor) -> Tensor:
    table = torch.as_tensor(keys, dtype=w.dtype, device=w.device)
    if table.ndim != 2 or table.shape[1] != 5 or len(table) < 2 or not bool((table[1:, 0] > table[:-1, 0]).all()):
        raise ValueError("keys must be at least two rows (t, z1, z2, z3, c), t rising")
    return table


def _times(times: Sequence[float] | Tensor) -> Tensor:
    return torch.as_tensor(times, dtype=torch.float64)


def spline(at: Tensor, values: Tensor, times: Tensor, *, closed: bool = False) -> Tensor:
    """Values [T, D] at `times` [T] of the cubic spline through `values` [K, D] at `at` [K], rising.

    Its slopes are 0 at either end; of a `closed` one they are equal there, as are its curvatures, and the last value
    must be the first. Differentiable in `values`.
    """
    at, knots, times = (given.cpu().double() for given in (at, values, times))  # not every device has float64
    slopes = _slopes(at, knots, closed)
    piece = (torch.searchsorted(at, times, right=True) - 1).clamp(0, len(at) - 2)
    width = (at[piece + 1] - at[piece])[:, None]
    x = (times[:, None] - at[piece][:, None]) / width
    start, end = knots[piece], knots[piece + 1]
    out, into = slopes[piece] * width, slopes[piece + 1] * width
    made = start + x * (out + x * (3 * (end - start) - 2 * out - into + x * (2 * (start - end) + out + into)))
    return made.to(values)


def _slopes(at: Tensor, knots: Tensor, closed: bool) -> Tensor:
    """The slope at each knot [K, D], for which the second derivative is continuous."""
    width = at.diff()
    rise = knots.diff(dim=0) / width[:, None]
    count = len(at)
    matrix, right = torch.zeros(count, count, dtype=at.dtype, device=at.device), torch.zeros_like(knots)
    for i in range(1, count - 1):
        before, after = width[i - 1], width[i]
        matrix[i, i - 1], matrix[i, i], matrix[i, i + 1] = after, 2 * (before + after), before
        right[i] = 3 * (after * rise[i - 1] + before * rise[i])
    matrix[0, 0] = matrix[-1, -1] = 1
    if closed:
        before, after = width[-1], width[0]
        matrix[-1, 0] = -1
        matrix[0] = 0
        matrix[0, -2], matrix[0, 1] = matrix[0, -2] + after, matrix[0, 1] + before
        matrix[0, 0] = 2 * (before + after)
        right[0] = 3 * (after * rise[-1] + before * rise[0])
    slopes: Tensor = torch.linalg.solve(matrix, right)
    return slopes

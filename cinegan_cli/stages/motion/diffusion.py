"""Smooth interpolation inside a region of any shape: a screened Poisson equation, coarse to fine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Wide = NDArray[np.float64]

COARSEST = 16  # cells; below this the levels stop
TOLERANCE = 1e-4  # of the largest value, on the update


def diffuse(target: Array, weight: Array, region: Array) -> Array:
    """The u [C, h, w] with the least sum |u_i - u_j|^2 over neighbours in `region` + sum weight * |u - target|^2.

    `region` [h, w] in [0, 1] is where it flows; nothing crosses its border. `weight` [h, w] >= 0, 0 outside, should be
    above 0 somewhere in every connected part. Solved by conjugate gradients on grids that are halved until they are
    small, each starting from the next coarser one, so that long distances cost nothing. Outside the region: 0.
    """
    levels: list[tuple[Wide, Wide, Wide]] = [
        (np.asarray(target, np.float64) * weight, np.asarray(weight, np.float64), np.asarray(region, np.float64))
    ]
    while min(levels[-1][2].shape) > COARSEST:
        pull, firmness, cover = levels[-1]
        # the sum over neighbours does not change with the grid in two dimensions, the sum of weights must not either
        levels.append((_halve(pull) * 4, _halve(firmness[None])[0] * 4, _halve(cover[None])[0]))
    pull, firmness, cover = levels[-1]
    mean = pull.sum((1, 2), keepdims=True) / max(float(firmness.sum()), 1e-30)
    solution: Wide = np.broadcast_to(mean, pull.shape) * (cover > 0)
    for number, (pull, firmness, cover) in enumerate(reversed(levels)):
        if number:
            solution = _double(solution, cover.shape) * (cover > 0)
        solution = _conjugate_gradients(solution, pull, firmness, cover)
    return solution.astype(np.float32)


def _conjugate_gradients(start: Wide, pull: Wide, firmness: Wide, cover: Wide, most: int = 200) -> Wide:
    """Solve (Laplacian of the region + firmness) u = pull from `start` [C, h, w], all channels together."""
    across = np.minimum(cover[:, :-1], cover[:, 1:])
    along = np.minimum(cover[:-1], cover[1:])
    diagonal = firmness + 1e-12
    diagonal[:, :-1] += across
    diagonal[:, 1:] += across
    diagonal[:-1] += along
    diagonal[1:] += along
    inverse = np.where(cover > 0, 1.0 / diagonal, 0.0)

    def apply(u: Wide) -> Wide:
        out = diagonal * u
        out[:, :, :-1] -= across * u[:, :, 1:]
        out[:, :, 1:] -= across * u[:, :, :-1]
        out[:, :-1] -= along * u[:, 1:]
        out[:, 1:] -= along * u[:, :-1]
        return out

    solution = start.copy()
    residual = (pull - apply(solution)) * (cover > 0)
    search = inverse * residual
    energy = _dot(residual, search)
    limit = TOLERANCE * max(float(np.abs(start).max()), 1e-12)
    for _ in range(most):
        if not energy.max() > 0:
            break
        image = apply(search)
        step = energy / np.maximum(_dot(search, image), 1e-300)
        solution += step * search
        residual -= step * image
        scaled = inverse * residual
        renewed = _dot(residual, scaled)
        if np.abs(scaled).max() < limit:
            break
        search = scaled + renewed / np.maximum(energy, 1e-300) * search
        energy = renewed
    return solution


def _dot(a: Wide, b: Wide) -> Wide:
    """Inner product of each channel: [C, 1, 1]."""
    return np.asarray((a * b).sum((1, 2), keepdims=True))


def _halve(image: Wide) -> Wide:
    """Mean of 2 x 2 cells, [C, h, w] to [C, ceil(h/2), ceil(w/2)]; beyond the edge is 0."""
    _, height, width = image.shape
    even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)))
    return np.asarray(0.25 * (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]))


def _double(image: Wide, shape: tuple[int, ...]) -> Wide:
    """Each cell twice in both directions, cut to `shape`; the solver smooths the steps."""
    return np.asarray(image.repeat(2, axis=1).repeat(2, axis=2)[:, : shape[0], : shape[1]])

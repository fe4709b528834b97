"""Homographies that move a sky, and its mirror image that moves the water below (DeepLandscape, section 3.4).

Coordinates are normalised: the picture is [-1, 1] wide and high, +x right, +y down. A homography leads from where a
pixel is drawn to where it is taken from, so things move against the shifts.
"""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = 0.1  # a matrix this near the identity has a logarithm whose series converges fast
TERMS = 14  # of that series: exact in float64
FARTHEST = 0.05  # least depth at which a point is still projected; at 0 it would be infinitely far
EDGE = 1e-6  # a horizon this near the top or the bottom of the picture leaves nothing on the other side


def homographies(shifts: Tensor, horizon: float) -> tuple[Tensor, Tensor]:
    """The matrices (sky [3, 3], ground [3, 3]) for `shifts` [4, 2] and a horizon, in [0, 1] from the top.

    The rows of `shifts` are (dx, dy) per frame of the top left, top right, horizon left and horizon right points. The
    ground's bottom corners move as the top corners do, its dy mirrored. A side that is not there does not move: its
    matrix is the identity. Raises ValueError for other shapes. Differentiable in `shifts`.
    """
    if shifts.shape != (4, 2):
        raise ValueError(f"shifts must be [4, 2], got {list(shifts.shape)}")
    row = 2 * horizon - 1
    top = shifts.new_tensor([[-1, -1], [1, -1], [-1, row], [1, row]], dtype=torch.float64)
    bottom = shifts.new_tensor([[-1, row], [1, row], [-1, 1], [1, 1]], dtype=torch.float64)
    mirrored = shifts[[2, 3, 0, 1]] * shifts.new_tensor([1, -1])
    still = torch.eye(3, dtype=shifts.dtype, device=shifts.device)
    sky = still if horizon <= EDGE else _through(top, shifts)
    ground = still if horizon >= 1 - EDGE else _through(bottom, mirrored)
    return sky, ground


def _through(points: Tensor, shifts: Tensor) -> Tensor:
    """The matrix, its last number 1, that takes four points [4, 2] to where `shifts` [4, 2] puts them."""
    x, y = points.unbind(1)
    to = points + shifts.double()
    u, v = to.unbind(1)
    one, none = torch.ones_like(x), torch.zeros_like(x)
    across = torch.stack((x, y, one, none, none, none, -u * x, -u * y), 1)
    down = torch.stack((none, none, none, x, y, one, -v * x, -v * y), 1)
    solved: Tensor = torch.linalg.solve(torch.cat((across, down)), torch.cat((u, v)))
    return torch.cat((solved, solved.new_ones(1))).reshape(3, 3).to(shifts.dtype)


def homography_power(matrix: Tensor, n: float) -> Tensor:
    """`matrix` [3, 3] applied `n` times: the inverse for negative n, the identity for 0, its roots in between.

    Raises ValueError where n is not whole and the matrix, which turns things over, has no root.
    """
    whole = int(n // 1)
    exact = matrix.double()
    made: Tensor = torch.linalg.matrix_power(exact, whole)
    if n != whole:
        made = made @ torch.matrix_exp((n - whole) * logarithm(exact))
    return made.to(matrix.dtype)


def logarithm(matrix: Tensor) -> Tensor:
    """The matrix whose exponential is `matrix` [3, 3]; `matrix_exp` of n times it is the n-th power, for any n.

    Raises ValueError where there is none: the matrix turns things over.
    """
    still = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    doublings = 0
    while torch.linalg.matrix_norm(matrix - still) > NEAR:
        if doublings > 20 or not bool(matrix.isfinite().all()):
            raise ValueError("the homography has no root: it turns the picture over")
        matrix, doublings = _root(matrix), doublings + 1
    off = matrix - still
    power = off
    series: Tensor = torch.zeros_like(off)
    for k in range(1, TERMS + 1):
        series = series + power * ((-1) ** (k + 1) / k)
        power = power @ off
    return series * 2.0**doublings


def _root(matrix: Tensor, steps: int = 12) -> Tensor:
    """The square root, by Denman and Beavers' iteration."""
    root, inverse = matrix, torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    for _ in range(steps):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    return root


def project(matrix: Tensor, points: Tensor) -> Tensor:
    """`points` [..., 2] taken through `matrix` [3, 3]; those beyond the vanishing line stay in front of it."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:].clamp_min(FARTHEST)


def is_proper(shifts: Tensor, horizon: float = 0.5) -> bool:
    """Whether both homographies of `shifts` can be done in part and undone, and have the whole picture before them."""
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], dtype=torch.float64)
    try:
        sides = homographies(shifts.double(), horizon)
        roots = [logarithm(side) for side in sides]
    except (RuntimeError, ValueError):  # points meet; things are turned over
        return False
    return all(
        bool(root.isfinite().all())
        and float(torch.linalg.det(side)) > EDGE
        and float((corners @ side[2]).min()) > FARTHEST
        for side, root in zip(sides, roots, strict=True)
    )

"""The motion that the released form of networks predicts: one for sky, one for water.

`docs/spec/stylecinegan.md`, section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.config import FRAME_RATE_OF_FILES
from cinegan_cli.stages.bands import pull_push

GRID_SIDE = 512  # px of the long side of the networks' input and output
MULTIPLE = 16  # four downsamplings
OUTLIER = 3.0  # |z| of a speed beyond which it is not believed (release)


def predict_velocity(
    photo: Tensor, networks: Mapping[str, nn.Module], shares: Mapping[str, Tensor], grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The flow of a photo float32 [3, H, W] in [0, 1] in cells of `grid` (rows, columns) per second, where it is known.

    `networks` maps "sky" and "water" to motion networks, one may be missing; `shares` [rows, columns] says how much of
    each cell is of that kind. The networks give px per frame at 30 fps on their own grid. Returns [2, rows, columns]
    and bool [rows, columns], both on the CPU.
    """
    size = network_grid(photo.shape[2], photo.shape[1])
    small = F.interpolate(photo[None], size, mode="bilinear", antialias=True) * 2 - 1
    scale = FRAME_RATE_OF_FILES * torch.tensor([grid[1] / size[1], grid[0] / size[0]])[:, None, None]
    total, weight = torch.zeros(2, *grid), torch.zeros(grid)
    for kind, network in networks.items():
        share = shares[kind].cpu()
        if not bool((share > 0).any()):
            continue
        with torch.inference_mode():
            flow = network(small.to(next(network.parameters()).device)).float().cpu()
        flow = F.interpolate(flow, grid, mode="bilinear")[0] * scale
        total += share * without_outliers(flow, share > 0.5)
        weight += share
    return total / weight.clamp_min(1e-6), weight > 0.5


def network_grid(width: int, height: int) -> tuple[int, int]:
    """(rows, columns), 512 on the long side, multiples of 16, the photo's aspect ratio."""
    scale = GRID_SIDE / max(width, height)
    rows, columns = (max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (height, width))
    return rows, columns


def without_outliers(flow: Tensor, inside: Tensor) -> Tensor:
    """`flow` [2, h, w] with the speeds that lie over 3 deviations off the mean of `inside` [h, w] smoothed over.

    The release sets them to 0; a still spot in moving water is as wrong as a racing one, so here they are filled from
    around.
    """
    if int(inside.sum()) < 2:
        return flow
    speed = flow.square().sum(0).sqrt()
    mean, deviation = speed[inside].mean(), speed[inside].std()
    believed = (speed - mean).abs() <= OUTLIER * deviation
    return flow if bool(believed.all()) else torch.where(believed, flow, pull_push(flow, believed.float()))

"""The grid of a motion field: its size, its extension beyond the mask, its part under the photo's window."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cinegan_cli.stages.bands import pull_push
from cinegan_cli.types import Photo

GRID_SIDE = 512  # longest side of the grid of everything but files; the release's fields are 512 x 512


def grid_size(width: int, height: int, most: int = GRID_SIDE) -> tuple[int, int]:
    """(w, h) of the grid for a picture of `width` x `height` px: at most `most` on the longer side, square cells."""
    scale = min(1.0, most / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))


def extend(velocity: Tensor, alpha: Tensor) -> Tensor:
    """`velocity` [2, h, w] slowed by the mask `alpha` [H, W] where it is grey, then carried on beyond it.

    A soft edge of a few pixels is not grey: the factor is the largest mask value nearby, so only areas that stay
    below 1 are slowed. Beyond the mask the field is that of the nearest moving places.
    """
    size = velocity.shape[1:]
    largest = _local_maximum(alpha)
    part = functional.interpolate(largest[None, None], size, mode="area")[0, 0]
    mean = functional.interpolate(alpha[None, None], size, mode="area")[0, 0]
    share = torch.where(part > 1 / 64, mean / part.clamp_min(1e-6), 0.0)
    weight = ((share - 0.25) * 2.0).clamp(0.0, 1.0)
    return pull_push(velocity * part, weight)


def _local_maximum(alpha: Tensor) -> Tensor:
    """The largest value of `alpha` [H, W] within 1/256 of the longer side (at least 2 px)."""
    side = 2 * max(2, round(max(alpha.shape) / 256)) + 1
    # fifty times faster than max_pool2d at 3840x2160
    largest: Any = cv2.dilate(alpha.numpy(), np.ones((side, side), np.uint8))
    return torch.from_numpy(np.asarray(largest, np.float32).reshape(alpha.shape))


def crop_like(field: Tensor, photo: Photo) -> Tensor:
    """The part of `field` [2, h, w], given for the whole upright file, that lies under the photo's window.

    Cells keep their size as far as whole numbers allow, velocities are converted to the new cells; outside the file
    the nearest cell goes on.
    """
    x, y, width, height = photo.window
    source_width, source_height = photo.source_size
    if (x, y, width, height) == (0, 0, source_width, source_height):
        return field
    old_height, old_width = field.shape[1:]
    new_width = max(2, round(old_width * width / source_width))
    new_height = max(2, round(old_height * height / source_height))
    columns = _cells(x, width, source_width, new_width)
    rows = _cells(y, height, source_height, new_height)
    mesh = np.stack(np.meshgrid(columns, rows), -1).astype(np.float32)  # [h', w', 2] in grid_sample's [-1, 1]
    cut = functional.grid_sample(
        field[None], torch.from_numpy(mesh)[None], mode="bilinear", padding_mode="border", align_corners=False
    )[0]
    factor = [new_width * source_width / (old_width * width), new_height * source_height / (old_height * height)]
    return cut * torch.tensor(factor, dtype=torch.float32)[:, None, None]


def _cells(start: float, length: float, whole: float, new: int) -> NDArray[np.float64]:
    """Where the `new` cell centres of the window lie in the file, -1 to 1 from its first edge to its last."""
    return (start + (np.arange(new) + 0.5) * length / new) / whole * 2.0 - 1.0

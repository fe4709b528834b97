"""A motion field as a picture: hue is direction, saturation is speed, arrows show the way."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.types import Motion

Picture = NDArray[np.uint8]
SMALLEST_SIDE = 480  # small grids are enlarged, so that arrows and legend can be read


def colour_wheel(motion: Motion, *, arrows: bool = True) -> Tensor:
    """RGB uint8 [h, w, 3] of the field: white is still, red right, and the hues of the rainbow counter-clockwise.

    Saturation is speed over the 99th percentile of the speeds (written in the legend, lower left). The size is the
    grid's, or with `arrows` at least 480 px on its longer side. `arrows=False` leaves arrows and legend out.
    """
    field = motion.velocity.detach().cpu().numpy().astype(np.float32)
    height, width = field.shape[1:]
    top = float(np.quantile(np.hypot(field[0], field[1]), 0.99))
    picture = _colours(field, top)
    if not arrows:
        return torch.from_numpy(picture)
    scale = max(1.0, SMALLEST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    enlarged: Any = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    canvas = np.ascontiguousarray(enlarged, np.uint8)
    _draw_arrows(canvas, field, top)
    if min(size) >= 160:
        _draw_legend(canvas, top, width)
    return torch.from_numpy(canvas)


def _colours(field: NDArray[np.float32], top: float) -> Picture:
    """Hue and saturation of [2, h, w] as RGB [h, w, 3]."""
    angle = np.degrees(np.arctan2(-field[1], field[0])) % 360.0
    strength = np.clip(np.hypot(field[0], field[1]) / max(top, 1e-9), 0.0, 1.0)
    hsv = np.stack([angle, strength, np.ones_like(angle)], -1).astype(np.float32)
    rgb: Any = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.round(np.asarray(rgb) * 255.0).astype(np.uint8)


def _draw_arrows(canvas: Picture, field: NDArray[np.float32], top: float) -> None:
    """About 20 arrows along the longer side, on `canvas` [H, W, 3]."""
    height, width = canvas.shape[:2]
    spacing = max(height, width) / 20
    if top <= 0:
        return
    longest = 0.9 * spacing
    for y in np.arange(spacing / 2, height, spacing):
        for x in np.arange(spacing / 2, width, spacing):
            row, column = int(y * field.shape[1] / height), int(x * field.shape[2] / width)
            dx, dy = field[:, row, column] / top * longest
            length = float(np.hypot(dx, dy))
            if length < 1.5:
                continue
            shrink = min(1.0, longest / length)
            end = (round(float(x + dx * shrink)), round(float(y + dy * shrink)))
            cv2.arrowedLine(canvas, (round(float(x)), round(float(y))), end, (40, 40, 40), 1, cv2.LINE_AA, 0, 0.3)


def _draw_legend(canvas: Picture, top: float, grid_width: int) -> None:
    """A wheel and the speed of full colour, lower left."""
    side = max(48, min(canvas.shape[:2]) // 8)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) * (2.0 / (side - 1)) - 1.0
    disc = _colours(np.stack([x, y]), 1.0)
    inside = np.hypot(x, y) <= 1.0
    corner = canvas[-side - 4 : -4, 4 : side + 4]
    corner[inside] = disc[inside]
    cv2.circle(canvas, (4 + side // 2, canvas.shape[0] - 4 - side // 2), side // 2, (0, 0, 0), 1, cv2.LINE_AA)
    text = f"{top:.1f} px/s = {100 * top / grid_width:.1f} % of the width"
    place = (side + 12, canvas.shape[0] - 10)
    (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    top_left = (place[0] - 3, place[1] - high - 3)
    cv2.rectangle(canvas, top_left, (place[0] + wide + 3, place[1] + below), (255, 255, 255), cv2.FILLED)
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)

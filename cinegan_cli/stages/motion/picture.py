"""A motion field as a picture: arrows over the photo in the colours of kinds, or hue as direction."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.types import KINDS, LABEL_OF_KIND, Mask, Motion, Photo

Picture = NDArray[np.uint8]
SIDE = 1280  # px of the longer side of the picture over the photo, at most
KIND_COLOURS = {  # RGB
    "sky": (90, 220, 90),
    "fog": (220, 220, 120),
    "lake": (110, 160, 255),
    "sea": (60, 200, 255),
    "surf": (255, 255, 255),
    "river": (255, 90, 190),
    "rapids": (210, 130, 255),
    "falls": (255, 165, 50),
    "reflection": (255, 90, 90),
}
SMALLEST_SIDE = 480  # small grids are enlarged, so that arrows and legend can be read


def arrows_over_photo(photo: Photo, mask: Mask, motion: Motion) -> Tensor:
    """RGB uint8 [h, w, 3], at most 1280 px: what moves where, how, and as what, over the photo, its still parts dimmed.

    An arrow is half a second's travel, within limits; its colour is that of its kind, named in the legend with the
    kind's median speed. Where kinds are not known arrows are white.
    """
    scale = min(1.0, SIDE / max(photo.size))
    width, height = (max(2, round(side * scale)) for side in photo.size)
    moving: Any = cv2.resize(mask.alpha.numpy(), (width, height), interpolation=cv2.INTER_AREA)
    small: Any = cv2.resize(photo.pixels_u8.numpy(), (width, height), interpolation=cv2.INTER_AREA)
    canvas = np.ascontiguousarray(small * (0.35 + 0.4 * moving[..., None]), np.uint8)
    field = motion.velocity.detach().cpu().numpy() * (width / motion.velocity.shape[2])
    kinds = np.zeros(field.shape[1:], np.uint8) if motion.kinds is None else motion.kinds.numpy()
    spacing = max(width, height) / 36
    for y in np.arange(spacing / 2, height, spacing):
        for x in np.arange(spacing / 2, width, spacing):
            row, column = int(y * field.shape[1] / height), int(x * field.shape[2] / width)
            dx, dy = field[:, row, column]
            length = float(np.hypot(dx, dy))
            if moving[int(y), int(x)] > 0.3 and length > 0.02 * spacing:
                drawn = np.clip(0.5 * length, 0.4 * spacing, 1.3 * spacing) / length
                colour = _colour_of(int(kinds[row, column]))
                _arrow(
                    canvas, (x - dx * drawn / 2, y - dy * drawn / 2), (x + dx * drawn / 2, y + dy * drawn / 2), colour
                )
    if min(width, height) >= 160:
        _name_kinds(canvas, kinds, np.hypot(*field) / width)
    return torch.from_numpy(canvas)


def _colour_of(label: int) -> tuple[int, int, int]:
    return KIND_COLOURS.get(KINDS[LABEL_OF_KIND.index(label)], (255, 255, 255))


def _arrow(canvas: Picture, tail: tuple[float, float], head: tuple[float, float], colour: tuple[int, int, int]) -> None:
    """One arrow with a dark edge, so that it can be seen on anything."""
    ends = [(round(float(x)), round(float(y))) for x, y in (tail, head)]
    for ink, thick in (((0, 0, 0), 3), (colour, 1)):
        cv2.arrowedLine(canvas, ends[0], ends[1], ink, thick, cv2.LINE_AA, 0, 0.35)


def _name_kinds(canvas: Picture, kinds: NDArray[np.uint8], speed: NDArray[np.float32]) -> None:
    """The kinds that are there, lower left, each in its colour with its median speed; `speed` in widths per second."""
    labels = [label for label in np.unique(kinds) if label and (kinds == label).mean() > 0.002]
    if not labels:
        return
    top = canvas.shape[0] - 22 * len(labels) - 8
    canvas[top:, :230] = canvas[top:, :230] // 4
    for line, label in enumerate(labels):
        text = f"{KINDS[LABEL_OF_KIND.index(label)]}  {100 * np.median(speed[kinds == label]):.1f} % of width/s"
        place = (8, top + 20 + 22 * line)
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _colour_of(label), 1, cv2.LINE_AA)


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

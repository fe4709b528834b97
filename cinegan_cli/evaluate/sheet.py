"""Pictures beside and below one another, with a line of words above: what a contact sheet is put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]
Line: TypeAlias = tuple[str, Colour]

CELLS = 7
GAP = 3  # px
LINE = 20  # px, height of the words
BLACK, GREY = (0, 0, 0), (210, 210, 210)


def draw_row(cells: Sequence[Frame], words: Sequence[Line], side: int) -> Frame:
    """Up to 7 pictures [H, W, 3], scaled into squares of `side` px, beside one another under `words`, each its colour.

    uint8 [h, 7 * side + 6 * 3, 3]: as high as its pictures, whose places stay the same when some are missing.
    """
    small = [_fitted(cell, side) for cell in cells]
    height = max((cell.shape[0] for cell in small), default=0)
    canvas = np.zeros((LINE + height, CELLS * side + (CELLS - 1) * GAP, 3), np.uint8)
    for k, cell in enumerate(small):
        x = k * (side + GAP) + (side - cell.shape[1]) // 2
        y = LINE + (height - cell.shape[0]) // 2
        canvas[y : y + cell.shape[0], x : x + cell.shape[1]] = cell
    _write(canvas, words)
    return canvas


def stacked(rows: Sequence[Frame]) -> Frame:
    """Pictures of equal width below one another."""
    gap = np.zeros((2 * GAP, rows[0].shape[1], 3), np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])


def _fitted(picture: Frame, side: int) -> Frame:
    """Scaled down so that the longer side is at most `side`; never enlarged."""
    scale = min(1.0, side / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(canvas: Frame, words: Sequence[Line]) -> None:
    x = GAP
    for text, colour in words:
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(canvas, plain, (x, LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
        x += cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] + 16

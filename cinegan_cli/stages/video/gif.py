"""GIF: one palette for the whole loop, and two of its colours mixed by a pattern that depends on the place alone.

What does not move therefore gets the same colour in every frame, which is stored as transparent and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

MOST_COLOURS = 255  # the 256th is the transparent one
SAMPLED, SAMPLES = 48, 3000  # frames at most from which the palette is made, and pixels of each
NEAREST = 6  # colours of the palette that are tried as one of the two, for each colour of the picture
NOISE = 0.7  # how much the unevenness of a mixture counts against being off in colour
CELL_BITS = 6  # a channel: the two colours are chosen for cells of 4 levels, their shares for each pixel
CELL = 8 - CELL_BITS


@dataclass
class Held:
    """A picture in which a pixel keeps its colour until it has moved by more than `tolerance` levels in a channel."""

    tolerance: int
    pixels: Pixels

    def follow(self, frame: Pixels) -> NDArray[np.bool_]:
        """Take the next frame, uint8 [H, W, 3]: which of `pixels`, of the same shape, have become its own, [H, W]."""
        apart = cv2.absdiff(frame, self.pixels)
        moved = cv2.max(cv2.max(apart[..., 0], apart[..., 1]), apart[..., 2]) > self.tolerance
        self.pixels[moved] = frame[moved]
        return moved


def tolerance_of(quality: int) -> int:
    """Levels within which a pixel stays as it is, 0 at quality 100."""
    return (100 - quality) // 5


def make_palette(samples: Pixels, quality: int) -> Pixels:
    """At most 255 colours, uint8 [n, 3], for pixels [m, 3]: median cut, then k-means. Lower quality has fewer."""
    colours = min(MOST_COLOURS, round(8 * 2 ** (quality / 16)))  # 80 and more → 255, 1 → 8
    picture = Image.fromarray(samples[None]).quantize(colours, Image.Quantize.MEDIANCUT, kmeans=1)
    return np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)[: len(picture.getcolors(256) or ())]


def sample(frame: Pixels, index: int) -> Pixels:
    """Some pixels [n, 3] of a frame, others in each."""
    flat = frame.reshape(-1, 3)
    step = max(1, len(flat) // SAMPLES)
    return flat[index * 7919 % step :: step].copy()


class Mixer:
    """Gives each pixel one of two colours of a palette, uint8 [n, 3], whose mixture comes close to its own."""

    def __init__(self, palette: Pixels) -> None:
        self.palette = palette
        cells = 1 << 3 * CELL_BITS
        self._pairs = np.zeros((cells, 2), np.uint8)
        self._ways = np.zeros((cells, 4), np.float32)  # colour · the first three, less the last: share of the second
        self._known = np.zeros(cells, bool)

    def indices(self, colours: Pixels, pattern: NDArray[np.float32]) -> Pixels:
        """Places in the palette, uint8 [n], of colours [n, 3] at thresholds [n] between 0 and 1."""
        red, green, blue = (colours[:, channel].astype(np.int32) >> CELL for channel in range(3))
        cells = (red << 2 * CELL_BITS) + (green << CELL_BITS) + blue
        missing = np.unique(cells[~self._known[cells]])
        if len(missing):
            self._learn(missing)
        ways = self._ways[cells]
        share = np.einsum("nc,nc->n", colours.astype(np.float32), ways[:, :3]) - ways[:, 3]
        return np.asarray(self._pairs[cells, (share > pattern).view(np.uint8)], np.uint8)

    def _learn(self, cells: NDArray[np.int32]) -> None:
        pairs = self._choose(cells)
        base, other = (self.palette[pairs[:, k]].astype(np.float32) for k in range(2))
        way = (other - base) / np.maximum(((other - base) ** 2).sum(1, keepdims=True), 1e-6)
        self._pairs[cells] = pairs
        self._ways[cells] = np.concatenate([way, (base * way).sum(1, keepdims=True)], 1)
        self._known[cells] = True

    def _choose(self, cells: NDArray[np.int32]) -> NDArray[np.uint8]:
        """The two colours of each cell [n]: [n, 2]."""
        places = (cells[:, None] >> np.array((2 * CELL_BITS, CELL_BITS, 0))) & ((1 << CELL_BITS) - 1)
        wanted = ((places << CELL) + (1 << CELL) / 2 - 0.5).astype(np.float32)
        colours = self.palette.astype(np.float32)
        distances = (colours**2).sum(1) - 2 * wanted @ colours.T  # but for a part that is the same for all
        near = np.argsort(distances, 1)[:, :NEAREST]
        one, other = np.triu_indices(near.shape[1], 1) if near.shape[1] > 1 else (np.array([0]), np.array([0]))
        base, way = colours[near[:, one]], colours[near[:, other]] - colours[near[:, one]]  # [n, pairs, 3]
        length = np.maximum((way**2).sum(2), 1e-6)
        share = np.clip(((wanted[:, None] - base) * way).sum(2) / length, 0, 1)
        off = ((wanted[:, None] - base - share[..., None] * way) ** 2).sum(2)
        best = np.argmin(off + NOISE * share * (1 - share) * length, 1)
        rows = np.arange(len(cells))
        return np.stack([near[rows, one[best]], near[rows, other[best]]], 1).astype(np.uint8)


def _bayer() -> NDArray[np.float32]:
    """Thresholds between 0 and 1, [8, 8], as Bayer (1973) ordered them."""
    order = np.zeros((1, 1), np.float32)
    for _ in range(3):
        order = np.block([[4 * order, 4 * order + 2], [4 * order + 3, 4 * order + 1]])
    return ((order + 0.5) / order.size).astype(np.float32)


def coded_frames(cycle: Callable[[], Iterable[Pixels]], count: int, repeat: int, quality: int) -> Iterator[bytes]:
    """Each frame of `repeat` cycles as ffmpeg's pal8: indices, then 256 colours as BGRA, the last one transparent.

    `cycle` gives the `count` frames, uint8 [H, W, 3], anew each time; they are never collected. What is held at the
    loop's end is held at its start too: the first of two passes, which collects the colours, tells it.
    """
    samples, held = [], None
    for index, frame in enumerate(cycle()):
        held = held or Held(tolerance_of(quality), frame.copy())
        held.follow(frame)
        if index % -(-count // SAMPLED) == 0:
            samples.append(sample(held.pixels, index))
    assert held is not None, "a loop has frames"
    mixer = Mixer(make_palette(np.concatenate(samples), quality))
    table = np.zeros((256, 4), np.uint8)
    table[: len(mixer.palette), :3] = mixer.palette[:, ::-1]
    table[:MOST_COLOURS, 3] = 255
    height, width = held.pixels.shape[:2]
    pattern = np.tile(_bayer(), (height // 8 + 1, width // 8 + 1))[:height, :width]
    coded = np.zeros(pattern.shape, np.uint8)
    fresh = np.ones(pattern.shape, bool)
    for _ in range(repeat):
        for frame in cycle():
            fresh |= held.follow(frame)
            coded[fresh] = mixer.indices(held.pixels[fresh], pattern[fresh])
            fresh[:] = False
            yield coded.tobytes() + table.tobytes()

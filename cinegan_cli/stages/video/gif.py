"""GIF: one palette for the whole loop, and two of its colours mixed by a pattern that depends on the place alone.

What does not move therefore gets the same colour in every frame, which is stored as transparent and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

MOST_COLOURS = 255  # the 256th is the transparent one
SAMPLED, SAMPLES = 48, 3000  # frames at most from which the palette is made, and pixels of each
NEAREST = 6  # colours of the palette that are tried as one of the two, for each colour of the picture
NOISE = 0.4  # how much the unevenness of a mixture counts against being off in colour
CELL_BITS = 6  # a channel: the two colours are chosen for cells of 4 levels, their shares for each pixel
CELL = 8 - CELL_BITS


@dataclass
class Held:
    """A picture in which a pixel keeps its colour until it has moved by more than `tolerance` levels in a channel."""

    tolerance: int
    pixels: Pixels | None = None

    def follow(self, frame: Pixels) -> Pixels:
        """Take the next frame, uint8 [H, W, 3]. The result, of the same shape, is changed by the next call."""
        if self.pixels is None:
            self.pixels = frame.copy()
        moved = cv2.absdiff(frame, self.pixels).max(2) > self.tolerance
        self.pixels[moved] = frame[moved]
        return self.pixels


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


@dataclass
class Mixer:
    """Gives each pixel one of two colours of `palette`, uint8 [n, 3], whose mixture comes close to its own."""

    palette: Pixels
    _pairs: NDArray[np.uint8] = field(init=False)
    _known: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        cells = 1 << 3 * CELL_BITS
        self._pairs = np.zeros((cells, 2), np.uint8)
        self._known = np.zeros(cells, bool)

    def indices(self, frame: Pixels) -> Pixels:
        """Places in the palette, uint8 [H, W], of a frame [H, W, 3]."""
        height, width = frame.shape[:2]
        red, green, blue = (frame[..., channel].astype(np.int32) >> CELL for channel in range(3))
        cells = (red << 2 * CELL_BITS) + (green << CELL_BITS) + blue
        missing = np.unique(cells[~self._known[cells]])
        if len(missing):
            self._pairs[missing] = self._choose(missing)
            self._known[missing] = True
        pairs = self._pairs[cells]
        colours = self.palette.astype(np.float32)
        base = colours[pairs[..., 0]]
        way = colours[pairs[..., 1]] - base
        share = np.einsum("hwc,hwc->hw", frame - base, way)
        pattern = np.tile(_bayer(), (height // 8 + 1, width // 8 + 1))[:height, :width]
        second = share > pattern * np.einsum("hwc,hwc->hw", way, way)
        return np.where(second, pairs[..., 1], pairs[..., 0])

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
    return (order + 0.5) / order.size


def coded_frames(cycle: Callable[[], Iterable[Pixels]], count: int, repeat: int, quality: int) -> Iterator[bytes]:
    """Each frame of `repeat` cycles as ffmpeg's pal8: indices, then 256 colours as BGRA, the last one transparent.

    `cycle` gives the `count` frames, uint8 [H, W, 3], anew each time; they are never collected. What is held at the
    loop's end is held at its start too: the first of two passes, which collects the colours, tells it.
    """
    held = Held(tolerance_of(quality))
    stride = -(-count // SAMPLED)
    frames = enumerate(map(held.follow, cycle()))
    mixer = Mixer(make_palette(np.concatenate([sample(frame, k) for k, frame in frames if k % stride == 0]), quality))
    table = np.zeros((256, 4), np.uint8)
    table[: len(mixer.palette), :3] = mixer.palette[:, ::-1]
    table[:MOST_COLOURS, 3] = 255
    for _ in range(repeat):
        for frame in cycle():
            yield mixer.indices(held.follow(frame)).tobytes() + table.tobytes()

"""A generator's frame at the photo's size (DeepLandscape, section 4.3): sharp where nothing moves, and where it does.

What does not move takes the photo's own detail through the guided filter, at any size of the photo. What moves is made
by the super-resolution network, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.guided import guided_lines
from cinegan_cli.nn.rrdb import SCALE, SuperResolver

RADIUS = 4  # of the guided filter, in pixels of the frame
EPSILON = 2e-4  # variance of the photo, in [0, 1]², below which its contrast is left as it is
TILE, MARGIN = 64, 16  # px of the frame that the network makes at a time, and what it sees around them
MASK_SIDE = 960  # px: the long side at which masks are computed, as in the release


def super_resolved(
    frame: Tensor, photo: Tensor, network: SuperResolver | None, *, moving: Tensor | None = None, tile: int = TILE
) -> Tensor:
    """One frame at the photo's size; of many use `Enlarger`, which does once what is the same for all."""
    return Enlarger(photo, network, moving=moving, tile=tile)(frame)


class Enlarger:
    """`(frame [3, h, w]) -> [3, H, W]`, rgb in [0, 1]; the frames of one photo [3, H, W], which they resemble.

    `moving` [H, W] in [0, 1] is the share of each pixel that moves: by default what the network's own masks say,
    nothing where it has none. Without a network what moves is enlarged smoothly, for want of better. A frame that is
    the photo, shrunk, gives exactly the photo where nothing moves. Memory is bounded by `tile`, whatever the size.
    """

    def __init__(
        self, photo: Tensor, network: SuperResolver | None, *, moving: Tensor | None = None, tile: int = TILE
    ) -> None:
        self._photo, self._network, self._moving, self._tile = photo, network, moving, tile
        self._size = (0, 0)
        self._low = self._reference = self._masks = photo  # of frames of that size, once there is one

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> Tensor:
        if self._size != frame.shape[1:]:
            self._prepare((frame.shape[1], frame.shape[2]))
        still = self._still(frame)
        if self._moving is None or not bool(self._moving.any()):
            return still
        return torch.lerp(still, self._made(frame), self._moving).clamp_(0, 1)

    def _prepare(self, size: tuple[int, int]) -> None:
        """The photo at the frames' size and at that of the network's pictures, and the masks."""
        self._size = size
        self._low = resized(self._photo, size)
        if self._network is None:
            return
        self._reference = resized(self._photo, (SCALE * size[0], SCALE * size[1])).clamp_(0, 1)
        self._masks = self._masks_of(self._reference)
        if self._moving is None:
            self._moving = resized(1 - self._masks[:1], self._photo.shape[1:])[0].clamp_(0, 1)

    def _masks_of(self, reference: Tensor) -> Tensor:
        """What the network wants to know of the reference: [2, 4 h, 4 w]."""
        assert self._network is not None
        size = (reference.shape[1], reference.shape[2])
        if self._network.binary_mask is None:
            moving = reference.new_zeros(self._photo.shape[1:]) if self._moving is None else self._moving
            return 1 - resized(moving.expand(2, -1, -1), size).clamp_(0, 1)
        shrunk = min(1.0, MASK_SIDE / max(size))
        seen = resized(reference, (round(size[0] * shrunk), round(size[1] * shrunk))).clamp_(0, 1)
        return resized(self._network.masks(seen[None])[0], size)

    def _still(self, frame: Tensor) -> Tensor:
        """The photo, locally brought to the frame's colours: a frame in another light keeps all detail."""
        lines = guided_lines(self._low[None], (frame - self._low)[None], RADIUS, EPSILON)
        slope, offset = (
            F.interpolate(line, self._photo.shape[1:], mode="bilinear", align_corners=False)[0] for line in lines
        )
        return torch.addcmul(self._photo + offset, slope, self._photo).clamp_(0, 1)

    def _made(self, frame: Tensor) -> Tensor:
        """What moves, [3, H, W]: by the network, tile by tile, where anything does."""
        if self._network is None:
            return resized(frame, self._photo.shape[1:])
        assert self._moving is not None
        wanted = F.adaptive_max_pool2d(self._moving[None, None], frame.shape[1:])[0, 0] > 0
        large = resized(frame, self._reference.shape[1:])
        for inner, outer in tiles(frame.shape[1], frame.shape[2], self._tile):
            if bool(wanted[inner].any()):
                given = (_cut(part, _enlarged(outer))[None] for part in (self._reference, self._masks))
                made = self._network(_cut(frame, outer)[None], *given)[0]
                _cut(large, _enlarged(inner)).copy_(_cut(made, _enlarged(_within(inner, outer))))
        return resized(large, self._photo.shape[1:])


Place = tuple[slice, slice]  # rows, columns


def tiles(height: int, width: int, side: int) -> Iterator[tuple[Place, Place]]:
    """Yield squares of `side` that cover a picture, each alone and with a margin, both cut at the border."""
    for y in range(0, height, side):
        for x in range(0, width, side):
            inner = slice(y, min(y + side, height)), slice(x, min(x + side, width))
            yield inner, (_widened(inner[0], height), _widened(inner[1], width))


def _widened(part: slice, end: int) -> slice:
    return slice(max(0, part.start - MARGIN), min(end, part.stop + MARGIN))


def _within(inner: Place, outer: Place) -> Place:
    """Where `inner` is in what was cut at `outer`."""
    rows, columns = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
    return rows, columns


def _cut(picture: Tensor, place: Place) -> Tensor:
    return picture[:, place[0], place[1]]


def resized(picture: Tensor, size: tuple[int, ...] | torch.Size) -> Tensor:
    """[C, h, w] → [C, *size], bicubic, averaged over what one pixel covers; may leave the range a little."""
    if picture.shape[1:] == torch.Size(size):
        return picture.clone()
    return F.interpolate(picture[None], tuple(size), mode="bicubic", align_corners=False, antialias=True)[0]


def _enlarged(place: Place) -> Place:
    rows, columns = (slice(SCALE * part.start, SCALE * part.stop) for part in place)
    return rows, columns

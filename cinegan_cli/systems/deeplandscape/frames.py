"""The generator's frames at the photo's size: what it paints changes, the photo's own detail rides along.

The generator is small beside a photo. Frame t of the moving layer is its picture, enlarged, plus what it leaves out of
the photo, warped as every system's bands are; at t = 0 both add up to the photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.stages.bands import pull_push, pyramid
from cinegan_cli.stages.warp import warped_frames
from cinegan_cli.systems.deeplandscape.codes import Codes
from cinegan_cli.systems.deeplandscape.superres import resized
from cinegan_cli.types import Motion

MOST_CELLS = 12  # of the coarsest map, along the longer side: a 3:1 panorama; wider photos are squeezed into that

Enlarge = Callable[[Tensor], Tensor]  # a frame [3, h, w] → [3, H, W], in about [0, 1]


def grid_of(width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of the coarsest maps for a picture: 4 on its short side, its aspect to a quarter on the other."""
    long = min(MOST_CELLS, max(4, round(4 * max(width, height) / min(width, height))))
    return (4, long) if width >= height else (long, 4)


def at_generator_size(photo: Tensor, grid: tuple[int, int], levels: int) -> Tensor:
    """A picture [3, H, W] in [0, 1] as the generator makes it: [1, 3, rows, columns] in [-1, 1]."""
    size = (grid[0] << (levels - 1), grid[1] << (levels - 1))
    return F.interpolate(photo[None], size, mode="bilinear", align_corners=False, antialias=True) * 2 - 1


def enlarged(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    """A generator's [1, 3, h, w] in [-1, 1] → [3, *size] in about [0, 1]."""
    return resized(picture[0] * 0.5 + 0.5, size)


def painted(generator: Generator, codes: Codes, dynamic: Iterator[list[Tensor]]) -> Iterator[Tensor]:
    """Yield the generator's picture [3, h, w] of every frame, in about [0, 1], with its dynamic maps."""
    for maps in dynamic:
        yield generator.synthesize(codes.w, codes.static, maps)[0] * 0.5 + 0.5


def layer_frames(
    layer: Tensor,
    pictures: Iterator[Tensor],
    known: Tensor,
    motion: Motion,
    region: Tensor,
    render: RenderConfig,
    enlarge: Enlarge,
    *,
    kept: float = 1.0,
) -> Iterator[Tensor]:
    """Yield the moving layer [3, H, W] of every frame: what is painted, and the detail that rides along.

    `layer` [3, H, W] is that of frame 0; `kept` is the share of its finest texture that it has left.

    `known` float32 [H, W] is 1 where the `pictures` [3, h, w] show the moving layer; elsewhere, behind what stands
    before it, they are filled from there, as the layer itself is. `region` uint8 [H, W] is 1 where it is seen.
    """
    whole = (enlarge(_behind(picture, known)) for picture in pictures)
    first = next(whole)
    detail = layer - first
    warped = warped_frames(detail, pyramid(detail), motion, region, render, kept=kept)
    yield first + next(warped)
    for picture, moved in zip(whole, warped, strict=True):
        yield picture.add_(moved)


def _behind(picture: Tensor, known: Tensor) -> Tensor:
    """A picture [3, h, w] where it is known, and filled from there."""
    share = F.interpolate(known[None, None], picture.shape[1:], mode="area")[0, 0]
    there = (share > 0.99).float()
    if not bool(there.any()) or bool(there.all()):
        return picture
    return pull_push(picture, there).to(picture)

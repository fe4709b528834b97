"""What an inversion wants: the photo, whole or seen through a mask, and how far a picture is from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.systems.deeplandscape.variants import Variant


@dataclass(frozen=True)
class Objective:
    """The photo seen through a window, and which maps may change for it.

    `photo` [1, 3, H, W] in [-1, 1], already multiplied by `window` [1, 1, H, W] in {0, 1} (None: all of it); `seen`
    are its features. `static`, `dynamic`: whether those maps may change at all. `cells`, where there are any, are 1
    [1, 1, h, w] in the cells that may, level by level.
    """

    perceptual: Perceptual
    photo: Tensor
    window: Tensor | None
    seen: tuple[Tensor, ...]
    static: bool = True
    dynamic: bool = True
    cells: tuple[Tensor, ...] = ()

    def losses(self, made: Tensor) -> tuple[Tensor, Tensor]:
        """L1 and perceptual distance, not weighted, of a picture [1, 3, H, W]; what the window hides counts as grey."""
        if made.shape != self.photo.shape:
            raise ValueError(
                f"photo must be {tuple(made.shape)} as the generator's pictures, got {tuple(self.photo.shape)}"
            )
        if self.window is not None:
            made = made * self.window
        distance = (made - self.photo).abs().mean()
        return distance, self.perceptual(made, self.seen).sum()


def objectives_of(perceptual: Perceptual, photo: Tensor, way: Variant, still: Tensor | None) -> tuple[Objective, ...]:
    """What the steps of a variant want in turn: the whole photo, or what moves and then what is still.

    Raises ValueError where the variant needs `still` [1, 1, H, W] and has none, or one of another size.
    """
    if not way.routed:
        return (_seen_through(perceptual, photo, None),)
    if still is None or still.shape[2:] != photo.shape[2:]:
        shape = None if still is None else tuple(still.shape)
        raise ValueError(f"{way.name}: still must be [1, 1, {photo.shape[2]}, {photo.shape[3]}], got {shape}")
    still = still.to(photo.dtype)
    return (
        _seen_through(perceptual, photo, 1 - still, static=False),
        _seen_through(perceptual, photo, still, dynamic=False),
    )


def apart(objectives: Sequence[Objective], levels: Sequence[Tensor]) -> tuple[Objective, ...]:
    """The same without those that see nothing; each may change only the cells that lie mostly in its window.

    `levels` are maps of the sizes that count, coarse to fine. Every cell belongs to one objective.
    """
    if len(objectives) < 2:
        return tuple(objectives)
    still = objectives[1].window
    assert still is not None
    land = [(F.adaptive_avg_pool2d(still, (level.shape[2], level.shape[3])) > 0.5).to(still.dtype) for level in levels]
    sky = [1 - cells for cells in land]
    divided = [replace(one, cells=tuple(cells)) for one, cells in zip(objectives, (sky, land), strict=True)]
    return tuple(one for one in divided if one.window is not None and bool(one.window.any()))


@torch.no_grad()
def _seen_through(
    perceptual: Perceptual, photo: Tensor, window: Tensor | None, *, static: bool = True, dynamic: bool = True
) -> Objective:
    photo = photo.detach() if window is None else photo.detach() * window
    return Objective(perceptual, photo, window, tuple(perceptual.activations(photo)), static, dynamic)

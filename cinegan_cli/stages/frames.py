"""Warped pictures → frames: Eq. 4, written so that static pixels and frame 0 are the photo's own bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.types import LayerFrame, Mask, Warped

MATTE_REACH = 2  # px around a pixel in which the mask's largest value counts as "all of it moves"


def matte(mask: Mask) -> Tensor:
    """How much of each pixel belongs to the moving layer, float32 [H, W] in [0, 1].

    A grey area of the mask moves as a whole, slower; only beside static pixels is a grey value a partly covered pixel.
    So a mask is divided by its largest value nearby.
    """
    return mask.alpha / ops.dilate(mask.alpha, MATTE_REACH).clamp(min=1e-6)


def composite(layers: Iterable[LayerFrame], coverage: Tensor) -> Iterator[Tensor]:
    """Yield frames uint8 [H, W, 3]: `static + S ⊙ (warped - unwarped)`, with `coverage` [H, W] as S.

    Where the moving layer is the photo, this is Eq. 4, `S ⊙ warped + (1 - S) ⊙ I`. Beside a silhouette, where a pixel
    mixes both, it moves only the moving part and leaves the rest in place, and frame 0 is the photo whatever S is.
    Pixels with S = 0 are copied.
    """
    unwarped = anchor = None
    for layer in layers:
        if layer.unwarped is not None:
            unwarped, anchor = layer.unwarped, None
        assert unwarped is not None or anchor is not None, "the first frame must say what its layer is unwarped"
        if isinstance(layer.warped, Warped):
            if unwarped is not None:
                anchor = ops.anchor_of(layer.static, coverage, unwarped)
                unwarped = None
            yield ops.render(layer.warped.levels, layer.warped.parts, photo=layer.static, anchor=anchor)
        else:
            assert unwarped is not None
            yield ops.composite(layer.static, coverage, layer.warped, unwarped)


class _Download:
    """Page-locked memory that one frame at a time is copied to by the card itself, while the host does other work."""

    def __init__(self, frame: Tensor) -> None:
        self._memory = torch.empty(frame.shape, dtype=frame.dtype, pin_memory=True)
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def start(self, frame: Tensor) -> None:
        self._memory.copy_(frame, non_blocking=True)
        self._done.record()

    def finish(self) -> NDArray[np.uint8]:
        """The frame, for the caller to keep."""
        self._done.synchronize()
        return self._memory.numpy().copy()


def on_host(frames: Iterable[Tensor]) -> Iterator[NDArray[np.uint8]]:
    """Yield the same frames as arrays.

    A frame on a card is handed out when the next one has been asked of it: the card computes that while this one is
    copied and used. Two buffers take turns.
    """
    buffers: list[_Download] = []
    started = 0
    for frame in frames:
        if not frame.is_cuda:
            yield frame.numpy()
            continue
        if len(buffers) < 2:
            buffers.append(_Download(frame))
        buffers[started % 2].start(frame)
        started += 1
        if started > 1:
            yield buffers[started % 2].finish()
    if started:
        yield buffers[(started - 1) % 2].finish()

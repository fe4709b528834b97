"""The motion as bytes, for the page's own preview."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cinegan_cli.types import Motion


def packed(motion: Motion, aspect: float) -> bytes:
    """Little endian: uint32 h, w; float16 x and y [h, w], widths of the photo per second; uint8 [h, w] each of cycles,
    ripple * 255, nearness * 255 and kinds. `aspect` is the photo's height over its width.
    """
    height, width = motion.velocity.shape[1:]
    velocity = motion.velocity * torch.tensor([1 / width, aspect / height])[:, None, None]
    planes = (
        torch.ones(height, width) if motion.cycles is None else motion.cycles,
        *(torch.zeros(height, width) if share is None else share * 255 for share in (motion.ripple, motion.nearness)),
        torch.zeros(height, width) if motion.kinds is None else motion.kinds,
    )
    head = np.array([height, width], "<u4").tobytes()
    return head + velocity.numpy().astype("<f2").tobytes() + b"".join(_bytes_of(plane) for plane in planes)


def _bytes_of(plane: Tensor) -> bytes:
    return plane.float().round().clamp(0, 255).to(torch.uint8).numpy().tobytes()

"""Sample pictures of motion training."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.stages.motion import colour_wheel
from cinegan_cli.types import Motion


def sheet(photos: Tensor, made: Tensor, wanted: Tensor, arrows: Tensor | None) -> NDArray[np.uint8]:
    """Rows of photo [3, s, s], flow and true flow [2, s, s] as colour wheels: uint8 [h, w, 3]."""
    rows = []
    for n in range(len(photos)):
        photo = (photos[n].cpu().permute(1, 2, 0).clamp(0, 1) * 255).to(torch.uint8).numpy().copy()
        if arrows is not None:
            photo[arrows[n].cpu().numpy() > 0] = (255, 0, 0)
        wheels = [colour_wheel(Motion(f[n].float().cpu(), "predicted"), arrows=False).numpy() for f in (made, wanted)]
        rows.append(np.hstack([photo, *wheels]))
    return np.vstack(rows)

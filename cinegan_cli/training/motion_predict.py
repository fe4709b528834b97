"""What the compact motion network says about a whole picture, and what is true."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.nn.motion_net import MotionNet
from cinegan_cli.training.motion_data import Array, Example, centred, placed


@torch.no_grad()
def predict(net: MotionNet, example: Example, hints: Array | None = None) -> Array:
    """Velocity [2, s, s] in the network's square, relative to the arrows `hints` [3, s, s] or to the mean."""
    side = net.config.side
    height, width = example.photo.shape[:2]
    scene, _ = placed(example, centred(width, height, side), side)
    arrows = np.zeros((3, side, side), np.float32) if hints is None else hints
    device = next(net.parameters()).device
    given = (torch.from_numpy(a)[None].to(device) for a in (scene, arrows))
    return np.asarray(net(*given)[0].float().cpu().numpy())


def truth(example: Example, side: int) -> tuple[Array, NDArray[np.bool_]]:
    """The true velocity [2, s, s] in the square, and where it moves."""
    height, width = example.photo.shape[:2]
    scene, velocity = placed(example, centred(width, height, side), side)
    return velocity, np.asarray(scene[3] + scene[4] > 0.5)

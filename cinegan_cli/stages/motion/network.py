"""Motion by the network that `cinegan train motion` makes, steered by arrows (`--motion-network`)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models import load_strictly, read_bundle, require_finite, unpack
from cinegan_cli.nn.motion_net import MotionNet, MotionNetConfig
from cinegan_cli.session import Session
from cinegan_cli.stages.motion.hints import Marks
from cinegan_cli.stages.motion.texture import Array

KIND = "compact motion"  # of the weights file
ARROW_RADIUS = 0.012  # of the side: half the width of a drawn arrow


def read_motion_net(path: Path, session: Session) -> MotionNet:
    """The network in a file that `cinegan train motion` wrote, on the CPU.

    Raises ModelMissingError when there is none, InputError when it is damaged or something else.
    """
    return session.opened("motion", path, lambda: _load(path))


def _load(path: Path) -> MotionNet:
    bundle = read_bundle(path, KIND)
    require_finite("motion network", bundle.tensors, path)
    try:
        net = MotionNet(MotionNetConfig(tuple(bundle.config["widths"]), int(bundle.config["side"])))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not of a known form ({error}); train it again") from error
    load_strictly(net, unpack(bundle.tensors), path)
    return net.eval()


def compact_velocity(
    net: MotionNet, photo: NDArray[np.uint8], shares: tuple[Array, Array], marks: Marks | None, speed: float
) -> Tensor:
    """Velocity [2, h, w], cells per second, of a photo uint8 [H, W, 3] of any size.

    `shares`: sky and water [h, w], how much of each cell moves as that. `marks` are the arrows on the same cells; their
    mean speed is the unit of what the network says. Without arrows the unit is `speed`, cells per second.
    """
    height, width = shares[0].shape
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    side = net.config.side
    matrix = centred(width, height, side)
    scene = mapped(scene_channels(np.asarray(small, np.uint8), *shares), matrix, side)  # [s, s, 8]
    hints = np.zeros((side, side, 3), np.float32)
    if marks is not None and (marks.weight > 0).any():
        values, distance = marks.spread(marks.weight > 0)
        near = distance <= ARROW_RADIUS * max(height, width)
        drawn = np.dstack([*values, np.ones_like(distance)]) * near[..., None]
        speed = float(np.hypot(*marks.values)[marks.weight > 0].mean())
        drawn /= np.array([speed, speed, 1], np.float32)
        hints = np.asarray(cv2.warpAffine(drawn, matrix, (side, side), flags=cv2.INTER_NEAREST), np.float32)
    with torch.inference_mode():
        inputs = (torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None] for x in (scene, hints))
        made = net(*inputs)[0].permute(1, 2, 0).numpy()  # [s, s, 2]
    back = cv2.warpAffine(
        made, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return torch.from_numpy(np.ascontiguousarray(back.transpose(2, 0, 1))) * speed


def scene_channels(photo: NDArray[np.uint8], sky: Array, water: Array) -> Array:
    """What the network is shown of a picture [h, w, 3], [h, w, 8]: colours, sky, water, inside, x and y."""
    height, width = sky.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    places = np.stack([2 * (x + 0.5) / width - 1, (y + 0.5) / height], -1)
    return np.dstack([photo.astype(np.float32) / 255, sky, water, np.ones_like(x), places])


def centred(width: int, height: int, side: int) -> NDArray[np.float64]:
    """The map of a picture into the middle of the square, [2, 3], px centres at integers."""
    scale = side / max(width, height)
    left, top = (side - scale * width) / 2, (side - scale * height) / 2
    return np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2]])


def mapped(layers: Array, matrix: NDArray[np.float64], side: int) -> Array:
    """[h, w, C] under the map, 0 outside: [s, s, C]; four channels at a time, which is what OpenCV takes."""
    parts = [
        cv2.warpAffine(np.ascontiguousarray(layers[..., k : k + 4]), matrix, (side, side), flags=cv2.INTER_LINEAR)
        for k in range(0, layers.shape[2], 4)
    ]
    return np.dstack(parts).astype(np.float32)

"""What a mask network sees in a photo, the shipped one or another: probabilities of static, sky and water."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models import load_strictly, read_bundle, require_finite, unpack
from cinegan_cli.nn.segmentation import SegmentationNet, network_of, network_size
from cinegan_cli.ops import side_by_side
from cinegan_cli.session import Session

# sizes over the trained one: held-out photos gain 1.3 % of mean IoU at 1.5, and little more at 1.75
_SCALES = (1.25, 1.5)
WEIGHTS = Path(__file__).parents[2] / "weights" / "mask.safetensors"


def predict(picture: Tensor, *, session: Session, weights: Path = WEIGHTS) -> Tensor:
    """Probabilities [3, h, w] of (static, sky, water), float32 on the CPU, at half the largest input's size.

    picture: uint8 [H, W, 3] RGB, any size. Mean over the members of the ensemble and over the mirrored picture.
    The same bits for any number of CPU threads.
    Raises ModelMissingError when `weights` is not there, InputError when it is damaged or something else.
    """
    jobs: list[Callable[[], Tensor]] = []
    for net in read_networks(weights, session):
        for scale in _SCALES:
            rgb = network_input(picture, round(scale * net.config.side)).to(session.device)
            jobs += [partial(_look, net, rgb, mirrored) for mirrored in (False, True)]
    seen = side_by_side(jobs) if session.device.type == "cpu" else [job() for job in jobs]
    size = max((p.shape[1:] for p in seen), key=sum)
    # `antialias` changes nothing about an enlargement, but the bits of the other kernel depend on the threads
    alike = [F.interpolate(p[None], size=size, mode="bilinear", antialias=True)[0] for p in seen]
    return torch.stack(alike).mean(0)


def read_networks(weights: Path, session: Session) -> tuple[SegmentationNet, ...]:
    """The ensemble in a file. Raises ModelMissingError when there is none, InputError when it is something else."""
    return session.opened("mask", weights, lambda: _load(weights, session.device))


def _look(net: SegmentationNet, rgb: Tensor, mirrored: bool) -> Tensor:
    """Probabilities [3, h, w] of one network for rgb [1, 3, H, W], or for its mirror image, turned back."""
    with torch.inference_mode():
        logits = net(rgb.flip(3) if mirrored else rgb).float()
        seen: Tensor = logits.softmax(1).cpu()[0]
    return seen.flip(2) if mirrored else seen


def network_input(picture: Tensor, side: int) -> Tensor:
    """uint8 [H, W, 3] → float32 [1, 3, h, w] in [0, 1], area-averaged, `side` on the long side, multiples of 32."""
    height, width = picture.shape[:2]
    size = network_size(width, height, side)
    shrinks = size[0] < width or size[1] < height
    small = cv2.resize(picture.numpy(), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))[None].float() / 255


def _load(weights: Path, device: torch.device) -> tuple[SegmentationNet, ...]:
    bundle = read_bundle(weights, "mask")
    require_finite("mask network", bundle.tensors, weights)
    members = []
    try:
        count, config = int(bundle.config["members"]), bundle.config["network"]
        networks = [network_of(config) for _ in range(count)]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{weights}: not of a known form ({error}); train it again") from error
    for k, net in enumerate(networks):
        own = {name.split(".", 1)[1]: t for name, t in bundle.tensors.items() if name.startswith(f"{k}.")}
        load_strictly(net, unpack(own), weights)
        members.append(net.eval().requires_grad_(False).to(device))
    return tuple(members)

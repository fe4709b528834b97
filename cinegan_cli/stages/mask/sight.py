"""What the seer, the shipped one or another, sees in a photo."""

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
from cinegan_cli.nn.seer import Seer, network_size, seer_of
from cinegan_cli.ops import side_by_side
from cinegan_cli.session import Session
from cinegan_cli.types import Sight

_SCALES = (1.0, 1.6)  # sizes over the network's own
WATER_GAIN = 1.6  # odds of water against static, over those that the network says
SEER = "seer"  # kind of its weights file
WEIGHTS = Path(__file__).parents[2] / "weights" / "seer.safetensors"


def see(picture: Tensor, *, session: Session, weights: Path = WEIGHTS) -> Sight:
    """What is in a picture, uint8 [H, W, 3] RGB of any size; float32 on the CPU, at a quarter of the largest input.

    Mean over the members of the file, over two sizes and over the mirrored picture. The same bits for any number of CPU
    threads. Raises ModelMissingError when `weights` is not there, InputError when it is damaged or something else.
    """
    jobs: list[Callable[[], Tensor]] = []
    for net in read_seers(weights, session):
        for scale in _SCALES:
            rgb = network_input(picture, round(scale * net.config.side)).to(session.device)
            jobs += [partial(_look, net, rgb, mirrored) for mirrored in (False, True)]
    seen = side_by_side(jobs) if session.device.type == "cpu" else [job() for job in jobs]
    size = max((s.shape[1:] for s in seen), key=sum)
    # `antialias` changes nothing about an enlargement, but the bits of the other kernel depend on the threads
    alike = [F.interpolate(s[None], size=size, mode="bilinear", antialias=True)[0] for s in seen]
    mean = torch.stack(alike).mean(0)
    return Sight(_calibrated(mean[:10]), mean[10:12], mean[12:14], mean[14].exp())


def _calibrated(kinds: Tensor) -> Tensor:
    """Probabilities [10, h, w] in which water counts more against "static": the seer was taught little fast water.

    Sky keeps its ratio to both (`docs/measurements.md`, Clean-up).
    """
    water, sky = kinds[3:].sum(0), kinds[1:3].sum(0)
    share = water / (water + sky).clamp(min=1e-6)
    static = kinds[0] * (1 - share * (1 - 1 / WATER_GAIN))
    balanced = torch.cat([static[None], kinds[1:]])
    return balanced / balanced.sum(0)


def three_ways(sight: Sight) -> Tensor:
    """Probabilities [3, h, w] of static, sky (with fog) and water."""
    kinds = sight.kinds
    return torch.stack([kinds[0], kinds[1] + kinds[2], kinds[3:].sum(0)])


def placed(sight: Sight, size: tuple[int, int], inner: tuple[int, int, int, int]) -> Sight:
    """The sight of the part `inner` (left, top, right, bottom) of a picture of `size`; around it nothing moves."""
    left, top, right, bottom = inner
    height, width = sight.pace.shape
    rows, columns = height / (bottom - top), width / (right - left)
    whole = (round(rows * size[1]), round(columns * size[0]))
    if whole == (height, width):
        return sight
    place = (..., slice(round(top * rows), round(top * rows) + height), slice(round(left * columns), None))

    def put(part: Tensor, around: float = 0.0) -> Tensor:
        out = torch.full((*part.shape[:-2], *whole), around)
        target = out[place][..., :width]
        target.copy_(part[..., : target.shape[-2], : target.shape[-1]])
        return out

    kinds = put(sight.kinds)
    kinds[0] += 1 - kinds.sum(0)
    return Sight(kinds, put(sight.heading), put(sight.axis), put(sight.pace, 1e-3))


def read_seers(weights: Path, session: Session) -> tuple[Seer, ...]:
    """The members of a file. Raises ModelMissingError when there is none, InputError when it is something else."""
    return session.opened("seer", weights, lambda: _load(weights, session.device))


def network_input(picture: Tensor, side: int) -> Tensor:
    """uint8 [H, W, 3] → float32 [1, 3, h, w] in [0, 1], area-averaged, `side` on the long side, multiples of 32."""
    height, width = picture.shape[:2]
    size = network_size(width, height, side)
    shrinks = size[0] < width or size[1] < height
    small = cv2.resize(picture.numpy(), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    rgb = torch.from_numpy(np.ascontiguousarray(small))[None].float() / 255
    return rgb.permute(0, 3, 1, 2)  # channels last


def _look(net: Seer, rgb: Tensor, mirrored: bool) -> Tensor:
    """[15, h, w]: probabilities of kinds, heading, axis, ln pace for rgb [1, 3, H, W], or of its mirror image."""
    with torch.inference_mode():
        seen = net(rgb.flip(3) if mirrored else rgb)
        parts = torch.cat((seen.kinds.float().softmax(1), seen.heading, seen.axis, seen.pace), 1)[0].float().cpu()
        if mirrored:
            parts = parts.flip(2)
            parts[[10, 13]] *= -1  # x of the heading, sin 2θ of the axis
        return parts


def _load(weights: Path, device: torch.device) -> tuple[Seer, ...]:
    bundle = read_bundle(weights, SEER)
    require_finite("seer", bundle.tensors, weights)
    members = []
    try:
        networks = [seer_of(bundle.config["network"]) for _ in range(int(bundle.config["members"]))]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{weights}: not of a known form ({error}); train it again") from error
    for k, net in enumerate(networks):
        own = {name.split(".", 1)[1]: t for name, t in bundle.tensors.items() if name.startswith(f"{k}.")}
        load_strictly(net, unpack(own), weights)
        members.append(net.eval().requires_grad_(False).to(device=device).to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return tuple(members)

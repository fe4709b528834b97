"""The moving layer of a photo: filled behind what is static, freed of rounding, and the texture that costs."""

from __future__ import annotations

import torch
from torch import Tensor

from cinegan_cli import ops
from cinegan_cli.stages.bands.fill import pull_push
from cinegan_cli.stages.bands.inflow import continue_inflow
from cinegan_cli.stages.bands.pyramid import _soften, low_pass, upsample
from cinegan_cli.types import Mask, Motion, Photo

ROUNDING_SLACK = 0.25 / 255  # how far `dequantise` may move a value off its whole level
EDGE_WIDTH = 2  # px beside a silhouette that lens and sharpening have mixed with the static side


def moving_layer(photo: Photo, mask: Mask, motion: Motion | None = None) -> Tensor:
    """The photo as if nothing static stood before the moving area: float32 [3, H, W].

    Without it static colours bleed into what moves along the mask's edge (halo), and what drifts out from behind a
    mountain would be mountain. Pixels well inside the moving area are the photo's own; the others are filled from them:
    smoothly, and with their texture where the `motion`, if it is given, brings it into the moving area.
    """
    known = (mask.alpha > 0.98).to(torch.float32)  # [H, W]
    known = 1 - ops.dilate(1 - known, EDGE_WIDTH)
    if bool((known == 1).all()) or not bool(known.any()):
        return photo.pixels
    smooth = pull_push(photo.pixels, known).to(photo.pixels.device)
    if motion is not None:
        smooth = continue_inflow(smooth, known, (mask.alpha == 0).to(known.dtype), motion.velocity)
    return torch.where(known.bool(), photo.pixels, smooth, out=smooth)


def dequantise(layer: Tensor) -> Tensor:
    """`layer` [3, H, W], each value moved a little towards its surroundings: it still rounds to the same byte.

    A photo lies exactly on whole levels, as far from the next as can be, so a nearly smooth sky moving by fractions of
    a level stands still around frame 0. What this takes of the finest texture the renderer brings back once the layer
    moves (`texture_kept`). How far a value may be moved: `docs/measurements.md`, The moving layer.
    """
    out = torch.empty_like(layer)
    for plane, smooth in zip(layer, out, strict=True):  # one channel at a time, for the memory
        change = (_soften(_soften(plane[None]))[0] - plane).clamp_(-ROUNDING_SLACK, ROUNDING_SLACK)
        torch.add(plane, change, out=smooth)
    return out


def texture_kept(smooth: Tensor, layer: Tensor, region: Tensor) -> float:
    """What `dequantise` has left of the finest band's mean strength where `region` [H, W] is 1: at most 1."""
    before, after = (ops.total((_finest(image) * region).abs()) for image in (layer, smooth))
    return min(1.0, after / before) if before > 0 else 1.0


def _finest(image: Tensor) -> Tensor:
    """The finest band of the picture in grey, [1, H, W]."""
    grey = image.mean(0, keepdim=True)
    half = ((grey.shape[1] + 1) // 2, (grey.shape[2] + 1) // 2)
    return grey - upsample(low_pass(grey, half), (grey.shape[1], grey.shape[2]))

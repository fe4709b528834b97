"""Photo → bands: RGB contributions, coarse to fine, whose upsampled sum is the picture.

Here the bands are the Laplacian pyramid of the photo's moving layer: exact, at any size, without weights
(`spec/stylecinegan.md`, section 3.2). A generator's toRGB contributions are the same object.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.stages.fill import pull_push
from cinegan_cli.types import Bands, Mask, Photo

COARSEST_SIDE = 32  # px of the shortest side of the coarsest band: what is averaged, not contrast-preserved
ROUNDING_SLACK = 0.25 / 255  # how far a value may be moved off its whole level; `dequantise` says why
EDGE_WIDTH = 2  # px beside a silhouette that lens and sharpening have mixed with the static side


def upsample(band: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres: [C, h, w] → [C, *size]. StyleGAN2's [1, 3, 3, 1] upsampling, borders aside."""
    return F.interpolate(band[None], size=size, mode="bilinear", align_corners=False)[0]


def pyramid(image: Tensor) -> Bands:
    """Laplacian pyramid of `image` float32 [3, H, W]; `collapse` gives the image back to float rounding.

    Levels halve (rounding up) while the shortest side stays at least `COARSEST_SIDE`. The low-pass is the binomial
    [1, 5, 10, 10, 5, 1] / 32: with the plain [1, 3, 3, 1] bands alias, and what aliased shows once bands move.
    """
    fine_to_coarse: list[Tensor] = []
    while min(image.shape[1:]) >= 2 * COARSEST_SIDE:
        half = ((image.shape[1] + 1) // 2, (image.shape[2] + 1) // 2)
        low = low_pass(image, half)
        fine_to_coarse.append(image - upsample(low, (image.shape[1], image.shape[2])))
        image = low
    return Bands((image, *reversed(fine_to_coarse)))


def low_pass(image: Tensor, size: tuple[int, int]) -> Tensor:
    """[C, H, W] → [C, *size], about half as large: the coarser level under a band."""
    return F.interpolate(_soften(image)[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _soften(image: Tensor) -> Tensor:
    """[1, 2, 1] / 4 along both axes, borders repeated: [C, H, W]. With the halving's [1, 3, 3, 1] the binomial."""
    for axis in (1, 2):
        n = image.shape[axis]
        before = torch.cat([image.narrow(axis, 0, 1), image.narrow(axis, 0, n - 1)], dim=axis)
        after = torch.cat([image.narrow(axis, 1, n - 1), image.narrow(axis, n - 1, 1)], dim=axis)
        image = (before + after).add_(image, alpha=2).mul_(0.25)
    return image


def collapse(bands: Bands) -> Tensor:
    """The picture [3, H, W] that the bands add up to."""
    image = bands.levels[0]
    for band in bands.levels[1:]:
        image = upsample(image, (band.shape[1], band.shape[2])) + band
    return image


def moving_layer(photo: Photo, mask: Mask) -> Tensor:
    """The photo as if nothing static stood before the moving area: float32 [3, H, W].

    Without it static colours bleed into what moves along the mask's edge (halo), and what drifts out from behind a
    mountain would be mountain. Pixels well inside the moving area are the photo's own; the others are filled from them.
    (Mirroring its texture into the fill was tried: 0.4 % more texture on the samples, and combs along ragged edges.)
    """
    known = (mask.alpha > 0.98).to(torch.float32)  # [H, W]
    width = 2 * EDGE_WIDTH + 1
    known = 1 - F.max_pool2d((1 - known)[None], width, stride=1, padding=EDGE_WIDTH)[0]
    if bool((known == 1).all()) or not bool(known.any()):
        return photo.pixels
    smooth = pull_push(photo.pixels, known).to(photo.pixels.device)
    return torch.where(known.bool(), photo.pixels, smooth)


def dequantise(layer: Tensor) -> Tensor:
    """`layer` [3, H, W], each value moved a little towards its surroundings: it still rounds to the same byte.

    A photo lies exactly on whole levels, as far from the next as can be, so a nearly smooth sky moving by fractions of
    a level stands still around frame 0. Measured on such a sky (0003020, 120 frames): slack in levels: step at the
    seam against the usual one, texture in mid-cycle: 0.12: 0.85, 1.02; 0.2: 0.88, 0.99; 0.25: 0.91, 0.95; 0.3: 0.93,
    0.90. What it takes of the finest texture the renderer brings back once the layer moves (`texture_kept`).
    """
    out = torch.empty_like(layer)
    for plane, smooth in zip(layer, out, strict=True):  # one channel at a time, for the memory
        change = (_soften(_soften(plane[None]))[0] - plane).clamp_(-ROUNDING_SLACK, ROUNDING_SLACK)
        torch.add(plane, change, out=smooth)
    return out


def texture_kept(smooth: Tensor, layer: Tensor, region: Tensor) -> float:
    """What `dequantise` has left of the finest band's mean strength where `region` [H, W] is 1: at most 1."""
    before, after = (float((_finest(image) * region).abs().sum()) for image in (layer, smooth))
    return min(1.0, after / before) if before > 0 else 1.0


def _finest(image: Tensor) -> Tensor:
    """The finest band of the picture in grey, [1, H, W]."""
    grey = image.mean(0, keepdim=True)
    half = ((grey.shape[1] + 1) // 2, (grey.shape[2] + 1) // 2)
    return grey - upsample(low_pass(grey, half), (grey.shape[1], grey.shape[2]))

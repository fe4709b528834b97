"""Photo → bands: RGB contributions, coarse to fine, whose upsampled sum is the picture.

Here the bands are the Laplacian pyramid of the photo's moving layer: exact, at any size, without weights
(`docs/spec/stylecinegan.md`, section 3.2). A generator's toRGB contributions are the same object.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.types import Bands

COARSEST_SIDE = 32  # px of the shortest side of the coarsest band: what is averaged, not contrast-preserved


def upsample(band: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres: [C, h, w] → [C, *size]. StyleGAN2's [1, 3, 3, 1] upsampling, borders aside.

    `antialias` changes nothing about an enlargement, but the bits of PyTorch's other kernel depend on the threads.
    """
    return F.interpolate(band[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


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
        out = image * 2
        out.narrow(axis, 1, n - 1).add_(image.narrow(axis, 0, n - 1))
        out.narrow(axis, 0, n - 1).add_(image.narrow(axis, 1, n - 1))
        for end in (0, n - 1):
            out.narrow(axis, end, 1).add_(image.narrow(axis, end, 1))
        image = out.mul_(0.25)
    return image


def collapse(bands: Bands) -> Tensor:
    """The picture [3, H, W] that the bands add up to."""
    image = bands.levels[0]
    for band in bands.levels[1:]:
        image = upsample(image, (band.shape[1], band.shape[2])) + band
    return image

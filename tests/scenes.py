"""Small scenes for the tests of the renderer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.types import Mask, Motion, Photo


def noise_photo(width: int = 96, height: int = 64, seed: int = 0) -> Photo:
    """A textured picture: noise of several scales, bytes exact."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.full((3, height, width), 0.5)
    for cells, strength in ((4, 0.03), (12, 0.06), (40, 0.1)):
        coarse = torch.randn(1, 3, cells, cells, generator=generator)
        picture = picture + strength * F.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    return photo_of((picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous())


def photo_of(pixels_u8: Tensor) -> Photo:
    """The `Photo` of uint8 [H, W, 3]."""
    height, width = pixels_u8.shape[:2]
    pixels = pixels_u8.permute(2, 0, 1).to(torch.float32).div(255).contiguous()
    return Photo(pixels, pixels_u8, (width, height), (0, 0, width, height))


def upper_half(photo: Photo) -> Mask:
    """The upper half moves."""
    width, height = photo.size
    alpha = torch.zeros(height, width)
    alpha[: height // 2] = 1
    return Mask(alpha, "given")


def drift(photo: Photo, pixels_per_second: float) -> Motion:
    """Everything to the right, on a grid of half the photo's size."""
    width, height = photo.size
    velocity = torch.zeros(2, height // 2, width // 2)
    velocity[0] = pixels_per_second / 2
    return Motion(velocity, "given")

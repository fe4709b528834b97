"""Masks as pictures: grey, and the photo tinted by what moves."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from cinegan_cli.stages.mask.make import Floats
from cinegan_cli.types import Mask, Photo


def mask_to_u8(mask: Mask) -> Tensor:
    """The mask as a grey picture, uint8 [H, W]: read back by `--mask`, it gives the same mask within 1/255."""
    return (mask.alpha * 255).round().to(torch.uint8)


def overlay(photo: Photo, mask: Mask) -> Tensor:
    """The photo with sky tinted blue, water green, anything else that moves orange, the rest darker: uint8 [H, W, 3].

    A light line runs along the outline (alpha 0.5).
    """
    pixels = photo.pixels_u8.numpy()
    alpha = mask.alpha.numpy()[:, :, None]
    tint = _tints(mask)
    moving = pixels * np.float32(0.6) + tint * np.float32(0.4)
    picture = alpha * moving + (1 - alpha) * (pixels * np.float32(0.7))
    picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    contours, _ = cv2.findContours((alpha[:, :, 0] > 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(photo.size) / 1500))
    cv2.drawContours(picture, contours, -1, (255, 255, 255), thickness)
    return torch.from_numpy(picture)


def _tints(mask: Mask) -> Floats:
    """The colour of what moves, per pixel: [H, W, 3], or [1, 1, 3] where the network did not run."""
    if mask.sky is None or mask.water is None:
        return np.array([[[255, 140, 0]]], np.float32)
    sky = (mask.sky >= mask.water).numpy()[:, :, None]
    return np.where(sky, np.array([30, 120, 255], np.float32), np.array([0, 220, 110], np.float32))

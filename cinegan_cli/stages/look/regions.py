"""Where a look applies: sky and the rest as two layers without silhouettes in them, and the water of the lower one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.session import Session
from cinegan_cli.stages.bands import pull_push
from cinegan_cli.stages.look.matte import disentangled, sky_matte
from cinegan_cli.stages.mask import clean, reassign_patches, see, three_ways
from cinegan_cli.types import Mask, Photo

LEAST = 0.004  # part of the picture below which sky counts as absent
SURE = 0.97  # share of one layer above which a pixel belongs to it alone
HORIZON_TAIL = 0.04  # part of the sky that may lie below the horizon: gaps in trees, the network's mistakes
SHORTEST_SPAN = 0.5  # height of picture, over which the sky's gradient runs at least: a strip shows only its lower part


@dataclass(frozen=True)
class Regions:
    """`sky` and `water` float32 [H, W] in [0, 1], shares of each pixel (water only where there is no sky).

    `horizon` is the row where the sky ends, `span` the rows over which its gradient runs upwards from there.
    """

    sky: Tensor
    water: Tensor
    horizon: float
    span: float

    @property
    def has_sky(self) -> bool:
        """Whether there is any sky to speak of."""
        return float(self.sky.mean()) > LEAST


def find_regions(photo: Photo, mask: Mask | None, *, session: Session) -> Regions:
    """Sky and water of the photo with its own edges: from `mask` where the network has run, else by running it."""
    sky, water = disentangled(*_seen(photo, mask, session))
    width, height = photo.size
    alpha = torch.zeros(height, width)
    if sky.mean() > LEAST:
        alpha = torch.from_numpy(sky_matte(photo.pixels_u8.numpy(), sky))
    soft = cv2.resize(water, (width, height), interpolation=cv2.INTER_LINEAR)
    wet = torch.from_numpy(np.clip(soft * 1.4 - 0.2, 0, 1)) * (1 - alpha)
    horizon = _horizon(alpha)
    return Regions(alpha, wet, horizon, max(horizon, SHORTEST_SPAN * height))


def _seen(photo: Photo, mask: Mask | None, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of sky and water, [h, w] each."""
    if mask is not None and mask.sky is not None and mask.water is not None:
        return _small(mask.sky), _small(mask.water)
    seen = three_ways(see(photo.pixels_u8, session=session)).numpy()
    return reassign_patches(seen[1], seen[2], clean(seen[1] + seen[2]))


def _small(probability: Tensor) -> np.ndarray:
    """At the clean-up's size at most: what the network knows has no finer detail."""
    height, width = probability.shape
    scale = min(1.0, 768 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(probability.cpu().numpy(), size, interpolation=cv2.INTER_AREA))


def _horizon(sky: Tensor) -> float:
    """Row above which all but a few per cent of the sky lies; 0 without sky."""
    rows = sky.sum(1).cumsum(0)
    if float(rows[-1]) <= 0:
        return 0.0
    return float((rows < (1 - HORIZON_TAIL) * rows[-1]).sum() + 1)


@dataclass(frozen=True)
class Layer:
    """One side of the silhouettes: `picture` float32 [3, h, W], rows `top`… of the photo, filled where hidden."""

    picture: Tensor
    top: int

    def rows(self, first: int, last: int) -> Tensor:
        """[3, last - first, W], rows of the photo; outside the layer its nearest row."""
        y = (torch.arange(first, last, device=self.picture.device) - self.top).clamp(0, self.picture.shape[1] - 1)
        return self.picture[:, y]


def split(pixels: Tensor, sky: Tensor) -> tuple[Layer, Layer]:
    """Sky and land, each continued a little behind the silhouettes, so that neither takes the other's colour there.

    pixels [3, H, W], sky [H, W]. Each layer has only the rows in which it shows.
    """
    return _layer(pixels, sky), _layer(pixels, 1 - sky)


def _layer(pixels: Tensor, share: Tensor) -> Layer:
    rows = torch.nonzero(share.amax(1) > 0)
    if len(rows) == 0:  # it shows nowhere; what it looks like does not matter
        return Layer(pixels, 0)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    part, own = pixels[:, top:bottom], share[top:bottom]
    if bool((own > SURE).all()):
        return Layer(part, top)
    known = 1 - F.max_pool2d((own < SURE).float()[None], 3, stride=1, padding=1)[0]
    if not bool(known.any()):
        known = own
    return Layer(torch.where(known > 0, part, pull_push(part, known).to(part.device)), top)


def shrunk(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """[C, H, W] averaged over areas to [C, *size]."""
    return F.interpolate(planes[None], size=size, mode="area")[0]

"""How DeepLandscape's tables judge: their figures done properly, or as the authors' release computes them.

As released: pictures are multiplied by the mask and averaged over the whole frame, so what is masked counts as perfect;
LPIPS is given [0, 1] where it expects [-1, 1]; pictures for FID are squeezed into [0.5, 1]; and of waters only still
ones may move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.evaluate.protocol import as_picture
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column
from cinegan_cli.measure import WINDOW, Extractor, Features, frechet_distance, measure_motion, ssim
from cinegan_cli.models import LITE_NAME, find_lpips, find_perceptual
from cinegan_cli.nn.lpips import SMALLEST_SIDE, Lpips
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.stages.video import Frame
from cinegan_cli.types import KINDS, Sight

LEAST_LITE = 32  # px: the smallest side that `LITE_NAME` takes
FEWEST_FRAMES = 3  # that show motion
RATE = 30  # frames per second of the release's clips
MOVING_KINDS = KINDS[1:]
STILL_WATERS = ("lake", "reflection")
RELEASED_KINDS = ("sky", "fog", *STILL_WATERS)  # its classes 2 and 21; sea, river and falls count as static there
COLUMNS = (
    Column("ssim", "SSIM↑", 4),
    Column("lpips", "LPIPS↓", 4),
    Column("features", f"{LITE_NAME}↓", 3),
)
FRECHET_COLUMNS = (Column("fid", "FID↓", 1), Column("frechet", f"Fréchet, {LITE_NAME}↓", 2))

Figures = dict[str, float | None]


@dataclass(frozen=True)
class LandscapeJudges:
    """What compares pictures. `stand_in` is there for want of LPIPS, of an Inception network, or of both.

    `notes` say what is used, and what is missing; `set_note` says it of the Fréchet distance.
    """

    lpips: Lpips | None
    inception: Extractor | None
    stand_in: Perceptual | None
    video: Extractor | None
    as_released: bool = False
    notes: tuple[str, ...] = ()
    set_note: str = ""

    def distances(self, made: Tensor, wanted: Tensor, still: Tensor | None = None) -> Figures:
        """SSIM and perceptual distance of pictures [3, H, W] in [0, 1], where `still` bool [H, W]; none if nowhere."""
        if still is not None and not bool(still.any()):
            return {}
        whole = still is None or self.as_released
        if still is not None:
            made, wanted = (made * still, wanted * still) if whole else (torch.where(still, made, wanted), wanted)
        weight = None if still is None or whole else still.float()
        side = min(made.shape[1:])
        figures: Figures = {}
        if side >= WINDOW:
            value = self._ssim(made, wanted, weight)
            figures["ssim"] = value if math.isfinite(value) else None  # still only at the border
        with torch.inference_mode():
            if self.lpips is not None and side >= SMALLEST_SIDE:
                pair = ((x[None] + 1) / 2 if self.as_released else x[None] for x in (made, wanted))
                figures["lpips"] = float(self.lpips(*pair, weight))
            elif self.lpips is None and self.stand_in is not None and side >= LEAST_LITE:
                figures["features"] = _feature_distance(self.stand_in, made, wanted, weight)
        return figures

    def _ssim(self, made: Tensor, wanted: Tensor, weight: Tensor | None) -> float:
        if not self.as_released:
            return ssim(made, wanted, weight)
        half = WINDOW // 2  # windows that reach beyond the border, where pictures are black
        return ssim(F.pad(made, (half,) * 4), F.pad(wanted, (half,) * 4))

    def features(self, picture: Tensor) -> Tensor:
        """[1, D] of a picture [3, H, W] in [0, 1], for a Fréchet distance; D is 0 where the picture is too small."""
        pictures = picture[None] / 2 + 0.5 if self.as_released else picture[None]
        if self.inception is not None:
            return self.inception(pictures)
        if self.stand_in is None or min(picture.shape[1:]) < LEAST_LITE:
            return pictures.new_zeros(1, 0)
        with torch.inference_mode():
            return self.stand_in.activations(pictures * 2 - 1)[-1].mean((2, 3))

    def frechet(self, made: Sequence[Tensor], real: Sequence[Tensor]) -> Figures:
        """The distance of two sets of `features`, by the name of what they are; none of fewer than two pictures."""
        if min(len(made), len(real)) < 2 or not made[0].shape[1]:
            return {}
        return {"fid" if self.inception is not None else "frechet": set_distance(made, real)}


def _feature_distance(network: Perceptual, made: Tensor, wanted: Tensor, weight: Tensor | None) -> float:
    """The mean of the layers of the EfficientNet-Lite encoder, each a mean over the places that count."""
    layers = []
    for a, b in zip(*(network.activations(picture[None] * 2 - 1) for picture in (made, wanted)), strict=True):
        apart = (a - b).abs().mean((0, 1))
        if weight is not None:  # the encoder works on turned pictures
            counted = F.interpolate(weight.flip((0, 1))[None, None], apart.shape, mode="area")[0, 0]
            apart = apart * counted / counted.mean()
        layers.append(float(apart.mean()))
    return sum(layers) / len(layers)


def set_distance(made: Sequence[Tensor], real: Sequence[Tensor]) -> float:
    """The Fréchet distance of two sets of feature vectors [1, D]."""
    pools = (Features(), Features())
    for pool, vectors in zip(pools, (made, real), strict=True):
        pool.add(torch.cat(list(vectors)))
    return frechet_distance(*pools)


def read_landscape_judges(config: EvaluateConfig) -> LandscapeJudges:
    """The networks whose files are given, LPIPS where it is installed, stand-ins otherwise. Raises InputError."""
    lpips, note = find_lpips(config.lpips)
    notes = [note] if lpips is not None else [f"LPIPS: no weights given; {LITE_NAME} (mean of the layers) stand in."]
    instead = f"FID: no Inception network given (--fid); {LITE_NAME} (means of the last layer) stand in."
    if config.repo_compatible:
        notes.append(
            "Scaled as the release does: masks multiply, means are over the whole frame, LPIPS is fed [0, 1], pictures "
            "for FID are squeezed to half their range, and of waters only still ones may move."
        )
    return LandscapeJudges(
        lpips,
        None if config.fid is None else Extractor(config.fid),
        None if lpips is not None and config.fid is not None else find_perceptual()[0],
        None if config.fvd is None else Extractor(config.fvd, "I3D"),
        config.repo_compatible,
        tuple(notes),
        instead if config.fid is None else f"FID: by {config.fid.name}.",
    )


def moving_of(sight: Sight, size: tuple[int, int], *, as_released: bool) -> Tensor:
    """Where anything may move in a picture of `size` (width, height), bool [H, W]: sky and waters more likely than not.

    `as_released`: where the likeliest kind is one of those that the release lets move.
    """
    if not as_released:
        return _share(sight, MOVING_KINDS, size) > 0.5
    moving = [KINDS.index(kind) for kind in RELEASED_KINDS]
    return torch.isin(_resized(sight.kinds, size).argmax(0), torch.tensor(moving))


def sky_of(sight: Sight, size: tuple[int, int]) -> Tensor:
    """Where the sky is, bool [H, W]."""
    return _share(sight, ("sky", "fog"), size) > 0.5


def _share(sight: Sight, kinds: Sequence[str], size: tuple[int, int]) -> Tensor:
    """Probability [H, W] of any of these kinds."""
    return _resized(sight.kinds[[KINDS.index(kind) for kind in kinds]].sum(0, keepdim=True), size)[0]


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """[C, h, w] → [C, H, W]"""
    return F.interpolate(maps[None], (size[1], size[0]), mode="bilinear", align_corners=False, antialias=True)[0]


def sky_flow(frames: Sequence[Frame], sky: Tensor, fps: float) -> float | None:
    """Mean speed of the sky bool [H, W] in frames [H, W, 3], in thousandths of half the shorter side per 1/30 s.

    Those are the units of a homography file. None without a sky, or in fewer than 3 frames.
    """
    if not bool(sky.any()) or len(frames) < FEWEST_FRAMES:
        return None
    speed = measure_motion(frames, fps).gross  # [h, w], px of its grid per second
    height, width = speed.shape
    inside: Any = cv2.resize(sky.numpy().astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return float(speed[inside].mean()) / (min(height, width) / 2) / RATE * 1000 if inside.any() else None


def as_clip(frames: Sequence[Frame]) -> Tensor:
    """Frames uint8 [H, W, 3] → [1, 3, T, H, W] in [0, 1]."""
    return torch.stack([as_picture(frame) for frame in frames], 1)[None]

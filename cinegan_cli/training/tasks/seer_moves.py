"""Training of the seer's moves alone, on motion fields: where to and how fast, on top of an earlier seer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.nn.seer import Seer
from cinegan_cli.training.data import MotionCrop, MotionSet
from cinegan_cli.training.loop import Phase, precision, sample_rng
from cinegan_cli.training.settings import LoopSettings, MotionSettings
from cinegan_cli.training.tasks.motion_picture import sheet
from cinegan_cli.training.tasks.seer import EVERY, read_seer, write_seer
from cinegan_cli.training.tasks.seer_loss import motion_loss

SLOWEST = 1e-3  # widths per second: below, no direction is told
RATE, WARM_UP = 1e-3, 50  # peak learning rate; steps
SKY_SURE, SURE = 0.5, 1.0  # of a direction: which way skies go cannot be seen, their axis can
SHOWN = 6  # crops in a sample picture


class MovesTask:
    """See `training.loop.Task`. All of the network but its last head stays as it was."""

    averaged = ("net",)

    def __init__(
        self, crops: MotionSet, settings: MotionSettings, loop: LoopSettings, device: torch.device, start: Path
    ) -> None:
        self.crops, self.settings, self.loop, self.device = crops, settings, loop, device
        self.net = read_seer(start).to(device)
        self.net.requires_grad_(False)
        self.net.moves.requires_grad_(True)
        self.modules: Mapping[str, nn.Module] = {"net": self.net}
        self.rate = RATE if settings.learning_rate is None else settings.learning_rate
        self.optimiser = torch.optim.AdamW(self.net.moves.parameters(), lr=self.rate, weight_decay=0.02)
        self._phases = (Phase("motion", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        warm = min(1.0, (step + 1) / min(WARM_UP, 1 + self.loop.steps / 10))
        fall = 0.01 + 0.495 * (1 + math.cos(math.pi * step / self.loop.steps))
        self.optimiser.param_groups[0]["lr"] = self.rate * warm * fall
        photos, motion = self._batch(samples)
        with precision(self.loop, self.device):
            seen = self.net(photos)
        return {"loss": motion_loss(seen, motion)}

    def _batch(self, samples: Sequence[int]) -> tuple[Tensor, Tensor]:
        crops = [self.crops.crop(sample_rng(self.loop.seed, n)) for n in samples]
        photos = torch.from_numpy(np.stack([crop.scene[:3] for crop in crops]))
        motion = torch.from_numpy(np.stack([targets(crop) for crop in crops]))
        return photos.to(self.device), motion.to(self.device)

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of: the photo, where the network says it goes, where it goes."""
        photos, motion = self._batch(range(SHOWN))
        small = photos[:, :, EVERY // 2 :: EVERY, EVERY // 2 :: EVERY]
        there = (motion[:, 5:] > 0).float()
        heading = averages["net"](photos).heading
        return sheet(small, heading * there, motion[:, :2] * there, torch.zeros_like(there[:, 0]))

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        net = averages["net"]
        assert isinstance(net, Seer)
        return write_seer(self.settings.out, net.config, net.state_dict(), self.loop.steps)


def targets(crop: MotionCrop) -> NDArray[np.float32]:
    """[6, s/4, s/4] as `training.data.motion_targets`, of the true field of a crop."""
    middle = slice(EVERY // 2, None, EVERY)
    velocity = crop.velocity[:, middle, middle] * np.float32(crop.unit)  # longer sides per second
    sky, water = crop.scene[3, middle, middle], crop.scene[4, middle, middle]
    speed = np.hypot(*velocity)
    c, s = velocity / np.maximum(speed, 1e-9)
    sure = np.where(sky > water, SKY_SURE, SURE) * ((sky + water > 0.5) & (speed > SLOWEST))
    parts = (c, s, c * c - s * s, 2 * c * s, np.log(np.maximum(speed, SLOWEST)), sure)
    return np.stack(parts).astype(np.float32)

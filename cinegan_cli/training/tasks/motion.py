"""Training of motion networks: the compact one, steered by arrows, and the paper's pix2pixHD form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import UsageError
from cinegan_cli.models import Bundle, pack, write_bundle
from cinegan_cli.nn.motion_net import STRIDE, MotionNet, MotionNetConfig
from cinegan_cli.stages.motion import KIND
from cinegan_cli.training.data import MotionCrop, MotionSet, Tell, gather, read_sets, unheard
from cinegan_cli.training.loop import Phase, Task, Workers, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings, MotionSettings
from cinegan_cli.training.tasks import motion_pix2pixhd
from cinegan_cli.training.tasks.motion_picture import sheet
from cinegan_cli.training.tasks.motion_pix2pixhd import Pix2PixHDTask
from cinegan_cli.types import Progress

WARM_UP = 100  # steps
SLOPE_WEIGHT = 0.5  # of the differences between neighbours, against the end-point error
SHOWN = 6  # crops in a sample picture
GROUPS = 8  # of the norms: channels are multiples of it


def train(settings: MotionSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train and write a motion network; returns `settings.out`.

    Data that are no motion sets are made into some below `loop.work` first; `tell` gets what became of them.
    Raises InputError for data that cannot be used, UsageError for a side that is no multiple of 32.
    """
    compact = settings.form == "compact"
    require_places(settings.out, loop.work, KIND if compact else motion_pix2pixhd.KIND)
    device = set_up(loop)
    side = settings.side or (256 if compact else 512)
    if side % STRIDE:
        raise UsageError(f"--side must be a multiple of {STRIDE}, got {side}")
    hinted = settings.hinted if compact else 0.0
    sets = _gathered(settings.data, loop, side, progress, tell)
    crops = MotionSet(read_sets(sets, side), side, hinted)
    form = CompactTask if compact else Pix2PixHDTask
    task: Task = form(crops, settings, loop, device)
    return run(task, loop, config=settings, progress=progress)


def _gathered(data: Sequence[Path], loop: LoopSettings, side: int, progress: Progress, tell: Tell) -> Sequence[Path]:
    """`gather`, which one process does while the others wait."""
    workers = Workers.join(loop)
    mine = workers.rank == 0
    sets = gather(data, loop.work, side, device=loop.device, progress=progress, tell=tell) if mine else []
    workers.any(False)  # comes back when all are here
    return sets or gather(data, loop.work, side)


class CompactTask:
    """See `training.loop.Task`."""

    averaged = ("motion",)

    def __init__(self, crops: MotionSet, settings: MotionSettings, loop: LoopSettings, device: torch.device) -> None:
        self.crops, self.settings, self.loop, self.device = crops, settings, loop, device
        widths = [max(GROUPS, round(w * settings.width / GROUPS) * GROUPS) for w in MotionNetConfig.widths]
        self.net = MotionNet(MotionNetConfig(tuple(widths), crops.side)).to(device)
        self.modules: Mapping[str, nn.Module] = {"motion": self.net}
        self.rate = 2e-3 if settings.learning_rate is None else settings.learning_rate
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=self.rate, weight_decay=0.02)
        self._phases = (Phase("motion", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        warm = min(1.0, (step + 1) / min(WARM_UP, 1 + self.loop.steps / 10))
        fall = 0.01 + 0.495 * (1 + math.cos(math.pi * step / self.loop.steps))
        self.optimiser.param_groups[0]["lr"] = self.rate * warm * fall
        scene, hints, wanted, weight = self._batch(samples)
        with precision(self.loop, self.device):
            made = self.net(scene, hints)
        loss, error = motion_loss(made.float(), wanted, weight)
        return {"loss": loss, "epe": error}

    def _batch(self, samples: Sequence[int]) -> tuple[Tensor, ...]:
        crops = [self.crops.crop(sample_rng(self.loop.seed, n)) for n in samples]
        return stacked(crops, self.device)

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of: the scene with its arrows, what the network says, what is true."""
        scene, hints, wanted, weight = self._batch(range(SHOWN))
        made = averages["motion"](scene, hints) * weight[:, None]
        return sheet(scene[:, :3], made, wanted * weight[:, None], hints[:, 2])

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        net = averages["motion"]
        assert isinstance(net, MotionNet)
        header = {**asdict(net.config), "licence": "MIT"}
        write_bundle(self.settings.out, Bundle(KIND, header, pack(net.state_dict())))
        return self.settings.out


def motion_loss(made: Tensor, wanted: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """End-point error and that of the differences between neighbours, where things move; and the first alone.

    made, wanted [B, 2, s, s], weight [B, s, s]. Each sample counts the same, however little moves in it.
    """
    difference = made - wanted
    error = _mean((difference.square().sum(1) + 1e-6).sqrt(), weight)
    across = _mean((difference[..., 1:] - difference[..., :-1]).abs().sum(1), weight[..., 1:] * weight[..., :-1])
    down = _mean((difference[:, :, 1:] - difference[:, :, :-1]).abs().sum(1), weight[:, 1:] * weight[:, :-1])
    return error + SLOPE_WEIGHT * wanted.shape[-1] / 32 * (across + down), error


def stacked(crops: Sequence[MotionCrop], device: torch.device) -> tuple[Tensor, ...]:
    """Scenes, hints, velocities and weights of a batch."""
    parts = zip(*((x.scene, x.hints, x.velocity, x.weight) for x in crops), strict=True)
    return tuple(torch.from_numpy(np.stack(part)).to(device) for part in parts)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over samples of the weighted mean of each [B, h, w]."""
    sums = (values * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1.0)
    return sums.mean()

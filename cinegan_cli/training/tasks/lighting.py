"""Training of DeepLandscape's lighting network A: w of a z → w of the same z with other dynamic numbers.

Logacheva et al. 2020, section 3.4, with the weights of their release. Everything is drawn; the target is the
generator's own mapping.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.models import Bundle, DeepLandscapeSet, find_deeplandscape, open_bundle, write_bundle
from cinegan_cli.nn.deeplandscape import Lighting
from cinegan_cli.training.deeplandscape_settings import LightingSettings
from cinegan_cli.training.loop import Phase, run, sample_noise, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.types import Progress

KIND = "deeplandscape_lighting"
NEAR, SAME_WAY = 20.0, 1.0  # weights of L1, and of the angle between the steps taken and wanted
LARGEST_GRADIENT = 10.0  # norm to which gradients are clipped


def train(settings: LightingSettings, loop: LoopSettings, *, progress: Progress) -> Path:
    """Train and write the network; returns `settings.out`. Raises ModelMissingError without a generator."""
    path = find_deeplandscape(settings.models)
    require_places(settings.out, loop.work, KIND, inputs=(path,))
    device = set_up(loop)
    task = LightingTask(DeepLandscapeSet(open_bundle(path)), settings, loop, device)
    return run(task, loop, config=settings, progress=progress)


class LightingTask:
    """See `training.loop.Task`."""

    averaged = ("lighting",)

    def __init__(
        self, models: DeepLandscapeSet, settings: LightingSettings, loop: LoopSettings, device: torch.device
    ) -> None:
        self.settings, self.loop = settings, loop
        self.generator = models.generator().to(device).requires_grad_(False)
        self.config: dict[str, Any] = {
            "style_dim": self.generator.style_dim,
            "dynamic_dim": self.generator.dynamic_dim,
        }
        self.device = device
        self.lighting = Lighting(**self.config).to(device).train()
        self.modules: Mapping[str, nn.Module] = {"lighting": self.lighting}
        self.optimiser = torch.optim.Adam(self.lighting.parameters(), lr=settings.learning_rate)
        self.optimiser.register_step_pre_hook(self._clip)
        self._phases = (Phase("lighting", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _clip(self, *_: object) -> None:
        nn.utils.clip_grad_norm_(self.lighting.parameters(), LARGEST_GRADIENT)

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        fall = 0.5 + 0.5 * math.cos(math.pi * step / self.loop.steps)
        self.optimiser.param_groups[0]["lr"] = self.settings.learning_rate * fall
        share = float(sample_rng(self.loop.seed + 1, step).random())  # c, one for the whole batch
        before, light, after = self._drawn(samples, share)
        found = self.lighting(before, light, share)
        near = (found - after).abs().mean()
        angle = 1 - F.cosine_similarity(found - before, after - before, dim=1).mean()
        return {"loss": NEAR * near + SAME_WAY * angle, "near": near, "angle": angle}

    @torch.no_grad()
    def _drawn(self, samples: Sequence[int], share: float) -> tuple[Tensor, Tensor, Tensor]:
        """w of each sample, the dynamic numbers to move to, and w a `share` of the way there."""
        size, moving = self.generator.style_dim, self.generator.dynamic_dim
        z = sample_noise(self.loop.seed, samples, (size + moving,)).to(self.device)
        fixed, own, other = z[:, : size - moving], z[:, size - moving : size], z[:, size:]
        mixed = math.sqrt(1 - share) * own + math.sqrt(share) * other
        before, after = (self.generator.mapping(torch.cat((fixed, part), 1)) for part in (own, mixed))
        return before, other, after

    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        return None

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        tensors = {name: value.cpu() for name, value in averages["lighting"].state_dict().items()}
        write_bundle(self.settings.out, Bundle(KIND, self.config, tensors))
        return self.settings.out

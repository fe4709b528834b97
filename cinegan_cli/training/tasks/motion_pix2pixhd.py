"""The paper's motion network: pix2pixHD's global generator against its discriminators (Wang et al. 2018).

Losses (`docs/spec/stylecinegan.md`, section 4): least-squares adversarial, feature matching, and L1 on
the flow in the place of pix2pixHD's VGG loss, which flow has no use for. One network moves sky, another water; its
targets are normalised to a largest speed of 1, as the release's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, write_bundle
from cinegan_cli.nn.pix2pixhd import (
    GlobalGenerator,
    GlobalGeneratorConfig,
    MultiScaleDiscriminator,
    MultiScaleDiscriminatorConfig,
)
from cinegan_cli.training.data import MotionCrop, MotionSet
from cinegan_cli.training.loop import Phase, precision, sample_rng
from cinegan_cli.training.settings import LoopSettings, MotionSettings
from cinegan_cli.training.tasks.motion_picture import sheet

KIND = "pix2pixhd motion"  # of the weights file
L1_WEIGHT = 10.0
BETAS = (0.5, 0.999)
TOP = 0.99  # quantile of the speeds that counts as the largest
LEAST = 0.01  # of the picture: examples in which less of the wanted part moves are left out


class Pix2PixHDTask:
    """See `training.loop.Task`."""

    averaged = ("generator",)

    def __init__(self, crops: MotionSet, settings: MotionSettings, loop: LoopSettings, device: torch.device) -> None:
        self.settings, self.loop, self.device = settings, loop, device
        part = 3 if settings.part == "sky" else 4
        groups = [[e for e in group if (e.sky, e.water)[part - 3].mean() > LEAST] for group in crops.groups]
        used = [group for group in groups if group]
        if not used:
            raise InputError(f"no sample in which {settings.part} moves; give --part, or other --data")
        self.part, self.crops = part, MotionSet(used, crops.side, 0.0)
        channels = max(4, round(64 * settings.width))
        self.generator = GlobalGenerator(GlobalGeneratorConfig(ngf=channels)).to(device)
        self.discriminator = MultiScaleDiscriminator(MultiScaleDiscriminatorConfig(ndf=channels)).to(device)
        self.modules: Mapping[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        rate = 2e-4 if settings.learning_rate is None else settings.learning_rate
        optimisers = [torch.optim.Adam(m.parameters(), lr=rate, betas=BETAS) for m in self.modules.values()]
        self._phases = (
            Phase("generator", optimisers[0], self._generator_loss),
            Phase("discriminator", optimisers[1], self._discriminator_loss),
        )

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _batch(self, samples: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Photos [B, 3, s, s] in [-1, 1], flows [B, 2, s, s] of largest speed 1, weights [B, 1, s, s]."""
        crops = [self.crops.crop(sample_rng(self.loop.seed, n)) for n in samples]
        photos = np.stack([crop.scene[:3] * 2 - 1 for crop in crops])
        weights = np.stack([crop.scene[self.part][None] for crop in crops])
        flows = np.stack([_normalised(crop, weight[0]) for crop, weight in zip(crops, weights, strict=True)])
        photo, flow, weight = (torch.from_numpy(a).to(self.device) for a in (photos, flows, weights))
        return photo, flow * weight, weight

    def _generator_loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        photo, wanted, weight = self._batch(samples)
        with precision(self.loop, self.device):
            made = self.generator(photo).float() * weight
            seen = self.discriminator(torch.cat((photo, made), 1))
            with torch.no_grad():
                real = self.discriminator(torch.cat((photo, wanted), 1))
        fooled = torch.stack([(scale[-1].float() - 1).square().mean() for scale in seen]).mean()
        matched = torch.stack(
            [
                (one.float() - other.float()).abs().mean()
                for ours, theirs in zip(seen, real, strict=True)
                for one, other in zip(ours[:-1], theirs[:-1], strict=True)
            ]
        ).mean()
        distance = (made - wanted).abs().sum() / weight.sum().clamp(min=1.0)
        loss = L1_WEIGHT * distance + self.settings.adversarial * fooled + self.settings.matching * matched
        return {"loss": loss, "l1": distance, "adversarial": fooled, "matching": matched}

    def _discriminator_loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        photo, wanted, weight = self._batch(samples)
        with precision(self.loop, self.device):
            with torch.no_grad():
                made = self.generator(photo).float() * weight
            fake = self.discriminator(torch.cat((photo, made), 1))
            real = self.discriminator(torch.cat((photo, wanted), 1))
        terms = [
            one[-1].float().square().mean() + (other[-1].float() - 1).square().mean()
            for one, other in zip(fake, real, strict=True)
        ]
        return {"loss": torch.stack(terms).mean() / 2}

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of: photo, flow, true flow."""
        photo, wanted, weight = self._batch(range(4))
        return sheet((photo + 1) / 2, averages["generator"](photo) * weight, wanted, None)

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        """The network in the release's naming: `cinegan models import FILE --sky FILE` adds it to a set."""
        generator = averages["generator"]
        assert isinstance(generator, GlobalGenerator)
        header = {"part": self.settings.part, **asdict(generator.config), "licence": "MIT"}
        write_bundle(self.settings.out, Bundle(KIND, header, generator.state_dict()))
        return self.settings.out


def _normalised(crop: MotionCrop, weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """The flow [2, s, s] with a largest speed of 1 where `weight` [s, s] moves."""
    inside = np.hypot(*crop.velocity)[weight > 0.5]
    top = float(np.quantile(inside, TOP)) if inside.size else 1.0
    return np.asarray(crop.velocity / max(top, 1e-3), np.float32).clip(-1, 1)

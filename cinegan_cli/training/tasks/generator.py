"""Training of a StyleGAN2 generator: logistic loss, lazy R1 and path length, style mixing, adaptive augmentation.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), and "Training Generative Adversarial
Networks with Limited Data" (2020). Weights of lazy penalties count as many times as there are steps between them, and
Adam's rates are corrected for them (section 4.1 and appendix B of the former).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import UsageError
from cinegan_cli.models import BUNDLE_KIND, Bundle, write_bundle
from cinegan_cli.nn.stylegan2 import Discriminator, Generator, GeneratorConfig
from cinegan_cli.training.data import PhotoSet, list_photos
from cinegan_cli.training.loop import Phase, precision, run, sample_noise, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import GeneratorSettings, LoopSettings
from cinegan_cli.training.tasks.adaptive import AdaptiveAugment
from cinegan_cli.types import Progress

PATH_DECAY = 0.01  # of the running mean of path lengths
SHOWN = 16  # pictures of a sample grid
MEAN_DRAWS = 10_000  # of z, for the mean w


def train(settings: GeneratorSettings, loop: LoopSettings, *, progress: Progress) -> Path:
    """Train and write a bundle with the averaged generator and its mean w; returns `settings.out`.

    Raises InputError when the data cannot be read, UsageError for a size that is no power of two.
    """
    require_places(settings.out, loop.work, BUNDLE_KIND, photos=settings.data)
    device = set_up(loop)
    try:
        config = GeneratorConfig(
            settings.size,
            settings.style_dim,
            settings.mapping_layers,
            settings.multiplier,
            max_channels=settings.channels,
        )
    except ValueError as error:
        raise UsageError(f"--{error}") from error
    photos = PhotoSet(list_photos(settings.data, "train"), settings.size)
    return run(GeneratorTask(config, photos, settings, loop, device), loop, config=settings, progress=progress)


class _PathMean(nn.Module):
    """The running mean of path lengths, part of a checkpoint."""

    value: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.zeros(()))


class GeneratorTask:
    """See `training.loop.Task`."""

    averaged = ("generator",)

    def __init__(
        self,
        config: GeneratorConfig,
        photos: PhotoSet,
        settings: GeneratorSettings,
        loop: LoopSettings,
        device: torch.device,
    ) -> None:
        self.photos, self.settings, self.loop, self.device = photos, settings, loop, device
        self.generator, self.discriminator = Generator(config).to(device), Discriminator(config).to(device)
        self.augment = AdaptiveAugment(settings.ada_target, settings.ada_pictures).to(device)
        self.path_mean = _PathMean().to(device)
        self.modules: Mapping[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "augment": self.augment,
            "path_mean": self.path_mean,
        }
        first = self._adam(self.discriminator, settings.r1_every if settings.r1 else None)
        second = self._adam(self.generator, settings.path_every if settings.path else None)
        phases = [Phase("discriminator", first, self._judge), Phase("generator", second, self._make)]
        if settings.r1:
            phases.insert(1, Phase("r1", first, self._gradient_penalty, every=settings.r1_every))
        if settings.path:
            phases.append(Phase("path", second, self._path_penalty, every=settings.path_every))
        self._phases = tuple(phases)

    def _adam(self, module: nn.Module, every: int | None) -> torch.optim.Adam:
        share = 1.0 if every is None else every / (every + 1)
        return torch.optim.Adam(module.parameters(), self.settings.learning_rate * share, (0.0, 0.99**share), 1e-8)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _judge(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        with torch.no_grad(), precision(self.loop, self.device):
            fake = self._fakes(samples)[0]
        with precision(self.loop, self.device):
            verdicts = self.discriminator(self.augment(torch.cat((self._real(samples), fake))))
        real, made = verdicts.float().chunk(2)
        self.augment.observe(real)
        self.augment.adapt(step)
        return {"loss": F.softplus(-real).mean() + F.softplus(made).mean(), "augmented": self.augment.p.clone()}

    def _gradient_penalty(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        """R1 in float32: squared gradients overflow half types."""
        real = self._real(samples).requires_grad_()
        verdict = self.discriminator(self.augment(real))
        (gradient,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
        penalty = gradient.square().sum((1, 2, 3)).mean()
        return {"loss": self.settings.r1 / 2 * self.settings.r1_every * penalty + 0 * verdict.sum()}

    def _make(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        with precision(self.loop, self.device):
            verdict = self.discriminator(self.augment(self._fakes(samples)[0]))
        return {"loss": F.softplus(-verdict.float()).mean()}

    def _path_penalty(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        """Equation 4 of the paper, on half of the batch."""
        pictures, w_plus = self._fakes(samples[: max(1, len(samples) // 2)])
        noise = torch.randn(pictures.shape).to(pictures) / math.sqrt(pictures.shape[2] * pictures.shape[3])
        (gradient,) = torch.autograd.grad((pictures * noise).sum(), w_plus, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        mean = self.path_mean.value.lerp(lengths.detach().mean(), PATH_DECAY)
        self.path_mean.value.copy_(mean)
        penalty = (lengths - mean).square().mean()
        return {"loss": self.settings.path * self.settings.path_every * penalty + 0 * pictures.sum()}

    def _real(self, samples: Sequence[int]) -> Tensor:
        pictures = [self.photos.view(sample_rng(self.loop.seed, n), self.settings.size) for n in samples]
        return torch.from_numpy(np.stack(pictures)).to(self.device) * 2 - 1

    def _fakes(self, samples: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Pictures and their w+, some with a second style from a random layer on."""
        n = self.generator.config.n_styles
        z = sample_noise(self.loop.seed + 1, samples, (2, self.settings.style_dim)).to(self.device)
        first, second = (self.generator.mapping(z[:, k]) for k in range(2))
        chances = [sample_rng(self.loop.seed + 2, sample) for sample in samples]
        crossings = [int(c.integers(1, n)) if c.random() < self.settings.mixing else n for c in chances]
        later = torch.arange(n)[None] >= torch.tensor(crossings)[:, None]
        w_plus = torch.where(later[:, :, None].to(self.device), second[:, None], first[:, None])
        rng = torch.Generator().manual_seed(int(torch.randint(2**31 - 1, ())))
        return self.generator.synthesize(w_plus, noise="random", rng=rng), w_plus

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """A square of pictures, the same z every time."""
        generator = averages["generator"]
        assert isinstance(generator, Generator)
        z = sample_noise(self.loop.seed + 3, range(SHOWN), (self.settings.style_dim,)).to(self.device)
        made = generator.synthesize(generator.w_plus(generator.mapping(z)))
        levels = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        side = math.isqrt(SHOWN)
        return np.vstack([np.hstack(list(levels[k : k + side])) for k in range(0, SHOWN, side)])

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        generator = averages["generator"]
        assert isinstance(generator, Generator)
        tensors = {f"generator.{k}": v.cpu() for k, v in generator.state_dict().items()}
        tensors["mean_w"] = generator.mean_w(MEAN_DRAWS, self.loop.seed).cpu()
        header = {"generator": asdict(generator.config), "licence": "that of your photos", "source": []}
        write_bundle(self.settings.out, Bundle(BUNDLE_KIND, header, tensors))
        return self.settings.out

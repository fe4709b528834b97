"""Training of the feature-style encoder of a given generator: photo → (w+ offsets, D10).

`docs/spec/stylecinegan.md`, section 4: L2 + 0.2 LPIPS + 0.01 times the distance of the predicted D10 from the
generator's own for the predicted w+; on photos, and by L2 on pictures that the generator makes itself (release).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.models import BUNDLE_KIND, NONE, Bundle, Models, lpips_files, open_models, write_bundle
from cinegan_cli.nn.stylegan2 import Encoder, EncoderConfig
from cinegan_cli.systems.stylecinegan import D10_SIDE, encoder_input
from cinegan_cli.training.data import PhotoSet, list_photos
from cinegan_cli.training.loop import Phase, precision, run, sample_noise, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import EncoderSettings, LoopSettings
from cinegan_cli.training.tasks.perceptual import perceptual_distance
from cinegan_cli.types import Progress

SHOWN = 4  # photos of a sample picture


def train(settings: EncoderSettings, loop: LoopSettings, *, progress: Progress) -> Path:
    """Train and write a bundle with the generator and its encoder; returns `settings.out`.

    Raises ModelMissingError without a generator, InputError for one that has no D10 or is only a part.
    """
    models = open_models(settings.models)
    inputs = (models.path, *settings.lpips)
    require_places(settings.out, loop.work, BUNDLE_KIND, inputs=inputs, photos=settings.data)
    device = set_up(loop)
    config = models.generator().config
    if config.size < D10_SIDE:
        raise InputError(f"{models.name}: makes {config.size} px, and D10 is {D10_SIDE} cells; train a larger one")
    if models.first_index > 1:
        raise InputError(f"{models.name}: holds only the end of a generator; train with a whole one")
    photos = PhotoSet(list_photos(settings.data, "train"), config.size)
    settings = replace(settings, lpips=lpips_files(settings.lpips) or NONE)  # as the run is recorded
    return run(EncoderTask(models, photos, settings, loop, device), loop, config=settings, progress=progress)


class EncoderTask:
    """See `training.loop.Task`."""

    averaged = ("encoder",)

    def __init__(
        self, models: Models, photos: PhotoSet, settings: EncoderSettings, loop: LoopSettings, device: torch.device
    ) -> None:
        self.models, self.photos, self.settings, self.loop, self.device = models, photos, settings, loop, device
        self.generator, self.mean_w = models.generator().to(device), models.mean_w().to(device)
        config = self.generator.config
        self.encoder = Encoder(EncoderConfig(config.n_styles, config.style_dim, config.channels(Encoder.index)))
        self.encoder = self.encoder.to(device).train()
        self.modules: Mapping[str, nn.Module] = {"encoder": self.encoder}
        self.distance = perceptual_distance(settings.lpips, device)
        optimiser = torch.optim.Adam(self.encoder.parameters(), lr=settings.learning_rate)
        self._phases = (Phase("encoder", optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        wanted = self._pictures(samples)
        with precision(self.loop, self.device):
            made, feature, own = self._reconstructed(self.encoder, wanted)
        error = (made.float() - wanted).square().mean()
        seen = self.distance(made.float(), wanted)
        drift = (feature.float() - own.float()).square().mean()
        loss = error + self.settings.perceptual * seen + self.settings.regulariser * drift
        return {"loss": loss, "psnr": -10 * torch.log10(error / 4), "perceptual": seen, "drift": drift}

    def _reconstructed(self, encoder: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The picture made from the codes, the predicted D10, and the generator's own D10 for the predicted w+."""
        offsets, feature = encoder(encoder_input(pictures, (D10_SIDE, D10_SIDE), Encoder.pixels_per_cell))
        w_plus = self.mean_w + offsets
        own = self.generator.features(w_plus, noise="stored").levels[Encoder.index]
        return self.generator.synthesize_from(feature, w_plus, Encoder.index), feature, own

    def _pictures(self, samples: Sequence[int]) -> Tensor:
        """Photos and, in their share, pictures of the generator, float32 [B, 3, size, size] in [-1, 1]."""
        size = self.generator.config.size
        chances = [sample_rng(self.loop.seed, n) for n in samples]
        synthetic = torch.tensor([float(c.random()) < self.settings.synthetic for c in chances])
        photos = np.stack([self.photos.view(c, size) for c in chances])
        pictures = torch.from_numpy(photos).to(self.device) * 2 - 1
        if bool(synthetic.any()):
            z = sample_noise(self.loop.seed + 1, samples, (self.generator.config.style_dim,)).to(self.device)
            with torch.no_grad():
                w = self.generator.mapping(z[synthetic.to(z.device)])
                pictures[synthetic.to(z.device)] = self.generator.synthesize(self.generator.w_plus(w)).clamp(-1, 1)
        return pictures

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of a photo and what comes back."""
        views = [self.photos.view(sample_rng(self.loop.seed + 3, n), self.generator.config.size) for n in range(SHOWN)]
        photos = torch.from_numpy(np.stack(views)).to(self.device) * 2 - 1
        made = self._reconstructed(averages["encoder"], photos)[0]
        grid = torch.cat([torch.cat(list(column), 1) for column in (photos, made)], 2)
        levels = ((grid + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).cpu().numpy()

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        encoder = averages["encoder"]
        assert isinstance(encoder, Encoder)
        tensors = {f"generator.{k}": v.cpu() for k, v in self.generator.state_dict().items()}
        tensors |= {f"encoder.{k}": v.cpu() for k, v in encoder.state_dict().items()}
        tensors["mean_w"] = self.mean_w.cpu()
        header = {**self.models.config, "encoder": asdict(encoder.config)}
        write_bundle(self.settings.out, Bundle(BUNDLE_KIND, header, tensors))
        return self.settings.out

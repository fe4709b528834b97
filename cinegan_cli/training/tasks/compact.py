"""Training of the compact generator and encoder that ship: an autoencoder through D14 whose w+ carries the look.

Only G's part from D14 on is trained: that is all that animating and styling a photo uses. A crop shows the encoder a
crop in one palette and the look of a photo in another; G must give the crop in the second one (`data.photos`).
So what D14 can say about colours is of no use, and w+ controls them.
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
from cinegan_cli.nn.stylegan2 import Generator, GeneratorConfig, PhotoEncoder, PhotoEncoderConfig
from cinegan_cli.training.data import PhotoSet, list_photos
from cinegan_cli.training.loop import Phase, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import CompactSettings, LoopSettings
from cinegan_cli.types import Progress

INDEX = 14  # of the layout feature D_k: with 10 detail is lost (`docs/measurements.md`, Data and training)
CROP_STEP = 16  # px: the layout is read at a fraction of them
WARM_UP = 200  # steps
BAND_WEIGHT = 0.5  # of the finest band of each size, in the place of LPIPS, which needs weights
SHOWN = 6  # crops in a sample picture


def train(settings: CompactSettings, loop: LoopSettings, *, progress: Progress) -> Path:
    """Train and write generator and encoder as one bundle; returns `settings.out`.

    Raises InputError for data that cannot be used, UsageError for a crop that is no multiple of 16.
    """
    if settings.crop % CROP_STEP:
        raise UsageError(f"--crop must be a multiple of {CROP_STEP}, got {settings.crop}")
    require_places(settings.out, loop.work, BUNDLE_KIND, photos=settings.data)
    device = set_up(loop)
    photos = PhotoSet(list_photos(settings.data, "train"))
    config = GeneratorConfig(
        style_dim=settings.style_dim,
        mapping_layers=2,
        channel_multiplier=settings.multiplier,
        max_channels=settings.channels,
    )
    task = CompactTask(config, photos, settings, loop, device)
    return run(task, loop, config=settings, progress=progress)


class CompactTask:
    """See `training.loop.Task`."""

    averaged = ("generator", "encoder")

    def __init__(
        self,
        config: GeneratorConfig,
        photos: PhotoSet,
        settings: CompactSettings,
        loop: LoopSettings,
        device: torch.device,
    ) -> None:
        self.photos, self.settings, self.loop, self.device = photos, settings, loop, device
        encoder = PhotoEncoderConfig(config.style_dim, config.n_styles, config.channels(INDEX))
        self.generator, self.encoder = Generator(config).to(device), PhotoEncoder(encoder).to(device)
        self.modules: Mapping[str, nn.Module] = {"generator": self.generator, "encoder": self.encoder}
        self.optimiser = torch.optim.Adam(self._trained(), lr=settings.learning_rate, betas=(0.9, 0.99))
        self._phases = (Phase("compact", self.optimiser, self._loss),)

    def _trained(self) -> list[nn.Parameter]:
        """The encoder, and of the generator what lies behind D14."""
        behind = [*self.generator.convs[INDEX - 2 :], *self.generator.to_rgbs[INDEX // 2 - 2 :]]
        modules = [self.encoder, *behind]
        return [p for m in modules for name, p in m.named_parameters() if not name.startswith("noise")]

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        wanted, given = self._batch(samples)
        peak, steps = self.settings.learning_rate, self.loop.steps
        warm = min(1.0, (step + 1) / WARM_UP)
        self.optimiser.param_groups[0]["lr"] = peak * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        with precision(self.loop, self.device):
            rgb = translate(self.generator, self.encoder, *given)
        loss, error = reconstruction_loss([self.generator.sum_rgb(rgb[: k + 1]) for k in range(len(rgb))], wanted)
        return {"loss": loss, "psnr": -10 * torch.log10(error / 4)}

    def _batch(self, samples: Sequence[int]) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """What is wanted, and what the networks are given: the crop, its whole photo, a photo in the wanted look."""
        crops = [self.photos.crop(sample_rng(self.loop.seed, n), self.settings.crop) for n in samples]
        parts = zip(*((x.wanted, x.seen, x.own, x.look) for x in crops), strict=True)
        wanted, seen, own, look = (torch.from_numpy(np.stack(part)).to(self.device) * 2 - 1 for part in parts)
        return wanted, (seen, own, look)

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of: what is seen, the look wanted, what the generator makes, what is wanted."""
        wanted, (seen, own, look) = self._batch(range(SHOWN))
        generator, encoder = averages["generator"], averages["encoder"]
        assert isinstance(generator, Generator)
        assert isinstance(encoder, PhotoEncoder)
        made = generator.sum_rgb(translate(generator, encoder, seen, own, look))
        shown = F.interpolate(look, seen.shape[2:], mode="bilinear")
        grid = torch.cat([torch.cat(list(column), 1) for column in (seen, shown, made, wanted)], 2)
        levels = ((grid + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(1, 2, 0).cpu().numpy()

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        generator, encoder = averages["generator"], averages["encoder"]
        assert isinstance(generator, Generator)
        assert isinstance(encoder, PhotoEncoder)
        tensors = {f"generator.{k}": v.cpu() for k, v in generator.state_dict().items() if _behind(k)}
        tensors |= {f"encoder.{k}": v.cpu() for k, v in encoder.state_dict().items()}
        tensors["mean_w"] = torch.zeros(generator.config.style_dim)
        header = {
            "generator": {**asdict(generator.config), "first_index": INDEX},
            "encoder": {"kind": "photo", **asdict(encoder.config)},
            "licence": "MIT",
            "source": [],
        }
        write_bundle(self.settings.out, Bundle(BUNDLE_KIND, header, tensors))
        return self.settings.out


def translate(
    generator: Generator, encoder: PhotoEncoder, seen: Tensor, own: Tensor, look: Tensor
) -> tuple[Tensor, ...]:
    """Contributions to the crop `seen` of the photo `own` in the look of `look`; all [B, 3, ., .] in [-1, 1]."""
    codes = encoder.read_look(torch.cat((own, look)))
    ours, theirs = codes.chunk(2)
    layout = encoder.read_layout(seen, ours)
    return generator.features_from(layout, encoder.offsets(theirs), INDEX, noise="none").rgb


def reconstruction_loss(made: Sequence[Tensor], wanted: Tensor) -> tuple[Tensor, Tensor]:
    """L1 + L2 and L1 on the finer bands, over the picture at all sizes; and the mean squared error at the last.

    `made` are the sums of the contributions so far, coarse to fine. Without the smaller pictures only the first
    contribution is learned: nothing tells the layers between what they are for.
    """
    total = torch.zeros((), device=wanted.device)
    for picture in made:
        goal = (
            wanted
            if picture.shape == wanted.shape
            else F.adaptive_avg_pool2d(wanted, (picture.shape[2], picture.shape[3]))
        )
        difference = picture.float() - goal
        error = difference.square().mean()
        total = total + difference.abs().mean() + error
        low = F.avg_pool2d(difference, 2)
        fine = difference - F.interpolate(low, scale_factor=2, mode="bilinear")
        total = total + BAND_WEIGHT * fine.abs().mean()
    return total, error


def _behind(name: str) -> bool:
    """Whether a tensor of the generator lies behind D14."""
    part, _, rest = name.partition(".")
    if part in ("convs", "to_rgbs"):
        return int(rest.split(".")[0]) >= (INDEX - 2 if part == "convs" else INDEX // 2 - 2)
    return False

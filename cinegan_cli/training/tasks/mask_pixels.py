"""Training of the paper's mask ensemble: per-pixel perceptrons on a generator's features.

`docs/spec/stylecinegan.md`, section 4. Features are read once, at random pixels of every labelled photo; the
perceptrons see nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.config import InversionConfig, RunConfig
from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.models import BUNDLE_KIND, Bundle, Models, all_tensors, open_models, write_bundle
from cinegan_cli.nn.classifier import ClassifierConfig, PixelClassifier
from cinegan_cli.session import Session
from cinegan_cli.systems.stylecinegan import D10_SIDE, FIRST_INDEX, invert
from cinegan_cli.training.data import Example, Tell, merged, read_examples, unheard
from cinegan_cli.training.loop import Phase, run, sample_rng, set_up
from cinegan_cli.training.settings import LoopSettings, MaskSettings
from cinegan_cli.types import IGNORE, MOVING, Photo, Progress

SIDE = 1536  # px, long side at which photos are inverted: 1024 on the short one of 3:2
PIXELS = 2048  # of each photo
PER_SAMPLE = 512  # pixels of one photo in a batch


def train(settings: MaskSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train every member and write the set of models with them added; returns `settings.out`.

    Raises ModelMissingError without a generator and its encoder, InputError without labelled photos.
    """
    device = set_up(loop)
    models = open_models(settings.models)
    if not models.has("generator", "encoder"):
        raise ModelMissingError(f"{models.name}: holds no generator with its encoder; make them with `train encoder`")
    if models.generator().config.size < D10_SIDE:
        raise InputError(f"{models.name}: its pictures are smaller than D10's {D10_SIDE} cells; give a larger one")
    features, labels = read_pixels(settings, models, Session(RunConfig(device=loop.device)), loop.seed, progress, tell)
    members: dict[str, Tensor] = {}
    for k in range(settings.members):
        own = replace(loop, work=loop.work / f"member_{k}", seed=loop.seed * 1000 + k)
        set_up(own)
        task = PixelTask(features, labels, settings, own, device)
        run(task, own, config=settings, progress=progress)
        members |= {f"mask.{k}.{name}": value for name, value in task.trained.items()}
    network = asdict(ClassifierConfig(features.shape[2]))
    tensors = {k: v for k, v in all_tensors(models).items() if not k.startswith("mask.")}
    header = {**models.config, "mask": {"members": settings.members, "network": network}}
    write_bundle(settings.out, Bundle(BUNDLE_KIND, header, {**tensors, **members}))
    return settings.out


def read_pixels(
    settings: MaskSettings, models: Models, session: Session, seed: int, progress: Progress, tell: Tell = unheard
) -> tuple[Tensor, Tensor]:
    """Features float16 [photos, PIXELS, channels] and labels uint8 [photos, PIXELS] at random labelled pixels.

    Photos that do not tell sky from water are left out.
    """
    examples = [e for e in read_examples(settings.data, settings.annotations, SIDE, tell=tell) if e.split == "train"]
    examples = [e for e in examples if not (e.labels == MOVING).any() and (e.labels != IGNORE).any()]
    if not examples:
        raise InputError(
            f"{settings.data}: no labelled photo that may train; --data must name a folder of photos with masks"
        )
    found = []
    for n, example in enumerate(examples):
        progress("reading features", n, len(examples))
        found.append(_at_random_pixels(example, models, session, np.random.default_rng([seed, n])))
    features, labels = zip(*found, strict=True)
    return torch.stack(features), torch.stack(labels)


@torch.no_grad()
def _at_random_pixels(
    example: Example, models: Models, session: Session, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    height, width = example.labels.shape
    pixels = torch.from_numpy(example.photo).permute(2, 0, 1).float() / 255
    photo = Photo(pixels, torch.from_numpy(example.photo), (width, height), (0, 0, width, height))
    latents = invert(photo, models, InversionConfig(), session=session)
    levels = models.generator().features_from(latents.feature, latents.w_plus, latents.index).levels
    known = np.flatnonzero(example.labels != IGNORE)
    chosen = rng.choice(known, PIXELS, replace=len(known) < PIXELS)
    y, x = np.divmod(chosen, width)
    grid = torch.from_numpy(np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], 1)).float()
    grid = grid.view(1, 1, -1, 2).to(session.device)
    parts = [
        F.grid_sample(levels[k].float(), grid, padding_mode="border", align_corners=False)[0, :, 0]
        for k in sorted(levels)
        if k >= FIRST_INDEX
    ]
    features = torch.cat(parts).T.to("cpu", torch.float16)
    return features, torch.from_numpy(merged(example.labels).reshape(-1)[chosen])


class PixelTask:
    """One member; see `training.loop.Task`. Its averaged weights are in `trained` at the end."""

    averaged = ("net",)

    def __init__(
        self, features: Tensor, labels: Tensor, settings: MaskSettings, loop: LoopSettings, device: torch.device
    ) -> None:
        self.features, self.labels, self.loop, self.device = features, labels, loop, device
        self.net = PixelClassifier(ClassifierConfig(features.shape[2])).to(device)
        self.modules: Mapping[str, nn.Module] = {"net": self.net}
        self.trained: dict[str, Tensor] = {}
        optimiser = torch.optim.Adam(self.net.parameters(), lr=settings.learning_rate)
        self._phases = (Phase("mask", optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        features, labels = [], []
        for n in samples:
            rng = sample_rng(self.loop.seed, n)
            photo = int(rng.integers(len(self.labels)))
            chosen = torch.from_numpy(rng.integers(PIXELS, size=PER_SAMPLE))
            features.append(self.features[photo, chosen])
            labels.append(self.labels[photo, chosen])
        wanted = torch.cat(labels).long().to(self.device)
        logits = self.net(torch.cat(features).float().to(self.device))
        right = (logits.argmax(1) == wanted).float().mean()
        return {"loss": F.cross_entropy(logits, wanted), "right": right}

    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        return None

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        self.trained = {name: value.cpu() for name, value in averages["net"].state_dict().items()}
        return self.loop.work

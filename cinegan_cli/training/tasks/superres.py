"""Training of super-resolution: from what a generator makes of a photo back to the photo (DeepLandscape, section 4.3).

The authors' losses and steps are not published. Here: the mean absolute difference and the perceptual distance. The
reference is the photo, and what is wanted is the photo in a random light, so that its colours cannot be copied; where
things move the masks hide it. A backbone that was trained before stays as it is, as in the release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.config import RunConfig
from cinegan_cli.models import (
    SUPERRES,
    DeepLandscapeSet,
    find_deeplandscape,
    find_perceptual,
    open_bundle,
    read_superres,
    write_superres,
)
from cinegan_cli.nn.rrdb import SCALE, SuperResolver, SuperResolverConfig
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import see, three_ways
from cinegan_cli.systems.deeplandscape import VARIANTS, Networks, invert_pixels
from cinegan_cli.training.data import PairSet, Tell, list_photos, make_pairs, unheard
from cinegan_cli.training.deeplandscape_settings import SuperresSettings
from cinegan_cli.training.loop import Phase, Workers, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.types import Progress

SHOWN = 4  # crops of a sample picture
MASK_SIDE = 960  # px: the long side at which a network's own masks are computed, as in the release
LIGHT = 0.4  # largest change of a channel's exponent and gain, as a logarithm

Reconstruct = Callable[[NDArray[Any]], NDArray[Any]]  # photo uint8 [H, W, 3] → the generator's picture of it [h, w, 3]


def train(
    settings: SuperresSettings,
    loop: LoopSettings,
    *,
    progress: Progress,
    tell: Tell = unheard,
    reconstruct: Reconstruct | None = None,
    side: int = 256,
) -> Path:
    """Train and write a super-resolution network; returns `settings.out`. `tell` gets what became of the photos.

    `reconstruct` makes the small pictures, of `side` px or more; by default inversion with `settings.models` does.
    Raises InputError for data or weights that cannot be used.
    """
    inputs = (settings.start, *settings.vgg)
    require_places(settings.out, loop.work, SUPERRES, inputs=inputs, photos=settings.data)
    if reconstruct is None:
        reconstruct, side = inverter(settings, loop)
    workers, device = Workers.join(loop), set_up(loop)
    network = _started(settings).to(device)
    paths, folder = list_photos(settings.data, "train"), loop.work / "pairs"
    if workers.rank > 0:
        dist.barrier()  # until the first process has made the pairs
    pairs = make_pairs(paths, folder, side, _maker(network, reconstruct), progress=progress, tell=tell)
    if workers.count > 1 and workers.rank == 0:
        dist.barrier()
    task = SuperresTask(network, PairSet(pairs), settings, loop, device)
    return run(task, loop, config=settings, progress=progress)


def inverter(settings: SuperresSettings, loop: LoopSettings) -> tuple[Reconstruct, int]:
    """Inversion without fine-tuning, as the release made its pairs, and the short side of what it gives.

    Raises ModelMissingError without a generator, or without an encoder where that is all that is asked for.
    """
    models = DeepLandscapeSet(open_bundle(find_deeplandscape(settings.models)))
    session = Session(RunConfig(device=loop.device))
    perceptual, name = find_perceptual(settings.vgg)
    generator, encoder = models.generator().to(session.device), models.encoder()
    networks = Networks(
        name=models.name,
        generator=generator,
        levels=models.levels,
        mean_w=models.mean_w().to(session.device),
        perceptual=perceptual.to(session.device),
        perceptual_name=name,
        encoder=None if encoder is None else encoder.to(session.device),
    )
    way = VARIANTS["EOI" if settings.inversion else "E"]

    def reconstruct(photo: NDArray[Any]) -> NDArray[Any]:
        pixels = torch.from_numpy(photo).permute(2, 0, 1).float() / 255
        made = invert_pixels(pixels, None, networks, way, steps=settings.inversion, session=session).made[0]
        return ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    return reconstruct, networks.side


def _started(settings: SuperresSettings) -> SuperResolver:
    if settings.start is not None:
        return read_superres(settings.start)
    shape = SuperResolverConfig(settings.features, settings.blocks, settings.growth, segmenter=None, spare=False)
    return SuperResolver(shape)


def _maker(
    network: SuperResolver, reconstruct: Reconstruct
) -> Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
    """Of a photo: the small picture, and the network's own masks, the seer's where it has none."""
    session = Session()

    def make(photo: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        picture = torch.from_numpy(photo)
        if network.binary_mask is None:
            still = three_ways(see(picture, session=session))[:1]
            masks = still.expand(2, -1, -1)
        else:
            shrunk = min(1.0, MASK_SIDE / max(photo.shape[:2]))
            size = [round(shrunk * length) for length in photo.shape[:2]]
            rgb = F.interpolate(picture.permute(2, 0, 1)[None].float() / 255, size, mode="bilinear", antialias=True)
            with torch.no_grad():
                masks = network.masks(rgb.to(next(network.parameters()).device))[0].cpu()
        return reconstruct(photo), (masks * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()

    return make


class SuperresTask:
    """See `training.loop.Task`."""

    averaged = ("network",)

    def __init__(
        self,
        network: SuperResolver,
        pairs: PairSet,
        settings: SuperresSettings,
        loop: LoopSettings,
        device: torch.device,
    ) -> None:
        self.network, self.pairs, self.settings, self.loop, self.device = network, pairs, settings, loop, device
        learning: list[nn.Module] = [network.conv_ref, network.enhancement1, network.enhancement2]
        if settings.start is None:
            learning.append(network.net)
        for part in learning:
            part.requires_grad_(True)
        network.net.conv_last.requires_grad_(False)  # makes pictures without a reference, which nobody asks for
        found, self.compared_by = find_perceptual(settings.vgg)
        self.perceptual: Perceptual = found.to(device)
        self.modules: Mapping[str, nn.Module] = {"network": network}
        parameters = [p for p in network.parameters() if p.requires_grad]
        self._phases = (Phase("superres", torch.optim.Adam(parameters, lr=settings.learning_rate), self._loss),)
        self._ready()

    def _ready(self) -> None:
        """Small windows of the guided filter, as the release trains with; the segmentation's statistics stay."""
        self.network.train()
        if self.network.binary_mask is not None:
            self.network.binary_mask.eval()

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        small, wanted, reference, masks = self._batch(samples)
        with precision(self.loop, self.device):
            made = self.network(small, reference, masks)
            seen = self.perceptual(made * 2 - 1, wanted * 2 - 1).float().sum(1).mean()
        error = (made.float() - wanted).abs().mean()
        return {"loss": error + self.settings.perceptual * seen, "pixels": error, "perceptual": seen}

    def _batch(self, samples: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Small pictures and photos in one random light each, the photos as they are, masks."""
        crops, lights = [], []
        for n in samples:
            chances = sample_rng(self.loop.seed, n)
            crops.append(self.pairs.crop(chances, self.settings.crop))
            lights.append(np.exp(chances.uniform(-LIGHT, LIGHT, (2, 3, 1, 1))).astype(np.float32))
        parts = (torch.from_numpy(np.stack(part)).to(self.device) for part in zip(*crops, strict=True))
        small, large, masks = parts
        exponent, gain = torch.from_numpy(np.stack(lights)).to(self.device).unbind(1)
        return gain * small**exponent, gain * large**exponent, large, masks

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Rows of: a small picture, what becomes of it, what is wanted."""
        small, wanted, reference, masks = self._batch(range(SHOWN))
        made = averages["network"](small, reference, masks)
        large = F.interpolate(small, scale_factor=float(SCALE), mode="nearest")
        grid = torch.cat([torch.cat(list(column), 1) for column in (large, made, wanted)], 2)
        return (grid * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        network = averages["network"]
        assert isinstance(network, SuperResolver)
        write_superres(self.settings.out, network)
        return self.settings.out

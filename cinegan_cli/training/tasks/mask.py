"""Training of the mask network: an ensemble of small networks, each judged on photos it never saw.

`train` is the whole recipe: read the photos, train every member on all folds but its own, score it on its own fold,
and write the members into one file.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.measure import Scores, score
from cinegan_cli.models import BUNDLE_KIND, Bundle, load_strictly, open_models, pack, read_bundle, write_bundle
from cinegan_cli.nn.segmentation import STRIDE, SegmentationConfig, SegmentationNet, network_size
from cinegan_cli.training.data import Example, Tell, augment, read_examples, resize, unheard
from cinegan_cli.training.loop import Phase, precision, run, sample_rng, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.run_folder import unwritable
from cinegan_cli.training.settings import LoopSettings, MaskSettings
from cinegan_cli.training.tasks import mask_pixels
from cinegan_cli.training.tasks.mask_loss import segmentation_loss
from cinegan_cli.types import IGNORE, MOVING, SKY, STATIC, WATER, Progress

_SHAPES = ((1.0, 0.66), (1.0, 0.66), (1.0, 0.56), (1.0, 0.75), (0.75, 1.0), (1.0, 1.0))  # of batches; sides over `side`
_SCALES = (0.8, 0.9, 1.0, 1.0, 1.1)
KIND = "mask member"
LARGEST_GRADIENT = 3.0  # norm to which gradients are clipped
SHOWN, TILE = 6, 192  # photos of a sample picture, px


def train(settings: MaskSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train and write the ensemble; returns `settings.out`. Every member is a run of its own below `loop.work`.

    The form "pixels" is `mask_pixels.train`.

    Each member's scores on its own fold, if there are photos in it, are kept in `work`/scores.json. `tell` gets what
    became of the photos.
    Raises InputError when the data cannot be read, OutputError when the folders of the results cannot be made.
    """
    models = open_models(settings.models) if settings.form == "pixels" else None
    kind, inputs = ("mask", ()) if models is None else (BUNDLE_KIND, (models.path,))
    require_places(settings.out, loop.work, kind, inputs=inputs)
    if settings.form == "pixels":
        return mask_pixels.train(settings, loop, progress=progress, tell=tell)
    cv2.setNumThreads(1)
    examples = read_examples(settings.data, settings.annotations, settings.side * 7 // 4, tell=tell)
    scores: list[Mapping[str, Any] | None] = []
    for member in range(settings.members):
        own = replace(loop, work=loop.work / f"member_{member}", seed=loop.seed * 1000 + member)
        device = set_up(own)
        task = MaskTask(examples, settings, own, member, device)
        run(task, own, config=settings, progress=progress)
        net = task.net_of(read_bundle(task.path, KIND).tensors)
        scores.append(asdict(evaluate(net, task.held_out)) if task.held_out else None)
    _assemble(settings, loop)
    path = loop.work / "scores.json"
    try:
        path.write_text(json.dumps({"members": scores}, indent=1))
    except OSError as error:
        raise unwritable(path, error) from error
    return settings.out


class MaskTask:
    """One member; see `training.loop.Task`. Its averaged weights are written to `path`."""

    averaged = ("net",)

    def __init__(
        self,
        everything: Sequence[Example],
        settings: MaskSettings,
        loop: LoopSettings,
        member: int,
        device: torch.device,
    ) -> None:
        self.settings, self.loop, self.device = settings, loop, device
        self.path = loop.work / "average.safetensors"
        examples = [e for e in everything if e.split == "train" and (e.labels != IGNORE).any()]
        # the samples' masks do not tell sky from water, so they cannot score; they train every member
        fold = member % settings.folds
        self.held_out = [e for e in examples if _fold(e, settings) == fold and not (e.labels == MOVING).any()]
        names = {e.name for e in self.held_out}
        learned = [e for e in examples if e.name not in names]
        if not examples:
            raise InputError(
                f"{settings.data}: no labelled photo that may train; --data must name a folder of photos with masks"
            )
        if not learned:
            raise InputError(
                f"{settings.data}: too few labelled photos: all are in the part that member {member} is judged on; "
                "add photos, or give other --folds"
            )
        # water is rarer than sky and looks more different from photo to photo: such photos come up twice as often
        self.learned = learned + [e for e in learned if (e.labels == WATER).mean() > 0.05]
        self.net = SegmentationNet(_network_config(settings)).to(device)
        self.modules: Mapping[str, nn.Module] = {"net": self.net}
        matrices = [p for p in self.net.parameters() if p.ndim > 1]
        vectors = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.optimiser.register_step_pre_hook(self._clip)
        self._phases = (Phase("mask", self.optimiser, self._loss),)

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _clip(self, *_: object) -> None:
        nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_GRADIENT)

    def _loss(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        photos, labels = self._batch(samples, step)
        steps = self.loop.steps
        warm = min(1.0, (step + 1) / min(100.0, steps / 10 + 1))
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        with precision(self.loop, self.device):
            fine, coarse = self.net.both(photos)
        return {"loss": segmentation_loss(fine, labels) + 0.3 * segmentation_loss(coarse, labels)}

    def _batch(self, samples: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        """Photos [B, 3, H, W] in [0, 1] and labels [B, H/2, W/2]: of a step in one random shape, in random order."""
        settings, count = self.settings, len(self.learned)
        shapes = sample_rng(self.loop.seed + 1, step)
        shape, scale = _SHAPES[shapes.integers(len(_SHAPES))], _SCALES[shapes.integers(len(_SCALES))]
        across, down = (max(STRIDE, round(v * scale * settings.side / STRIDE) * STRIDE) for v in shape)
        made = []
        for n in samples:
            example = self.learned[_shuffled(count, n // count, self.loop.seed)[n % count]]
            made.append(augment(example, self.learned, (across, down), sample_rng(self.loop.seed, n)))
        photos = torch.from_numpy(np.stack([photo for photo, _ in made])).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(np.stack([kinds[::2, ::2] for _, kinds in made])).long()
        return photos.to(self.device), labels.to(self.device)

    @torch.no_grad()
    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        """Photos that were not learned, above what the network sees in them: red static, green sky, blue water."""
        net = averages["net"]
        assert isinstance(net, SegmentationNet)
        tiles = []
        for example in self.held_out[:SHOWN]:
            seen = probabilities(net, example.photo).permute(1, 2, 0).numpy()
            both = np.vstack([example.photo, (np.nan_to_num(seen) * 255).astype(np.uint8)])
            tiles.append(resize(both, (TILE, 2 * TILE)))
        return np.hstack(tiles) if tiles else None

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        write_bundle(self.path, Bundle(KIND, {}, averages["net"].state_dict()))
        return self.path

    def net_of(self, state: Mapping[str, Tensor]) -> SegmentationNet:
        """The network with other weights."""
        net = SegmentationNet(_network_config(self.settings)).to(self.device)
        load_strictly(net, state, self.path)
        return net.eval()


def _network_config(settings: MaskSettings) -> SegmentationConfig:
    return SegmentationConfig(widths=settings.widths or SegmentationConfig.widths, side=settings.side)


def _fold(example: Example, settings: MaskSettings) -> int:
    """The part a photo is dealt into: by its name, so that new photos do not move the others."""
    return zlib.crc32(example.name.encode()) % settings.folds


def _shuffled(count: int, turn: int, seed: int) -> list[int]:
    return [int(i) for i in np.random.default_rng([seed, 77, turn]).permutation(count)]


def evaluate(net: SegmentationNet, examples: list[Example]) -> Scores:
    """Scores of the bare network (mirrored twice, no clean-up) on labelled examples."""
    pairs = []
    for example in examples:
        seen = probabilities(net, example.photo)
        kind = torch.where(seen[0] > 0.5, STATIC, torch.where(seen[1] > seen[2], SKY, WATER))
        pairs.append((kind.to(torch.uint8).numpy(), example.labels))
    return score(pairs)


@torch.no_grad()
def probabilities(net: SegmentationNet, photo: NDArray[np.uint8]) -> Tensor:
    """Of static, sky and water at each pixel of `photo` [H, W, 3], with its mirror image's mean: [3, H, W]."""
    height, width = photo.shape[:2]
    small = resize(photo, network_size(width, height, net.config.side))
    rgb = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float() / 255
    both = torch.cat((rgb, rgb.flip(3))).to(next(net.parameters()).device)
    with torch.autocast(both.device.type, torch.bfloat16):
        straight, mirrored = net(both).float().softmax(1).cpu().split(1)
    return F.interpolate((straight + mirrored.flip(3)) / 2, size=(height, width), mode="bilinear")[0]


def _assemble(settings: MaskSettings, loop: LoopSettings) -> None:
    """Write the members' averaged weights into one file, packed."""
    network = _network_config(settings)
    tensors: dict[str, Tensor] = {}
    for k in range(settings.members):
        path = loop.work / f"member_{k}" / "average.safetensors"
        member = SegmentationNet(network)
        load_strictly(member, read_bundle(path, KIND).tensors, path)
        tensors |= {f"{k}.{name}": value for name, value in pack(member.state_dict()).items()}
    header = {"members": settings.members, "network": asdict(network), "steps": loop.steps, "seed": loop.seed}
    write_bundle(settings.out, Bundle("mask", header, tensors))

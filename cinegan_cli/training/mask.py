"""Training of the mask network: an ensemble of small networks, each judged on photos it never saw.

`train` is the whole recipe: read the photos, train every member on all folds but its own, score it on its own fold,
and write the members into one file.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinegan_cli.checkpoints.bundle import Bundle, load_strictly, pack, read_bundle, write_bundle
from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.nn.segmentation import STRIDE, SegmentationConfig, SegmentationNet, network_size
from cinegan_cli.training.mask_augment import augment
from cinegan_cli.training.mask_config import MaskTrainConfig
from cinegan_cli.training.mask_data import MOVING, SKY, STATIC, WATER, Example, read_examples, require_data, resize
from cinegan_cli.training.mask_loss import Scores, score, segmentation_loss

_SHAPES = ((1.0, 0.66), (1.0, 0.66), (1.0, 0.56), (1.0, 0.75), (0.75, 1.0), (1.0, 1.0))  # of batches; sides over `side`
_SCALES = (0.8, 0.9, 1.0, 1.0, 1.1)


def train(config: MaskTrainConfig) -> Path:
    """Train and write the ensemble; returns `config.out`.

    Each member's scores on its own fold are printed and kept in `work`/scores.json. The same configuration and data
    give the same weights on the same machine, whether interrupted and resumed or not.
    Raises InputError when the data cannot be read, OutputError when the folders of the results cannot be made.
    """
    require_data(config.data)
    _make_folders(config)
    members = range(config.members)
    if config.workers == 1:
        scores = [train_member(config, k) for k in members]
    else:
        with ProcessPoolExecutor(config.workers, mp_context=get_context("spawn")) as pool:
            scores = list(pool.map(train_member, [config] * config.members, members))
    report = {"members": [asdict(s) for s in scores]}
    (config.work / "scores.json").write_text(json.dumps(report, indent=1))
    _assemble(config)
    return config.out


def _make_folders(config: MaskTrainConfig) -> None:
    """Before hours of work: where its results go. Raises OutputError."""
    try:
        config.work.mkdir(parents=True, exist_ok=True)
        config.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{error.filename}: cannot be made: {error.strerror}; choose another --work or --out"
        ) from error


def train_member(config: MaskTrainConfig, member: int) -> Scores:
    """Train one network and return its scores on the fold it never saw; its weights are in `work`/member_K."""
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(1)
    examples = [e for e in read_examples(config.data, config.annotations, config.side * 7 // 4) if e.split == "train"]
    # the samples' masks do not tell sky from water, so they cannot score; they train every member
    held_out = [e for e in examples if _fold(e, config) == member % config.folds and not (e.labels == MOVING).any()]
    names = {e.name for e in held_out}
    learned = [e for e in examples if e.name not in names]
    if not learned:
        raise InputError(f"{config.data}: no labelled training photo; --data must name a folder with annotated/")
    # water is rarer than sky and looks more different from photo to photo: such photos come up twice as often
    learned += [e for e in learned if (e.labels == WATER).mean() > 0.05]
    run = _Run(config, member)
    run.load()
    started = time.monotonic()
    while run.step < config.steps:
        loss = run.advance(learned)
        if run.step % config.save_every == 0 or run.step == config.steps:
            run.save()
            scores = evaluate(run.average, held_out)
            minutes = (time.monotonic() - started) / 60
            classes = " ".join(f"{v:.3f}" for v in scores.classes)
            print(
                f"member {member} step {run.step} loss {loss:.3f} moving/static IoU {scores.moving:.4f} "
                f"static sky water {classes} ({len(held_out)} photos, {minutes:.1f} min)",
                file=sys.stderr,
                flush=True,
            )
    return evaluate(run.average, held_out)


def _network_config(config: MaskTrainConfig) -> SegmentationConfig:
    widths = config.widths or SegmentationConfig.widths
    return SegmentationConfig(widths=widths, side=config.side)


def _fold(example: Example, config: MaskTrainConfig) -> int:
    """The part a photo is dealt into: by its name, so that new photos do not move the others."""
    return zlib.crc32(example.name.encode()) % config.folds


class _Run:
    """One member in training: network, running average of its weights, optimiser, and where they are kept."""

    def __init__(self, config: MaskTrainConfig, member: int) -> None:
        self.config, self.member, self.step = config, member, 0
        torch.manual_seed(config.seed * 1000 + member)
        self.device = torch.device(config.device)
        self.net = self._network().train()
        self.average = self._network().eval()
        self.average.load_state_dict(self.net.state_dict())
        matrices = [p for p in self.net.parameters() if p.ndim > 1]
        vectors = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.folder = config.work / f"member_{member}"

    def _network(self) -> SegmentationNet:
        return SegmentationNet(_network_config(self.config)).to(self.device)

    def advance(self, examples: list[Example]) -> float:
        """One step; returns its loss. Everything random in it follows from (seed, member, step)."""
        config = self.config
        rng = np.random.default_rng([config.seed, self.member, self.step])
        torch.manual_seed(int(rng.integers(2**31)))
        photos, labels = self._batch(examples, rng)
        warm = min(1.0, (self.step + 1) / min(100.0, config.steps / 10 + 1))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * self.step / config.steps))
        with torch.autocast(self.device.type, torch.bfloat16):
            fine, coarse = self.net.both(photos)
        loss = segmentation_loss(fine, labels) + 0.3 * segmentation_loss(coarse, labels)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.net.parameters(), 3.0)
        self.optimizer.step()
        self.step += 1
        _follow(self.average, self.net, min(0.995, (1 + self.step) / (10 + self.step)))
        return loss.item()

    def _batch(self, examples: list[Example], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Photos [B, 3, H, W] in [0, 1] and labels [B, H/2, W/2] of one random shape; in random order."""
        config = self.config
        shape, scale = _SHAPES[rng.integers(len(_SHAPES))], _SCALES[rng.integers(len(_SCALES))]
        across, down = (max(STRIDE, round(v * scale * config.side / STRIDE) * STRIDE) for v in shape)
        turn = self.step * config.batch
        chosen = [
            examples[_shuffled(len(examples), (turn + i) // len(examples), config.seed)[(turn + i) % len(examples)]]
            for i in range(config.batch)
        ]
        samples = [augment(e, examples, (across, down), rng) for e in chosen]
        photos = torch.from_numpy(np.stack([photo for photo, _ in samples])).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(np.stack([kinds[::2, ::2] for _, kinds in samples])).long()
        return photos.to(self.device), labels.to(self.device)

    def save(self) -> None:
        """Network, average, optimiser and step, atomically; the average alone as weights."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / "resume.pt.part"
        torch.save(state, part)
        os.replace(part, self.folder / "resume.pt")
        write_bundle(self.folder / "average.safetensors", Bundle("mask member", {}, self.average.state_dict()))

    def load(self) -> None:
        """Go on from the last checkpoint, if `--resume` is given and there is one."""
        path = self.folder / "resume.pt"
        if not (self.config.resume and path.is_file()):
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _shuffled(count: int, turn: int, seed: int) -> list[int]:
    return [int(i) for i in np.random.default_rng([seed, 77, turn]).permutation(count)]


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 - decay) · net, buffers too."""
    for kept, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.no_grad()
def evaluate(net: SegmentationNet, examples: list[Example]) -> Scores:
    """Scores of the bare network (mirrored twice, no clean-up) on labelled examples."""
    pairs = []
    for example in examples:
        height, width = example.photo.shape[:2]
        small = resize(example.photo, network_size(width, height, net.config.side))
        rgb = torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None].float() / 255
        both = torch.cat((rgb, rgb.flip(3))).to(next(net.parameters()).device)
        with torch.autocast(both.device.type, torch.bfloat16):
            straight, mirrored = net(both).float().softmax(1).cpu().split(1)
        seen = F.interpolate((straight + mirrored.flip(3)) / 2, size=(height, width), mode="bilinear")[0]
        kind = torch.where(seen[0] > 0.5, STATIC, torch.where(seen[1] > seen[2], SKY, WATER))
        pairs.append((kind.to(torch.uint8).numpy(), example.labels))
    return score(pairs)


def _assemble(config: MaskTrainConfig) -> None:
    """Write the members' averaged weights into one file, packed."""
    network = _network_config(config)
    tensors: dict[str, Tensor] = {}
    for k in range(config.members):
        path = config.work / f"member_{k}" / "average.safetensors"
        member = SegmentationNet(network)
        load_strictly(member, read_bundle(path, "mask member").tensors, path)
        tensors |= {f"{k}.{name}": value for name, value in pack(member.state_dict()).items()}
    header = {"members": config.members, "network": asdict(network), "steps": config.steps, "seed": config.seed}
    write_bundle(config.out, Bundle("mask", header, tensors))

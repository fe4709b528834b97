"""Settings of `cinegan train generator` and `train encoder`; apart, so that `--help` needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinegan_cli.config import setting
from cinegan_cli.training.loop_config import LoopSettings, batch_setting, steps_setting, work_setting


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
    """The feature-style encoder of a given generator (`spec/stylecinegan.md`, section 4)."""

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

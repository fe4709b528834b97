"""Settings of `cinegan train compact`; apart from the training, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinegan_cli.config import setting
from cinegan_cli.training.loop_config import LoopSettings, batch_setting, steps_setting, work_setting


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

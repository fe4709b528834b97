"""Settings of `cinegan train motion`; apart from the training, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinegan_cli.config import setting
from cinegan_cli.training.loop_config import LoopSettings, work_setting


@dataclass(frozen=True)
class MotionSettings:
    """Settings of the motion networks; the pix2pixHD form has the paper's Adam, weights of losses and sizes."""

    data: tuple[Path, ...] = setting((), "Motion set, as `cinegan data` makes it. Repeatable.", metavar="DIR")
    out: Path = setting(Path("motion.safetensors"), "Weights file to write.", metavar="FILE")
    form: Literal["compact", "pix2pixhd"] = setting(
        "compact", "A small network for everything, steered by arrows; or the paper's, for one kind of motion."
    )
    part: Literal["sky", "water"] = setting("sky", "What a pix2pixhd network moves.")
    learning_rate: float | None = setting(
        None, "Peak learning rate.  [default: 0.002 compact, 0.0002 pix2pixhd]", minimum=0.0, maximum=1.0
    )
    side: int | None = setting(
        None, "Side of the square pictures, in pixels; a multiple of 32.  [default: 256, 512]", minimum=64, maximum=2048
    )
    width: float = setting(1.0, "Factor on the channels of all layers.", minimum=0.05, maximum=4.0)
    hinted: float = setting(0.5, "Share of the samples that come with arrows (compact).", minimum=0.0, maximum=1.0)
    adversarial: float = setting(1.0, "Weight of the adversarial loss (pix2pixhd).", minimum=0.0, maximum=100.0)
    matching: float = setting(10.0, "Weight of the feature matching loss (pix2pixhd).", minimum=0.0, maximum=1000.0)


@dataclass(frozen=True)
class MotionLoop(LoopSettings):
    """Where a run lies."""

    work: Path = work_setting("motion")

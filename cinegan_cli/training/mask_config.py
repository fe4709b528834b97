"""Settings of `cinegan train mask`; apart from the training, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinegan_cli.config import setting
from cinegan_cli.training.loop_config import LoopSettings, batch_setting, steps_setting, work_setting


@dataclass(frozen=True)
class MaskSettings:
    """Settings of the segmentation networks."""

    data: Path = setting(Path("data"), "Folder with manifest.csv, photos/ and annotated/.", metavar="DIR")
    annotations: Path | None = setting(
        None, "Folder with further label pictures, NAME.png, for photos of --data.", metavar="DIR"
    )
    out: Path = setting(Path("mask.safetensors"), "Weights file to write.", metavar="FILE")
    form: Literal["network", "pixels"] = setting(
        "network", "A segmentation network; or the paper's: perceptrons on a generator's features, pixel by pixel."
    )
    models: str | None = setting(
        None,
        "Set of models, or bundle file, whose generator `pixels` reads.  [default: the installed or shipped]",
    )
    members: int = setting(4, "Networks in the ensemble.", minimum=1, maximum=16)
    folds: int = setting(6, "Parts the photos are dealt into; member k never sees part k.", minimum=2, maximum=100)
    side: int = setting(256, "Long side of the network's input, in pixels.", minimum=64, maximum=2048)
    widths: tuple[int, ...] | None = setting(None, "Channels at 1/2, 1/4, ... of the input; five numbers.")
    learning_rate: float = setting(2e-3, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)
    weight_decay: float = setting(0.05, "Decoupled weight decay.", minimum=0.0)


@dataclass(frozen=True)
class MaskLoop(LoopSettings):
    """The recipe's steps, for each member."""

    work: Path = work_setting("mask")
    steps: int = steps_setting(2300)
    batch: int = batch_setting(10)
    ema: float = setting(0.995, "Decay per step of the averaged weights.", minimum=0.0, maximum=0.999999)

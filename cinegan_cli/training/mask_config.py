"""Settings of `cinegan train mask`; apart from the training, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinegan_cli.config import setting


@dataclass(frozen=True)
class MaskTrainConfig:
    """Settings of `cinegan train mask`."""

    data: Path = setting(Path("../shared/data"), "Folder with manifest.csv, photos/ and annotated/.", metavar="DIR")
    annotations: Path | None = setting(
        Path("examples/annotations"), "Folder with further label pictures, NAME.png.", metavar="DIR"
    )
    out: Path = setting(Path("cinegan_cli/weights/mask.safetensors"), "Weights file to write.", metavar="FILE")
    work: Path = setting(Path("runs/mask"), "Folder for checkpoints and the log.", metavar="DIR")
    members: int = setting(4, "Networks in the ensemble.", minimum=1, maximum=16)
    folds: int = setting(6, "Parts the photos are dealt into; member k never sees part k.", minimum=2, maximum=100)
    steps: int = setting(2300, "Training steps of each member.", minimum=1)
    batch: int = setting(10, "Photos per step.", minimum=1)
    side: int = setting(256, "Long side of the network's input, in pixels.", minimum=64, maximum=2048)
    widths: tuple[int, ...] | None = setting(None, "Channels at 1/2, 1/4, ... of the input; five numbers.")
    learning_rate: float = setting(2e-3, "Peak learning rate; warms up, then falls along a cosine.", minimum=0.0)
    weight_decay: float = setting(0.05, "Decoupled weight decay.", minimum=0.0)
    seed: int = setting(0, "Seed of weights, order and augmentation.", minimum=0)
    workers: int = setting(1, "Members trained at the same time, one process each.", minimum=1)
    threads: int = setting(1, "CPU threads of each process.", minimum=1)
    device: Literal["cpu", "cuda"] = setting("cpu", "Where to train.")
    save_every: int = setting(150, "Steps between checkpoints and validations.", minimum=1)
    resume: bool = setting(False, "Go on from the checkpoints in --work.")

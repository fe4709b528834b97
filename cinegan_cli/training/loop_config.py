"""Settings that all training commands share; apart from the loop, so that `--help` answers without importing torch."""

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

"""A tiny task for the training loop, and a script that torchrun can start: fits a line to noisy samples."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.training.loop import Phase, run, sample_noise, sample_rng, set_up
from cinegan_cli.training.settings import LoopSettings


@dataclass(frozen=True)
class LineSettings:
    """What the task has to be told."""

    rate: float = 0.05
    out: Path = Path("line.pt")
    poisoned: int | None = None  # step at which the loss is not a number


class LineTask:
    """Two phases that share nothing, as a GAN's; the second only every other step."""

    averaged = ("line",)

    def __init__(self, settings: LineSettings, loop: LoopSettings) -> None:
        self.settings, self.loop = settings, loop
        set_up(loop)
        self.line, self.scale = nn.Linear(3, 1), nn.Linear(1, 1)
        self.modules: Mapping[str, nn.Module] = {"line": self.line, "scale": self.scale}
        first = torch.optim.Adam(self.line.parameters(), lr=settings.rate)
        second = torch.optim.Adam(self.scale.parameters(), lr=settings.rate)
        self._phases = (Phase("line", first, self._fit), Phase("scale", second, self._fit_scale, every=2))

    def phases(self) -> Sequence[Phase]:
        return self._phases

    def _fit(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        x = sample_noise(self.loop.seed, samples, (3,))
        offsets = torch.tensor([sample_rng(self.loop.seed + 1, n).normal() for n in samples]).float()
        wanted = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * offsets
        loss = (self.line(x)[:, 0] - wanted).square().mean()
        return {"loss": loss * float("nan") if step == self.settings.poisoned else loss, "half": loss / 2}

    def _fit_scale(self, samples: Sequence[int], step: int) -> Mapping[str, Tensor]:
        x = sample_noise(self.loop.seed, samples, (1,))
        return {"loss": (self.scale(x) - 3 * x).square().mean()}

    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        return np.zeros((4, 4, 3), np.uint8)

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        torch.save(averages["line"].state_dict(), self.settings.out)
        return self.settings.out


def train(settings: LineSettings, loop: LoopSettings) -> Path:
    return run(LineTask(settings, loop), loop, config=settings, progress=lambda what, done, total: None)


if __name__ == "__main__":
    folder, steps, batch = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    given = {"save_minutes": float(sys.argv[4]), "resume": True} if len(sys.argv) > 4 else {}
    settings = LoopSettings(work=folder, steps=steps, batch=batch, log_every=1, threads=1, device="cpu", **given)  # type: ignore[arg-type]
    train(LineSettings(out=folder / "line.pt"), settings)

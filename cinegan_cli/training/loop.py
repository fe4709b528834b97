"""The one training loop: steps, averaged weights, checkpoints, logs; alone or as several processes under torchrun.

Everything random follows from (seed, number of the sample), never from a hidden state: a run that was interrupted
gives the bits it would have given (on the CPU, with the same processes and threads), and two processes with half the
batch each see the same samples as one.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.errors import CheckError, InputError, UsageError, is_out_of_memory
from cinegan_cli.precision import narrowed
from cinegan_cli.stages.video import write_pictures
from cinegan_cli.training import run_folder
from cinegan_cli.training.curves import draw_curves
from cinegan_cli.training.run_folder import CHECKPOINT
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.types import Progress

DRAWN_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class Phase:
    """One update of some parameters. A GAN has two: discriminator, generator.

    `loss(samples, step)` gives named parts for the samples with these numbers; the one called "loss" is minimised.
    """

    name: str
    optimiser: torch.optim.Optimizer
    loss: Callable[[Sequence[int], int], Mapping[str, Tensor]]
    every: int = 1  # steps; regularisers may come more rarely

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]


class Task(Protocol):
    """What is trained. `modules` are saved with every checkpoint; those named in `averaged` are also kept averaged."""

    modules: Mapping[str, nn.Module]

    @property
    def averaged(self) -> tuple[str, ...]:
        """Names of the modules whose averaged weights are kept."""

    def phases(self) -> Sequence[Phase]:
        """The updates of one step, in order; the same objects every time."""

    def picture(self, averages: Mapping[str, nn.Module]) -> NDArray[np.uint8] | None:
        """A sample grid [h, w, 3], to look at."""

    def export(self, averages: Mapping[str, nn.Module]) -> Path:
        """Write the trained model, from the averaged weights."""


@dataclass(frozen=True)
class Workers:
    """The processes that train together; one unless torchrun started several."""

    rank: int
    count: int

    @staticmethod
    def join(settings: LoopSettings) -> Workers:
        """Join the others of a torchrun, over nccl when they train on CUDA, else gloo."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Workers(0, 1)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device_of(settings).type == "cuda" else "gloo")
        return Workers(dist.get_rank(), dist.get_world_size())

    def any(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        return self.mean({"": float(mine)})[""] > 0

    def mean(self, mine: Mapping[str, float]) -> dict[str, float]:
        """The same figures, averaged over the processes."""
        if self.count == 1:
            return dict(mine)
        own = "cuda" if dist.get_backend() == "nccl" else "cpu"
        values = torch.tensor(list(mine.values()), device=own)
        dist.all_reduce(values)
        return dict(zip(mine, (values / self.count).tolist(), strict=True))

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes.

        By hand, not by DistributedDataParallel's hooks: those do not survive gradients of gradients (R1, path length).
        """
        if self.count == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        for grad, part in zip(grads, torch.split(flat / self.count, [g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))


def run(task: Task, settings: LoopSettings, *, config: object, progress: Progress) -> Path:
    """Train `task` to `settings.steps` and export it; returns the exported file.

    `config` is saved beside the checkpoints as JSON. Raises CheckError when a loss or the weights are not finite (the
    last checkpoint stays), UsageError when `work` holds another run or a step does not fit into memory, OutputError
    when it cannot be written, KeyboardInterrupt after a checkpoint when it is told to end.
    """
    workers = Workers.join(settings)
    trainer = Trainer(task, settings, workers)
    trainer.open(config)
    saved = time.monotonic()
    with _between_steps() as told:
        while trainer.step < settings.steps:
            losses = _within_memory(trainer.advance, settings)
            if workers.rank == 0:
                progress(f"training ({_told(losses)})", trainer.step, settings.steps)
                trainer.log(losses)
            stopped = workers.any(bool(told))
            if workers.rank == 0 and (stopped or time.monotonic() - saved > 60 * settings.save_minutes):
                trainer.save()
                trainer.draw(at_once=stopped)
                saved = time.monotonic()
            if stopped:
                raise KeyboardInterrupt(
                    f"interrupted after step {trainer.step}; the same command with --resume goes on"
                )
    if workers.rank == 0:
        trainer.save()
        trainer.draw(at_once=True)
        path = task.export(trainer.averages)
    if workers.count > 1:
        dist.barrier()
    return path if workers.rank == 0 else settings.work


@contextmanager
def _between_steps() -> Iterator[list[int]]:
    """Collects the signals that ask for an end, so that the step under way is finished and kept.

    A second one ends at once, as it would without this.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = {number: signal.getsignal(number) for number in known}

    def note(number: int, frame: Any) -> None:
        asked.append(number)
        earlier = before[signal.Signals(number)]
        if len(asked) > 1 and callable(earlier):
            earlier(number, frame)

    heeded = [number for number in known if callable(before[number])]
    for number in heeded:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _within_memory(advance: Callable[[], dict[str, float]], settings: LoopSettings) -> dict[str, float]:
    """One step. Raises UsageError when it does not fit."""
    try:
        return advance()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UsageError(
            f"--batch {settings.batch}: not enough memory for one step; give a smaller --batch, or compute it in parts "
            "with --accumulate"
        ) from error


class Trainer:
    """The state of a run: step, averaged weights, and what is on disk."""

    def __init__(self, task: Task, settings: LoopSettings, workers: Workers) -> None:
        self.task, self.settings, self.workers, self.step = task, settings, workers, 0
        self.averages = {name: deepcopy(task.modules[name]).eval().requires_grad_(False) for name in task.averaged}
        self.started = time.monotonic()
        self._begun: dict[str, Any] = {}
        self._rows: list[dict[str, float]] = []
        self._board: Any = None
        self._drawn = self.started

    def open(self, config: object) -> None:
        """Make the folder, or go on from its checkpoint."""
        settings = self.settings
        whole = settings.batch * self.workers.count
        self._begun = run_folder.begun(config, batch=whole, seed=settings.seed)
        checkpoint = run_folder.open_folder(settings.work, config, resume=settings.resume)
        if checkpoint is not None:
            self.load(checkpoint)
        if self.workers.rank == 0:
            run_folder.keep_config(settings.work, config)
            run_folder.drop_later_lines(settings.work, self.step)
            self._board = _tensorboard(settings.work)

    def advance(self) -> dict[str, float]:
        """One step: every phase once. Returns the named losses, averaged over the whole batch of all processes."""
        settings = self.settings
        told: dict[str, float] = {}
        whole = settings.batch * self.workers.count
        first = self.step * whole + self.workers.rank * settings.batch
        parts = np.array_split(np.arange(first, first + settings.batch), min(settings.accumulate, settings.batch))
        for phase in self.task.phases():
            if self.step % phase.every:
                continue
            phase.optimiser.zero_grad(set_to_none=True)
            own: dict[str, float] = {}
            for part in parts:
                share = len(part) / settings.batch
                torch.manual_seed(_mixed(settings.seed, self.step, int(part[0])))
                losses = phase.loss([int(n) for n in part], self.step)
                torch.autograd.backward(losses["loss"] * share)
                for name, value in losses.items():
                    key = f"{phase.name}.{name}" if name != "loss" else phase.name
                    own[key] = own.get(key, 0.0) + share * float(value.detach())
            told |= self.workers.mean(own)
            self._require_finite(told)
            self.workers.average(phase.parameters)
            phase.optimiser.step()
        self.step += 1
        decay = min(settings.ema, (1 + self.step) / (10 + self.step))
        for name, average in self.averages.items():
            follow(average, self.task.modules[name], decay)
        return told

    def log(self, losses: Mapping[str, float]) -> None:
        """Every `log_every` steps the mean losses since, as a line; every `sample_every` steps a picture."""
        self._rows.append(dict(losses))
        if self.step % self.settings.log_every == 0 or self.step == self.settings.steps:
            names = sorted({name for row in self._rows for name in row})
            means = {n: float(np.mean([row[n] for row in self._rows if n in row])) for n in names}
            self._rows = []
            seconds = f"{time.monotonic() - self.started:.1f}"
            values = [str(self.step), seconds, *(f"{value:.6g}" for value in means.values())]
            run_folder.add_line(self.settings.work, list(means), values)
            if self._board is not None:
                for name, value in means.items():
                    self._board.add_scalar(name, value, self.step)
        every = self.settings.sample_every
        if every and (self.step % every == 0 or self.step == self.settings.steps):
            picture = self.task.picture(self.averages)
            if picture is not None:
                folder = self.settings.work / "samples"
                try:
                    folder.mkdir(exist_ok=True)
                except OSError as error:
                    raise run_folder.unwritable(folder, error) from error
                write_pictures({folder / f"{self.step:07d}.png": picture})

    def save(self) -> None:
        """Write the whole state atomically: a kill at any time leaves the old checkpoint or the new one.

        Raises CheckError, and leaves the old one, when a weight is not finite: nothing could go on from it.
        """
        for name, module in self.task.modules.items():
            for value in module.state_dict().values():
                if value.is_floating_point() and not bool(value.isfinite().all()):
                    raise CheckError(f"step {self.step}: the weights of the {name} are not finite; {self._way_on()}")
        state = {
            "begun": self._begun,
            "step": self.step,
            "modules": {name: module.state_dict() for name, module in self.task.modules.items()},
            "averages": {name: module.state_dict() for name, module in self.averages.items()},
            "optimisers": [phase.optimiser.state_dict() for phase in _distinct(self.task.phases())],
        }
        run_folder.save_state(self.settings.work / CHECKPOINT, state)

    def draw(self, *, at_once: bool) -> None:
        """Draw the curves of the log, unless that was done a minute ago. Raises OutputError."""
        if at_once or time.monotonic() - self._drawn > DRAWN_EVERY:
            draw_curves(self.settings.work)
            self._drawn = time.monotonic()

    def load(self, path: Path) -> None:
        """Take up a checkpoint, at the rates of this run.

        Raises InputError when it is damaged, UsageError when it was begun otherwise.
        """
        state = run_folder.load_state(path)
        run_folder.require_same(path, state.get("begun", {}), self._begun, self.workers.count)
        try:
            for name, module in self.task.modules.items():
                module.load_state_dict(state["modules"][name])
            for name, average in self.averages.items():
                average.load_state_dict(state["averages"][name])
            for phase, saved in zip(_distinct(self.task.phases()), state["optimisers"], strict=True):
                rates = [group["lr"] for group in phase.optimiser.param_groups]
                phase.optimiser.load_state_dict(saved)
                for group, rate in zip(phase.optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate
            self.step = int(state["step"])
        except Exception as error:  # torch raises whatever the difference leads to
            raise InputError(
                f"{path}: cannot be resumed: it holds other networks than this run's; choose another --work"
            ) from error

    def _require_finite(self, losses: Mapping[str, float]) -> None:
        for name, value in losses.items():
            if not math.isfinite(value):
                raise CheckError(f"step {self.step}: the loss {name} is not finite; {self._way_on()}")

    def _way_on(self) -> str:
        work = self.settings.work
        if not (work / CHECKPOINT).is_file():
            return "there is no checkpoint yet; begin again with a smaller --learning-rate"
        return f"the last good checkpoint is in {work}; go on with --resume and a smaller --learning-rate"


def set_up(settings: LoopSettings) -> torch.device:
    """Threads, seed and own device of this process; returns the device. Raises UsageError when it is not there."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    device = device_of(settings)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # else all processes of this machine meet on its first GPU
    return device


def device_of(settings: LoopSettings) -> torch.device:
    """Where this process trains: under torchrun each has its own GPU. Raises UsageError when it is not there."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: not available here; leave it out to use the CPU")
    if settings.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def precision(settings: LoopSettings, device: torch.device) -> AbstractContextManager[object]:
    """Autocast to bfloat16 where that is asked for, or where the hardware has it."""
    return narrowed(settings.precision, device)


def sample_rng(seed: int, sample: int) -> np.random.Generator:
    """The random numbers of one sample of the run: the same whatever the batch, the process or the interruptions."""
    return np.random.default_rng([seed, sample])


def sample_noise(seed: int, samples: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Standard normal [len(samples), *shape], every sample's from its own number. float32."""
    drawn = [sample_rng(seed, n).standard_normal(shape, np.float32) for n in samples]
    return torch.from_numpy(np.stack(drawn))


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 - decay) · net, buffers too."""
    for kept, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _distinct(phases: Sequence[Phase]) -> list[Phase]:
    """One phase per optimiser: a regulariser shares its network's."""
    seen: dict[int, Phase] = {}
    for phase in phases:
        seen.setdefault(id(phase.optimiser), phase)
    return list(seen.values())


def _tensorboard(work: Path) -> Any:
    """A TensorBoard writer if the package is installed (`pip install cinegan[train]`), else None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(work / "tensorboard"))


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _told(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in losses.items() if "." not in name)

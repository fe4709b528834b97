"""The training loop: interrupted runs, several processes, parts of a batch, and losses that are no numbers."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.errors import CheckError, InputError, OutputError, UsageError
from cinegan_cli.training.curves import CURVES, curves_figure, read_log
from cinegan_cli.training.loop import run
from cinegan_cli.training.run_folder import CHECKPOINT, LOG
from cinegan_cli.training.settings import LoopSettings
from tests.training_task import LineSettings, LineTask, train

SCRIPT = Path(__file__).parents[1] / "training_task.py"
ROOT = Path(__file__).parents[2]


def losses(work: Path) -> list[tuple[int, float]]:
    with (work / LOG).open(newline="") as file:
        return [(int(row["step"]), float(row["line"])) for row in csv.DictReader(file)]


def weights(work: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(work / "line.pt", weights_only=True)
    return state


def settings(work: Path, steps: int) -> tuple[LineSettings, LoopSettings]:
    loop = LoopSettings(work=work, steps=steps, batch=4, log_every=1, sample_every=0, device="cpu")
    return LineSettings(out=work / "line.pt"), loop


def test_the_loss_falls_and_is_logged(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 150)
    train(line, replace(loop, sample_every=50))
    values = losses(tmp_path)
    assert [step for step, _ in values] == list(range(1, 151))
    assert sum(v for _, v in values[-10:]) < 0.05 * sum(v for _, v in values[:10])
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == ["0000050.png", "0000100.png", "0000150.png"]


def test_the_curves_are_those_of_the_log(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 9)
    train(line, replace(loop, log_every=3))
    train(line, replace(loop, steps=12, resume=True))  # a line for every step: "scale" comes only in every second
    with Image.open(tmp_path / CURVES) as chart:
        assert chart.size == (960, 480)
    logged = read_log(tmp_path)
    assert [step for step, _ in logged["line"]] == [3, 6, 9, 10, 11, 12]
    assert [step for step, _ in logged["scale"]] == [3, 6, 9, 11]
    assert logged["line"] == losses(tmp_path)
    first, second = curves_figure("run", logged).axes
    drawn = {line.get_label(): line for axes in (first, second) for line in axes.lines}
    assert [line.get_label() for line in first.lines] == ["line", "line.half"]
    for name, values in logged.items():
        assert [tuple(point) for point in drawn[name].get_xydata()] == values
    assert "matplotlib.pyplot" not in sys.modules  # nor its figures, which nobody would close


def test_a_run_without_matplotlib_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cinegan_cli.training.curves.can_plot", lambda: False)
    train(*settings(tmp_path, 2))
    assert (tmp_path / LOG).is_file()
    assert not (tmp_path / CURVES).exists()


def test_a_resumed_run_gives_the_same_bits(tmp_path: Path) -> None:
    whole, loop = settings(tmp_path / "whole", 30)
    train(whole, loop)
    part, loop = settings(tmp_path / "part", 11)
    train(part, loop)
    train(part, replace(loop, steps=30, resume=True))
    assert losses(tmp_path / "whole") == losses(tmp_path / "part")
    for one, other in zip(weights(tmp_path / "whole").values(), weights(tmp_path / "part").values(), strict=True):
        assert torch.equal(one, other)


def test_lines_logged_after_the_checkpoint_are_logged_again(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 5)
    train(line, loop)
    with (tmp_path / LOG).open("a") as file:
        file.write("6,9.9,1,1,1\n7,9.9,1,1,1\n")
    train(line, replace(loop, steps=8, resume=True))
    assert [step for step, _ in losses(tmp_path)] == list(range(1, 9))


def test_parts_of_a_batch_add_up_to_the_batch(tmp_path: Path) -> None:
    line, loop = settings(tmp_path / "one", 20)
    train(line, loop)
    parts, loop = settings(tmp_path / "parts", 20)
    train(parts, replace(loop, accumulate=3))  # 4 samples in parts of 2, 1, 1
    for (_, one), (_, other) in zip(losses(tmp_path / "one"), losses(tmp_path / "parts"), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_two_processes_train_like_one_with_twice_the_batch(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    both = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*both, SCRIPT, tmp_path / "two", "12", "2"], env=environment, check=True, timeout=120, capture_output=True
    )
    line, loop = settings(tmp_path / "one", 12)
    train(line, loop)
    for one, other in zip(weights(tmp_path / "one").values(), weights(tmp_path / "two").values(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    curves = (np.array(losses(tmp_path / name)) for name in ("one", "two"))
    assert np.allclose(*curves, rtol=1e-4)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, SCRIPT, tmp_path / "killed", "100000", "4", "0.0001"]
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "killed" / CHECKPOINT).is_file() and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    done = torch.load(tmp_path / "killed" / CHECKPOINT, weights_only=True)["step"]
    assert done >= 1
    line, loop = settings(tmp_path / "killed", done + 5)
    train(line, replace(loop, resume=True))
    whole, loop = settings(tmp_path / "whole", done + 5)
    train(whole, loop)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 5)
    train(line, loop)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(CheckError, match=r"step 7.*line.*--resume"):
        train(replace(line, poisoned=7), replace(loop, steps=20, resume=True))
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_another_run_is_not_written_over(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 2)
    train(line, loop)
    with pytest.raises(UsageError, match="--resume"):
        train(line, loop)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 2)
    train(line, loop)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=re.escape(str(path))):
        train(line, replace(loop, steps=4, resume=True))


def test_the_signal_to_end_is_heeded_between_steps(tmp_path: Path) -> None:
    whole, loop = settings(tmp_path / "whole", 9)
    train(whole, loop)
    part, loop = settings(tmp_path / "part", 9)

    def end(what: str, done: int, total: int) -> None:
        if done == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where pytest runs in the background
    try:
        with pytest.raises(KeyboardInterrupt, match=r"\b4\b.*--resume"):
            run(LineTask(part, loop), loop, config=part, progress=end)
    finally:
        signal.signal(signal.SIGINT, before)
    assert torch.load(tmp_path / "part" / CHECKPOINT, weights_only=True)["step"] == 4
    train(part, replace(loop, resume=True))
    assert losses(tmp_path / "whole") == losses(tmp_path / "part")


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, loop = settings(tmp_path, 2)
    train(line, loop)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:862] . PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match=re.escape(str(tmp_path))):
        train(line, replace(loop, steps=4, resume=True))
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    """The loss is finite still: it is the one before the step."""
    line, loop = settings(tmp_path, 3)
    with pytest.raises(CheckError, match=r"step 1\b.*line"):
        train(replace(line, rate=float("inf")), replace(loop, steps=1))
    train(line, loop)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(CheckError, match=r"step 4\b.*line"):
        train(replace(line, rate=float("inf")), replace(loop, steps=4, resume=True))
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_resumed_run_has_its_own_learning_rate(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 2)
    train(line, loop)
    before = torch.load(tmp_path / CHECKPOINT, weights_only=True)["modules"]["line"]
    task = LineTask(replace(line, rate=0.0), loop)
    run(task, replace(loop, steps=3, resume=True), config=line, progress=lambda what, done, total: None)
    after = torch.load(tmp_path / CHECKPOINT, weights_only=True)["modules"]["line"]
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert task.phases()[0].optimiser.param_groups[0]["lr"] == 0


def test_a_step_that_does_not_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def large(self: LineTask, samples: object, step: int) -> dict[str, torch.Tensor]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(LineTask, "_fit", large)
    line, loop = settings(tmp_path, 2)
    with pytest.raises(UsageError, match=r"--batch 4.*--accumulate"):
        train(line, loop)


def test_other_samples_a_step_are_refused(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 2)
    train(line, loop)
    with pytest.raises(UsageError, match=r"\b4\b.*\b3\b"):
        train(line, replace(loop, batch=3, steps=4, resume=True))


def test_a_log_without_a_checkpoint_begins_anew(tmp_path: Path) -> None:
    line, loop = settings(tmp_path, 3)
    train(line, loop)
    (tmp_path / CHECKPOINT).unlink()
    train(line, replace(loop, resume=True))
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3]

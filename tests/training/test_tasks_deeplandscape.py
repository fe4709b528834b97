"""Training of a DeepLandscape generator: tiny runs that learn, go on to the bit, and are the same in two processes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models import read_bundle
from cinegan_cli.nn.deeplandscape.generator import Generator
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeSettings
from cinegan_cli.training.run_folder import CHECKPOINT, LOG
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks import deeplandscape
from cinegan_cli.training.tasks.deeplandscape import KIND, drawn_maps, mixed_codes
from cinegan_cli.training.tasks.progressive import Schedule
from cinegan_cli.types import silent

ROOT = Path(__file__).parents[2]
TINY = {"size": 16, "style_dim": 8, "mapping_layers": 1, "channels": 8, "learning_rate": 1e-2, "early": 2}


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    """Two reddish photos, and two clips of frames in which a bright square moves over one."""
    photos, clips = tmp_path / "photos", tmp_path / "clips"
    photos.mkdir()
    rng = np.random.default_rng(1)
    for k in range(2):
        frame = np.clip(rng.normal([40, 60, 200], 20, (36, 48, 3)), 0, 255).astype(np.uint8)  # B, G, R
        cv2.imwrite(str(photos / f"{k}.png"), frame)
        folder = clips / str(k)
        folder.mkdir(parents=True)
        for n in range(4):
            moved = frame.copy()
            moved[8:20, 8 * n : 8 * n + 12] = 250
            cv2.imwrite(str(folder / f"{n}.png"), moved)
    return photos, clips


def settings_in(data: tuple[Path, Path], work: Path, **changes: object) -> DeepLandscapeSettings:
    values = {**TINY, "phase_samples": 24, "ada_pictures": 300, **changes}
    return DeepLandscapeSettings((data[0],), (data[1],), work / "g.safetensors", **values)  # type: ignore[arg-type]


def loop_in(work: Path, steps: int, **changes: object) -> LoopSettings:
    values = {"batch": 4, "log_every": 1, "sample_every": 0, "device": "cpu", "precision": "float32", **changes}
    return LoopSettings(work=work, steps=steps, **values)  # type: ignore[arg-type]


def lines(work: Path) -> list[dict[str, str]]:
    """The log without its seconds."""
    with (work / LOG).open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_sizes_are_faded_in_and_learned() -> None:
    schedule = Schedule(3, batch=4, phase_samples=24, early=2, pairs=0.5, pairs_at_last=0.1)
    moments = [schedule.at(step) for step in range(60)]
    assert [m.level for m in moments[:7]] == [1] * 7, "48 samples, 8 a step, and one step more"
    assert moments[7].level == 2
    assert all(m.alpha == 1 for m in moments[:7])
    assert moments[7].alpha == pytest.approx(1 / 24)
    assert moments[7 + 6].alpha == 1
    assert (moments[7].pairs, moments[12].pairs) == pytest.approx((0.5, 0.5 - 20 / 24 * 0.4))
    assert moments[-1].level == 3
    assert moments[-1].pairs == pytest.approx(0.1)
    assert [m.factor for m in (moments[0], moments[-1])] == [2, 1]


def test_the_generator_learns_the_colour_of_the_photos(data: tuple[Path, Path], tmp_path: Path) -> None:
    def distance(steps: int) -> float:
        settings = settings_in(data, tmp_path / str(steps), size=8, ada_pictures=0, pairs=0.2, pairs_at_last=0.2)
        path = deeplandscape.train(settings, loop_in(tmp_path / str(steps), steps, ema=0.9), progress=silent)
        made = read_bundle(path, KIND)
        net = Generator(**made.config)
        net.load_state_dict(dict(made.tensors))
        torch.manual_seed(3)
        with torch.no_grad():
            pictures = net.synthesize(
                mixed_codes(net, 32, 1, 2, 0.0, torch.device("cpu")), *drawn_maps(32, 1, 2, torch.device("cpu"))
            )
        return float((pictures.mean((0, 2, 3)) - torch.tensor([200, 60, 40]) / 127.5 + 1).norm())

    assert distance(100) < 0.5 * distance(1)


@pytest.mark.parametrize("stop", [4, 12])  # while 8 px are learned, and while 16 px are faded in
def test_a_resumed_run_is_the_same_to_the_bit(data: tuple[Path, Path], tmp_path: Path, stop: int) -> None:
    whole = settings_in(data, tmp_path / "a")
    deeplandscape.train(whole, loop_in(tmp_path / "a", 16), progress=silent)
    broken = settings_in(data, tmp_path / "b")
    deeplandscape.train(broken, loop_in(tmp_path / "b", stop), progress=silent)
    deeplandscape.train(broken, loop_in(tmp_path / "b", 16, resume=True), progress=silent)
    assert lines(tmp_path / "a") == lines(tmp_path / "b")
    one, two = load_file(whole.out), load_file(broken.out)
    assert all(torch.equal(one[name], two[name]) for name in one)
    sides = {row["discriminator.side"] for row in lines(tmp_path / "a")}
    assert sides == {"8", "16"}
    assert {row["discriminator.paired"] for row in lines(tmp_path / "a")} == {"0", "1"}
    assert float(lines(tmp_path / "a")[-1]["discriminator.augmented"]) > 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_run_goes_on_in_its_phase(data: tuple[Path, Path], tmp_path: Path) -> None:
    work, whole = tmp_path / "killed", settings_in(data, tmp_path / "whole", phase_samples=60)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    options += ["--phase-samples=60", "--ada-pictures=300", "--batch=4", "--log-every=1", "--sample-every=0"]
    options += ["--device=cpu", "--precision=float32", "--save-minutes=0", "--steps=100000", "--quiet"]
    places = ["--data", data[0], "--clips", data[1], "--work", work, "--out", tmp_path / "k.safetensors"]
    command = [sys.executable, "-m", "cinegan_cli", "train", "deeplandscape", *places, *options]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + 120
        while not _step(work) > 17 and time.monotonic() < deadline:  # 16 px begin with step 16
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    done = _step(work)
    assert done > 17
    resumed = replace(whole, out=tmp_path / "r.safetensors")
    deeplandscape.train(resumed, loop_in(work, done + 3, resume=True), progress=silent)
    deeplandscape.train(whole, loop_in(tmp_path / "whole", done + 3), progress=silent)
    assert lines(work) == lines(tmp_path / "whole")
    assert lines(work)[-1]["discriminator.side"] == "16"


def _step(work: Path) -> int:
    path = work / CHECKPOINT
    return int(torch.load(path, weights_only=True)["step"]) if path.is_file() else 0


def test_two_processes_train_like_one(data: tuple[Path, Path], tmp_path: Path) -> None:
    """One that computes its batch in two parts, since the critic looks at the spread within what it is given."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    options += ["--phase-samples=24", "--ada-pictures=300", "--batch=2", "--log-every=1", "--sample-every=0"]
    options += ["--device=cpu", "--precision=float32", "--steps=16", "--quiet"]
    places = ["--data", data[0], "--clips", data[1], "--work", tmp_path / "two", "--out", tmp_path / "two.safetensors"]
    both = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*both, "-m", "cinegan_cli", "train", "deeplandscape", *places, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=240,
        capture_output=True,
    )
    settings = settings_in(data, tmp_path / "one")
    deeplandscape.train(settings, loop_in(tmp_path / "one", 16, accumulate=2), progress=silent)
    one, two = load_file(settings.out), load_file(tmp_path / "two.safetensors")
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    for alone, shared in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        assert [float(x) for x in alone.values()] == pytest.approx([float(x) for x in shared.values()], rel=1e-3)


def test_a_run_that_ends_early_exports_what_has_been_faded_in(data: tuple[Path, Path], tmp_path: Path) -> None:
    path = deeplandscape.train(settings_in(data, tmp_path), loop_in(tmp_path / "w", 3), progress=silent)
    made = read_bundle(path, KIND)
    assert made.config["levels"] == 2
    Generator(**made.config).load_state_dict(dict(made.tensors))


def test_photos_alone_are_trained_on_without_pairs(data: tuple[Path, Path], tmp_path: Path) -> None:
    told: list[str] = []
    settings = replace(settings_in(data, tmp_path), clips=())
    deeplandscape.train(settings, loop_in(tmp_path / "w", 6), progress=silent, tell=told.append)
    assert "--clips" in told[0]
    assert {row["discriminator.paired"] for row in lines(tmp_path / "w")} == {"0"}


def test_what_cannot_be_trained_on(data: tuple[Path, Path], tmp_path: Path) -> None:
    settings, loop = settings_in(data, tmp_path), loop_in(tmp_path / "w", 1)
    for wrong, match in (
        (replace(settings, size=48), r"--size 48\b"),
        (replace(settings, data=(), clips=()), "--data"),
    ):
        with pytest.raises(UsageError, match=match):
            deeplandscape.train(wrong, loop, progress=silent)
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.mp4").write_bytes(b"no video")
    told: list[str] = []
    junk = replace(settings, data=(), clips=(tmp_path / "junk",))
    with pytest.raises(InputError, match="none of"):
        deeplandscape.train(junk, loop, progress=silent, tell=told.append)
    assert "a.mp4" in told[0]

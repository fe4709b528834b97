"""A session opens each model once, works beside others, in forked and spawned processes, and leaves no trace."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli import animate
from cinegan_cli.config import Config, RunConfig
from cinegan_cli.errors import CancelledError, UsageError
from cinegan_cli.models import store
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session, pick_device
from cinegan_cli.stages.mask import sight
from tests.small_models import write_models
from tests.small_scene import texture, write_scene

QUICK = {"seconds": 0.3, "fps": 10, "overwrite": True}
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path)
    return tmp_path


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[object]:
    """What the function of that name was called with first, each time."""
    calls: list[object] = []
    real: Callable[..., object] = getattr(module, name)

    def wrapped(*arguments: object, **options: object) -> object:
        calls.append(arguments[0])
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, wrapped)
    return calls


def test_twenty_photos_open_each_model_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = write_models(folder / "small.safetensors")
    networks, seers = counted(monkeypatch, store, "filled"), counted(monkeypatch, sight, "_load")
    config = Config.from_options(mask="mask.png", models=str(models), **QUICK)
    session = Session()
    prepare(Path("photo.png"), config, session)  # its motion is found by networks; those of the others is given
    config = Config.from_options(mask="mask.png", motion="motion.npy", models=str(models), **QUICK)
    for k in range(20):
        Image.fromarray(np.roll(texture(), k, axis=1)).save(folder / f"{k}.png")
        prepare(folder / f"{k}.png", config, session)
    assert sorted(map(str, networks)) == ["encoder", "generator", "motion", "motion"]
    assert len(seers) == 1


def test_a_file_that_changed_is_opened_again(tmp_path: Path) -> None:
    file, session = tmp_path / "weights", Session()
    seen = []
    for text in ("one", "one", "another"):
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)
        seen.append(session.opened("text", file, lambda: [file.read_text()]))
    assert seen[0] is seen[1]
    assert seen[2] == ["another"]
    assert session.opened("size", file, lambda: [len(file.read_bytes())]) == [7]  # another reader of the same file


def frames(session: Session) -> list[NDArray[np.uint8]]:
    config = Config.from_options(mask="mask.png", motion="motion.npy", **QUICK)
    return list(render(prepare(Path("photo.png"), config, session), config, session))


def test_two_sessions_in_two_threads_make_the_frames_of_one(folder: Path) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    alone = frames(Session())
    made: dict[int, list[NDArray[np.uint8]]] = {}

    def work(threads: int) -> None:
        for _ in range(3):
            made[threads] = frames(Session(RunConfig(threads=threads)))

    workers = [threading.Thread(target=work, args=(count,)) for count in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(made) == [1, 2]
    for own in made.values():
        assert all(np.array_equal(a, b) for a, b in zip(own, alone, strict=True))
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_nothing_of_the_process_is_changed_for_good(folder: Path) -> None:
    def state() -> tuple[object, ...]:
        descriptor = os.fstat(2)
        limits = Image.MAX_IMAGE_PIXELS, torch.initial_seed(), torch.is_inference_mode_enabled()
        counts = torch.get_num_threads(), cv2.getNumThreads()
        return (descriptor.st_dev, descriptor.st_ino, *limits, *counts, list(warnings.filters), dict(os.environ))

    before = state()
    animate("photo.png", out="loop.mp4", mask="mask.png", motion="motion.npy", threads=1, **QUICK)
    assert state() == before


def test_inference_mode_does_not_last_while_the_caller_holds_a_frame(folder: Path) -> None:
    config = Config.from_options(mask="mask.png", motion="motion.npy", threads=1, **QUICK)
    before = torch.get_num_threads()
    for _ in render(prepare(Path("photo.png"), config), config):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert torch.get_num_threads() == before


def test_cancelling_stops_at_the_next_step_and_leaves_nothing(folder: Path) -> None:
    names = sorted(file.name for file in folder.iterdir())
    session: Session

    def progress(what: str, done: int, total: int) -> None:
        if what == "rendering" and done == 1:
            session.cancel()

    session = Session(progress=progress)
    config = Config.from_options(out="loop.mp4", mask="mask.png", motion="motion.npy", **QUICK)
    with pytest.raises(CancelledError):
        animate("photo.png", config, session=session)
    assert sorted(file.name for file in folder.iterdir()) == names
    with pytest.raises(CancelledError):  # for good
        session.tell("reading the photo")


SCRIPT = """
import multiprocessing, sys
from cinegan_cli import animate

def job(k):
    out = f"{sys.argv[1]}{k}.mp4"
    loop = animate("photo.png", out=out, mask="mask.png", motion="motion.npy", seconds=0.3, fps=10, overwrite=True)
    return loop.frames

if __name__ == "__main__":
    assert job(0) == 3  # the parent has pools of threads from now on
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map_async(job, [1, 2]).get(timeout=100) == [3, 3]
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_render_after_their_parent(folder: Path, method: str) -> None:
    (folder / "job.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "job.py", method], env=environment, check=True, timeout=150)
    loops = [(folder / f"{method}{k}.mp4").read_bytes() for k in range(3)]
    assert loops[0] == loops[1] == loops[2]


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"
    with pytest.raises(UsageError, match="--device cuda"):
        Session(RunConfig(device="cuda"))

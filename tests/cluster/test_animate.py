"""`animate` with photos and loops behind URLs, and with workers that die: the same as on one machine, file for file."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cinegan_cli import cluster
from cinegan_cli.claims import claimed
from cinegan_cli.cluster import LostError
from cinegan_cli.errors import CancelledError, ExitStatus
from tests.small_scene import MOTION, QUICK, Outcome, invoke, texture, tree

OPTIONS = f"--mask mask.png {MOTION} {QUICK}"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def single(folder: Path, capfd: Capture) -> Outcome:
    """loops/, made by one process."""
    return invoke(f"animate photos {OPTIONS} --out loops", capfd)


@pytest.fixture
def uploaded(folder: Path, memory: Any) -> Any:
    """memory://b/photos, as photos/."""
    for path in (folder / "photos").rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/b/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return memory


def stored(memory: Any, folder: str) -> dict[str, bytes]:
    return {name.removeprefix(f"{folder}/"): memory.cat(name) for name in memory.find(folder)}


def made(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if data is not None}


# ---- behind URLs


def test_loops_behind_urls_are_those_of_one_machine(
    single: Outcome, folder: Path, uploaded: Any, capfd: Capture
) -> None:
    outcome = invoke(f"animate memory://b/photos {OPTIONS} --out memory://b/loops", capfd)
    assert outcome.status == single.status == ExitStatus.PARTIAL
    assert [line.replace("memory://b/", "") for line in outcome.complaints] == single.complaints
    assert stored(uploaded, "/b/loops") == made(folder / "loops")
    assert "memory://b/loops/sub/sea.mp4  " in outcome.stdout


def test_a_second_run_does_what_is_missing(uploaded: Any, capfd: Capture) -> None:
    command = f"animate memory://b/photos {OPTIONS} --out memory://b/photos/loops"
    invoke(command, capfd)
    before = stored(uploaded, "/b")
    uploaded.rm_file("/b/photos/loops/lake.mp4")
    uploaded.pipe_file("/b/photos/loops/river.mp4", b"finished")
    outcome = invoke(command, capfd)
    assert any("3 of 5 photos were done already" in note for note in outcome.notes)
    assert stored(uploaded, "/b") == {**before, "photos/loops/river.mp4": b"finished"}


def test_what_lies_there_is_kept_or_replaced_as_in_a_folder(uploaded: Any, capfd: Capture) -> None:
    uploaded.pipe_file("/b/loops/river.json", b"somebody's")
    command = f"animate memory://b/photos/river.jpg {QUICK} {MOTION} --move everything"
    outcome = invoke(f"{command} --out memory://b/loops", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert "memory://b/loops/river.json: exists and is not ours" in outcome.complaints[0]
    assert stored(uploaded, "/b/loops") == {"river.json": b"somebody's"}

    invoke(f"{command} --out 'memory://b/f/*/%d.png' --no-sidecar", capfd)
    uploaded.pipe_file("/b/f/river/3.png", b"of a longer run")
    outcome = invoke(f"{command} --out 'memory://b/f/*/%d.png' --no-sidecar --overwrite", capfd)
    assert outcome.status == ExitStatus.OK
    assert set(stored(uploaded, "/b/f")) == {f"river/{k}.png" for k in range(3)}


def test_json_names_urls(uploaded: Any, capfd: Capture) -> None:
    outcome = invoke(f"animate memory://b/photos {OPTIONS} --out memory://b/loops --json", capfd)
    paths = [run["outputs"][0]["path"] for run in json.loads(outcome.stdout)]
    assert paths == [f"memory://b/loops/{name}.mp4" for name in ("lake", "river", "sub/sea", "sub/sky")]


def test_dry_run_stores_nothing(uploaded: Any, capfd: Capture) -> None:
    before = stored(uploaded, "/b")
    outcome = invoke(f"animate memory://b/photos {OPTIONS} --out memory://b/loops --dry-run --cluster local", capfd)
    assert outcome.status == ExitStatus.USAGE  # memory:// is of this process
    outcome = invoke(f"animate memory://b/photos {OPTIONS} --out memory://b/loops --dry-run", capfd)
    assert outcome.stdout.count("would render") == 4
    assert "--freeze memory://b/photos/lake_freeze.png" in outcome.stdout
    assert stored(uploaded, "/b") == before


# ---- with a cluster


class Mortal:
    """A pool of three lanes whose workers get tasks as bytes, and die at the first attempts at some photos."""

    def __init__(self, deaths: dict[str, int]) -> None:
        self.deaths = deaths
        self.attempts: list[str] = []
        self._lock = threading.Lock()

    def lanes(self) -> int:
        return 3

    def run(self, function: Callable[[Any], Any], task: Any) -> Any:
        name = task.job.photo.name
        with self._lock:  # one after the other, as a process of its own would
            self.attempts.append(name)
            if self.deaths.get(name, 0) >= self.attempts.count(name):
                output = task.job.outputs[0]
                output.with_name(f".{output.name}.{dead_process()}.part.mp4").write_text("half a loop")
                raise LostError("its machine went away")
            return pickle.loads(pickle.dumps(function(pickle.loads(pickle.dumps(task)))))

    def cancel(self) -> None:
        pass


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Mortal:
    """What --cluster connects to; nobody dies yet."""
    pool = Mortal({})

    @contextmanager
    def connected(*_: object, **__: object) -> Iterator[Mortal]:
        yield pool

    monkeypatch.setattr(cluster, "connected", connected)
    return pool


def test_loops_of_a_cluster_are_those_of_one_machine(
    single: Outcome, folder: Path, mortal: Mortal, capfd: Capture
) -> None:
    mortal.deaths.update({"lake.png": 1, "sea.webp": 3})
    outcome = invoke(f"animate photos {OPTIONS} --out others --cluster auto", capfd)
    assert (outcome.status, outcome.complaints, outcome.notes) == (single.status, single.complaints, single.notes)
    assert tree(folder / "others") == tree(folder / "loops")
    assert mortal.attempts.count("sea.webp") == 4
    outcome = invoke(f"animate photos {OPTIONS} --out others --cluster auto --json", capfd)
    assert any("4 of 5 photos were done already" in note for note in outcome.notes)
    assert mortal.attempts.count("sea.webp") == 4


def test_what_kills_its_workers_is_a_failure(folder: Path, mortal: Mortal, capfd: Capture) -> None:
    mortal.deaths["river.jpg"] = 99
    outcome = invoke(f"animate photos {OPTIONS} --out loops --cluster auto --json", capfd)
    assert outcome.status == ExitStatus.PARTIAL
    assert len(outcome.complaints) == 1
    assert "2 of 5 photos failed: photos/broken.png: " in outcome.complaints[0]
    assert "photos/river.jpg: its worker died 4 times" in outcome.complaints[0]
    assert set(made(folder / "loops")) == {
        f"{name}.{kind}" for name in ("lake", "sub/sea", "sub/sky") for kind in ("mp4", "json")
    }
    assert len(json.loads(outcome.stdout)) == 3


def test_a_photo_that_another_run_is_at_is_left_to_it(folder: Path, mortal: Mortal, capfd: Capture) -> None:
    with claimed([folder / "loops/lake.mp4"]):
        outcome = invoke(f"animate photos {OPTIONS} --out loops --cluster auto", capfd)
    assert any("1 of 5 photos were left to another run" in note for note in outcome.notes)
    assert "lake.png" not in mortal.attempts


def test_a_cluster_that_goes_away_ends_the_run(
    folder: Path, mortal: Mortal, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def gone(*_: object) -> None:
        raise CancelledError("the cluster is gone")

    monkeypatch.setattr(mortal, "run", gone)
    outcome = invoke(f"animate photos {OPTIONS} --out loops --cluster auto", capfd)
    assert (outcome.status, outcome.complaints) == (ExitStatus.INTERRUPTED, ["cinegan: the cluster is gone"])
    assert not (folder / "loops").exists()


def test_workers_without_the_folder_say_so(
    folder: Path, mortal: Mortal, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    real = mortal.run

    def elsewhere(function: Callable[[Any], Any], task: Any) -> Any:
        like = type(task.like)(**{**vars(task.like), "folder": str(folder / "not there")})
        return real(function, type(task)(task.job, task.present, like))

    monkeypatch.setattr(mortal, "run", elsewhere)
    outcome = invoke(f"animate photos {OPTIONS} --out loops --cluster auto", capfd)
    assert "5 of 5 photos failed" in outcome.complaints[0]
    assert "workers need photos in a folder that all machines share, or behind a URL" in outcome.complaints[0]


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ("photos --out loops --cluster moon", ExitStatus.USAGE, "local, auto or ray://"),
        ("photos --cluster auto", ExitStatus.USAGE, "--out"),
        ("- --out loops --cluster local", ExitStatus.USAGE, "pipe"),
        ("photos --out - --cluster local", ExitStatus.USAGE, "--out -"),
        ("photos/lake.png --out lake.mp4 --cluster local", ExitStatus.USAGE, "folder"),
        ("memory://b/photos --out memory://b/loops --cluster local", ExitStatus.USAGE, "memory://"),
        ("lake.cinegan --out loops --cluster local", ExitStatus.USAGE, "project"),
        ("memory://b/../c --out loops", ExitStatus.USAGE, ".."),
        ("foo://b/photos --out loops", ExitStatus.USAGE, "foo://b/photos: unknown kind of URL"),
        ("photos --out foo://b/loops", ExitStatus.USAGE, "foo://b/loops: unknown kind of URL"),
        ("memory://nothing --out loops", ExitStatus.PARTIAL, "memory://nothing: no such file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str, status: ExitStatus, words: str, folder: Path, memory: Any, capfd: Capture
) -> None:
    (folder / "lake.cinegan").write_bytes(b"")
    before = tree(folder)
    outcome = invoke(f"animate {arguments} {QUICK}", capfd)
    assert (outcome.status, len(outcome.complaints), outcome.stdout) == (status, 1, "")
    assert words in outcome.complaints[0]
    assert tree(folder) == before


@pytest.mark.parametrize(("module", "arguments"), [("ray", "--cluster local"), ("fsspec.core", "")])
def test_a_missing_package_is_named(
    module: str, arguments: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    photos = "photos" if arguments else "s3://b/photos"
    outcome = invoke(f"animate {photos} --out loops {arguments}", capfd)
    assert (outcome.status, len(outcome.complaints)) == (ExitStatus.USAGE, 1)
    assert 'pip install "cinegan[ray]"' in outcome.complaints[0]


def test_photos_of_one_name_are_not_written_over_each_other(folder: Path, memory: Any, capfd: Capture) -> None:
    for place in ("a", "b"):
        Image.fromarray(np.ascontiguousarray(texture())).save(folder / "lake.png")
        memory.pipe_file(f"/{place}/lake.png", (folder / "lake.png").read_bytes())
    outcome = invoke("animate memory://a/lake.png memory://b/lake.png --out loops", capfd)
    assert outcome.status == ExitStatus.USAGE
    assert "memory://a/lake.png and memory://b/lake.png" in outcome.complaints[0]

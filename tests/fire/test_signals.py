"""Ctrl-C, SIGTERM and SIGKILL at any moment, over existing outputs: the old whole, or the new whole, and one line."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Timer

import httpx
import numpy as np
import pytest
from PIL import Image

from cinegan_cli.cli.main import run
from cinegan_cli.errors import ExitStatus
from tests.fire.processes import LAST_WORDS, Ended, start
from tests.fire.share import share
from tests.models.test_models import Server, server
from tests.small_models import write_models
from tests.small_scene import MOTION, texture, tree

__all__ = ["server"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX signals")]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
LONG = f"--mask mask.png {MOTION} --seconds 1 --fps 20 --threads 1"
Remember = Callable[[str, object], None]


def interrupted(command: str, place: Path, number: signal.Signals, dice: random.Random, whole: float) -> Ended:
    """Starts the command, and sends it the signal at a moment of its life, which takes `whole` seconds."""
    said = place.parent / "said.txt"
    said.unlink(missing_ok=True)
    running = start(command, place, said)
    while not said.exists() and running.process.is_alive():  # forked, and about to begin
        time.sleep(0.001)
    time.sleep(dice.uniform(0.02, whole))
    running.send(number)
    ended = running.wait()
    if ended.status == ExitStatus.INTERRUPTED:
        assert [line.startswith("cinegan: ") for line in ended.complaints] == [True], ended
    else:
        assert ended.status in (ExitStatus.OK, -number), ended
        assert not ended.complaints, ended
    return ended


def lasts(command: str, place: Path) -> float:
    """Seconds that the command takes when it is left alone."""
    started = time.monotonic()
    ended = start(command, place, place.parent / "said.txt").wait()
    assert ended.status == ExitStatus.OK, ended
    return time.monotonic() - started


def outcome(ended: Ended) -> str:
    return ExitStatus(ended.status).name if ended.status >= 0 else signal.Signals(-ended.status).name


def visible(folder: Path) -> dict[str, bytes | None]:
    """All but what a killed run may leave for the next to remove: hidden files beside its output."""
    return {name: data for name, data in tree(folder).items() if not any(p.startswith(".") for p in Path(name).parts)}


def test_animate(place: Path, record_property: Remember) -> None:
    command = f"animate photo.png {LONG} --out loop.mp4 --out frames/%d.png --overwrite --no-sidecar"
    lasts(command, place)
    new = tree(place)
    dice, outcomes = random.Random(0), Counter[str]()
    whole = lasts(command, place)
    assert tree(place) == new  # the same bytes again
    old = {**new, "loop.mp4": b"old", **{name: b"old" for name in new if name.startswith("frames/")}}
    for turn in range(share(90, 18)):
        for name, data in old.items():
            if data is not None:
                (place / name).parent.mkdir(exist_ok=True)
                (place / name).write_bytes(data)
        ended = interrupted(command, place, SIGNALS[turn % 3], dice, whole)
        assert visible(place) in (old, new), (turn, ended, sorted(tree(place)))
        if ended.status >= 0:
            assert set(tree(place)) == set(new), (turn, ended)
        outcomes[outcome(ended)] += 1
    lasts(command, place)
    assert tree(place) == new  # what killed runs left is gone
    record_property("fire", ["signals", "animate", dict(outcomes), "old or new, whole"])


def test_batch(place: Path, record_property: Remember) -> None:
    (place / "many").mkdir()
    for k in range(3):
        Image.fromarray(np.roll(texture(), 9 * k, 1)).save(place / f"many/{k}.png")
    command = f"animate many {LONG} --seconds 0.5 --out loops --no-sidecar"
    whole = lasts(command, place)
    new = {name: data for name, data in tree(place).items() if name.startswith("loops/")}
    dice, outcomes = random.Random(1), Counter[str]()
    for turn in range(share(45, 9)):
        for name in list(tree(place / "loops") if (place / "loops").exists() else ()):
            (place / "loops" / name).unlink()
        ended = interrupted(command, place, SIGNALS[turn % 3], dice, whole)
        made = {name: data for name, data in visible(place).items() if name.startswith("loops/")}
        assert made.items() <= new.items(), (turn, ended, sorted(made))
        outcomes[outcome(ended)] += 1
        if turn % 9 == 8:
            lasts(command, place)
            assert {name: data for name, data in tree(place).items() if name.startswith("loops/")} == new
    record_property("fire", ["signals", "batch", dict(outcomes), "finished loops whole"])


def test_train(place: Path, record_property: Remember) -> None:
    assert run(["data", "synthetic", "--out", "set", "--count", "2", "--size", "64", "--quiet"]) == ExitStatus.OK
    command = (
        "train motion --form compact --side 64 --width 0.05 --steps 12 --batch 2 --sample-every 0 --save-minutes 0 "
        "--device cpu --quiet --data set --work run --out net.safetensors"
    )
    whole = lasts(command, place)
    new = (place / "net.safetensors").read_bytes()
    dice, outcomes = random.Random(2), Counter[str]()
    resumed = 0
    for turn in range(share(30, 15)):
        if (place / "net.safetensors").exists():
            for name in sorted(tree(place / "run"), reverse=True):
                (place / "run" / name).unlink()
            (place / "net.safetensors").unlink()
        again = (place / "run" / "checkpoint.pt").exists()
        resumed += again
        ended = interrupted(f"{command}{' --resume' if again else ''}", place, SIGNALS[turn % 3], dice, whole)
        if (place / "net.safetensors").exists():
            assert (place / "net.safetensors").read_bytes() == new, turn
        elif not (place / "run" / "checkpoint.pt").exists():
            for name in sorted(tree(place / "run") if (place / "run").exists() else (), reverse=True):
                (place / "run" / name).unlink()
        outcomes[outcome(ended)] += 1
    assert resumed
    lasts(f"{command} --resume", place) if (place / "run/checkpoint.pt").exists() else lasts(command, place)
    assert (place / "net.safetensors").read_bytes() == new
    record_property("fire", ["signals", "train", dict(outcomes), f"{resumed} went on, the same weights"])


def test_pull(place: Path, server: Server, tmp_path: Path, record_property: Remember) -> None:
    server.data = write_models(tmp_path / "b.safetensors").read_bytes()
    command = f"models pull {server.address} --name mine"
    home = tmp_path / "home"
    whole = lasts(command, place)
    new = tree(home)
    dice, outcomes = random.Random(3), Counter[str]()
    for turn in range(share(21, 6)):
        shutil.rmtree(home)
        ended = interrupted(command, place, SIGNALS[turn % 3], dice, whole)
        installed = list(home.rglob("mine.safetensors"))
        assert all(path.read_bytes() == new[str(path.relative_to(home))] for path in installed), turn
        if not installed:
            lasts(command, place)
        assert tree(home) == new, turn
        outcomes[outcome(ended)] += 1
    record_property("fire", ["signals", "models pull", dict(outcomes), "whole or not there; the next one whole"])


def test_edit(place: Path, record_property: Remember) -> None:
    pytest.importorskip("uvicorn")
    dice, outcomes, versions = random.Random(4), Counter[str](), []
    for turn in range(share(12, 6)):
        said, told = place.parent / "said.txt", place.parent / "told.txt"
        told.unlink(missing_ok=True)
        running = start("edit photo.png --no-browser --projects projects", place, said, told)
        until = time.monotonic() + LAST_WORDS
        while not (told.exists() and told.read_text().endswith("\n")):
            assert running.process.is_alive(), said.read_text()
            assert time.monotonic() < until
            time.sleep(0.01)
        api = told.read_text().strip().rstrip("/") + "/api"
        killer = Timer(dice.uniform(0, 0.5), running.send, (SIGNALS[turn % 3],))
        killer.start()
        answered = edit_until_it_ends(api)
        ended = running.wait()
        killer.join()
        assert ended.status in (ExitStatus.OK, ExitStatus.INTERRUPTED, -SIGNALS[turn % 3]), ended
        assert len(ended.complaints) <= 1, ended
        (project,) = (path for path in (place / "projects").iterdir() if not path.name.startswith("."))
        kept = json.loads((project / "project.json").read_text())
        assert kept["version"] >= answered, turn
        versions.append(kept["version"])
        outcomes[outcome(ended)] += 1
    assert versions == sorted(versions)
    record_property("fire", ["signals", "edit", dict(outcomes), f"{versions[-1]} edits, none lost that was answered"])


def edit_until_it_ends(api: str) -> int:
    """The version of the last edit that the server answered."""
    answered = 0
    with httpx.Client(timeout=LAST_WORDS) as web, suppress(httpx.TransportError):
        for k in itertools.count():
            answer = web.put(
                f"{api}/edits", json={"settings": {"speed": 1 + k % 9 / 10}, "arrows": [[1, 1, 9 + k % 30, 5]]}
            )
            answered = answer.json()["version"]
    return answered

"""A disk that fills, memory that ends, a clock that jumps, two runs for one output: one line, and nothing lost."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import ExitStatus
from tests import released_files as released
from tests.fire.processes import Ended, start
from tests.small_scene import MOTION, texture, tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts, address limits and LD_PRELOAD are Linux's"),
]

PAGE = 4096  # bytes: in such steps a tmpfs fills
SCENE = f"--mask mask.png {MOTION} --seconds 0.3 --fps 10 --threads 1"
WRITERS = {  # what each writes below full/
    "mp4": f"animate photo.png {SCENE} --out full/loop.mp4 --overwrite --no-sidecar",
    "png": f"animate photo.png {SCENE} --out full/frames/%d.png --overwrite --no-sidecar",
    "gif": f"animate photo.png {SCENE} --out full/loop.gif --out full/loop.webp --overwrite --no-sidecar",
    "mask": "mask photo.png --mask mask.png --out full/mask.png --overwrite",
    "motion": f"motion photo.png --mask mask.png {MOTION} --out full/motion.npy --overwrite",
    "style": "style grain.png --mask mask.png --target noir --out full/still.png --overwrite",
    "set": "data synthetic --out full/set --count 2 --size 64 --quiet",
    "train": "train motion --form compact --side 64 --width 0.05 --steps 4 --batch 2 --sample-every 0 --save-minutes 0 "
    "--device cpu --quiet --data set --work full/run --out full/net.safetensors",
    "import": "models import g.pt --name mine",  # with full/ as CINEGAN_HOME
}
Remember = Callable[[str, object], None]


@pytest.fixture
def place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with a photo of grain; sets of models lie below full/."""
    grain = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(grain).save(place / "grain.png")
    monkeypatch.setenv("CINEGAN_HOME", str(place / "full"))
    return place


@pytest.fixture
def disk(place: Path) -> Iterator[Callable[[int], None]]:
    """Makes full/ a disk of so many bytes; it keeps what is on it."""
    (place / "full").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place / "full")]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk of a given size needs the right to mount")

    def sized(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(place / "full")], check=True)

    yield sized
    subprocess.run(["umount", "-l", str(place / "full")], check=True)


def one_line(ended: Ended, *statuses: int) -> str:
    """The outcome's name; fails unless it is OK, or one of those with one line."""
    if ended.status != ExitStatus.OK:
        assert ended.status in statuses, ended
        assert [line.startswith("cinegan: ") for line in ended.complaints] == [True], ended
        assert "internal error" not in ended.complaints[0], ended
    return ExitStatus(ended.status).name


@pytest.mark.parametrize("writer", WRITERS)
def test_disk_that_fills(
    writer: str, place: Path, disk: Callable[[int], None], tmp_path: Path, record_property: Remember
) -> None:
    full, said = place / "full", tmp_path / "said.txt"
    if writer == "train":
        assert start("data synthetic --out set --count 2 --size 64 --quiet", place, said).wait().status == 0
    if writer == "import":
        released.generator_file(place / "g.pt")
    assert start(WRITERS[writer], place, said).wait().status == ExitStatus.OK
    new = tree(full)
    taken = sum(-(-len(data or b"") // PAGE) * PAGE for data in new.values())
    outcomes: Counter[str] = Counter()
    for size in sorted({round(taken * share / 16 / PAGE) * PAGE for share in (0.5, *range(1, 33, 2))}):
        for path in full.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        disk(max(size, PAGE))
        ended = start(WRITERS[writer], place, said).wait()
        outcomes[one_line(ended, ExitStatus.ENCODER)] += 1
        files = {name: data for name, data in tree(full).items() if data is not None}
        if ended.status == ExitStatus.OK:
            assert tree(full).keys() == new.keys(), size
        elif writer not in ("set", "train"):  # these go on with what they have
            assert not files, (size, ended, sorted(files))
    disk(64 << 20)
    assert outcomes["ENCODER"], outcomes
    if writer in ("set", "train"):
        again = " --resume" if (full / "run/checkpoint.pt").exists() else ""
        ended = start(WRITERS[writer] + again, place, said).wait()
        assert one_line(ended, ExitStatus.ENCODER) in ("OK", "ENCODER"), ended
    record_property("fire", [f"full disk, {writer}", WRITERS[writer].split()[0], dict(outcomes), "nothing half"])


def test_full_disk_keeps_the_old_loop(
    place: Path, disk: Callable[[int], None], tmp_path: Path, record_property: Remember
) -> None:
    old = place / "full/loop.mp4"
    outcomes: Counter[str] = Counter()
    for pages in range(2, 20):
        old.write_bytes(b"old")
        disk(pages * PAGE)
        ended = start(f"{WRITERS['mp4']} --quality 100", place, tmp_path / "said.txt").wait()
        outcomes[one_line(ended, ExitStatus.ENCODER)] += 1
        if ended.status != ExitStatus.OK:
            assert old.read_bytes() == b"old", pages
        assert [path.name for path in old.parent.iterdir()] == ["loop.mp4"], pages
        disk(64 << 20)
    assert outcomes["ENCODER"], outcomes
    record_property("fire", ["full disk over an old loop", "animate", dict(outcomes), "the old one whole"])


def test_memory_that_ends(place: Path, tmp_path: Path, record_property: Remember) -> None:
    Image.fromarray(np.tile(texture(), (25, 25, 1))).save(place / "large.png")  # 1600 x 1200
    outcomes: Counter[str] = Counter()
    for megabytes in (4, 16, 32, 64, 96, 128, 192, 256, 512, 4096):
        command = f"animate large.png {MOTION} --move everything --seconds 0.3 --fps 10 --out l.mp4"
        running = start(f"{command} --threads 1 --overwrite", place, tmp_path / "said.txt", memory=megabytes << 20)
        ended = running.wait()
        outcomes[one_line(ended, ExitStatus.INPUT, ExitStatus.INTERNAL, ExitStatus.ENCODER)] += 1
        assert not ended.complaints or "memory" in ended.complaints[0], ended
        assert not [path for path in place.iterdir() if path.name.startswith(".")]
    assert ended.status == ExitStatus.OK, ended
    record_property("fire", ["memory limit", "animate", dict(outcomes), "one line"])


def test_clock_that_jumps(place: Path, tmp_path: Path, record_property: Remember) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    shim = tmp_path / "clock.so"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": str(Path(__file__).parents[2])}
    (place / "many").mkdir()
    for k in range(2):
        Image.fromarray(np.roll(texture(), 9 * k, 1)).save(place / f"many/{k}.png")
    shown = {}
    for name, env in (("steady", {**environment, "LD_PRELOAD": ""}), ("jumping", environment)):
        command = f"animate many {SCENE} --out {name} --no-sidecar"
        ran = subprocess.run(
            [sys.executable, "-m", "cinegan_cli", *shlex.split(command)], env=env, capture_output=True, text=True
        )
        assert ran.returncode == ExitStatus.OK, ran.stderr
        shown[name] = tree(place / name)
    assert shown["steady"] == shown["jumping"]
    record_property("fire", ["a clock that jumps", "animate", {"OK": 1}, "the same bytes"])


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_runs_for_one_output(overwrite: bool, place: Path, tmp_path: Path, record_property: Remember) -> None:
    outcomes: Counter[str] = Counter()
    command = f"animate photo.png {SCENE} --out loop.mp4 --no-sidecar{' --overwrite' if overwrite else ''}"
    assert start(command, place, tmp_path / "said.txt").wait().status == ExitStatus.OK
    new = (place / "loop.mp4").read_bytes()
    for _ in range(12):
        if not overwrite:
            (place / "loop.mp4").unlink()
        both = [start(command, place, tmp_path / f"said{k}.txt") for k in range(2)]
        ends = [one_line(running.wait(), ExitStatus.ENCODER) for running in both]
        assert "OK" in ends
        assert (place / "loop.mp4").read_bytes() == new
        assert not [path for path in place.iterdir() if path.name.startswith(".")]
        outcomes.update(ends)
    record_property("fire", [f"two runs{', --overwrite' if overwrite else ''}", "animate", dict(outcomes), "one whole"])

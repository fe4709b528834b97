"""Photos that come through a pipe, and loops that leave through one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.check import check_loop
from tests.small_scene import MOTION, QUICK, tree, write_scene

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes are named by POSIX paths")

OPTIONS = f"--mask mask.png {MOTION} {QUICK}"
TIME = 120  # s, on a busy machine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cinegan(arguments: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run `cinegan ARGUMENTS` with `given` on stdin, which is a pipe; {fd} is another pipe that holds the same."""
    read, write = os.pipe()
    os.write(write, given)  # a small photo fits into the pipe
    os.close(write)
    try:
        return subprocess.run(
            [sys.executable, "-m", "cinegan_cli", *shlex.split(arguments.format(fd=f"/dev/fd/{read}"))],
            input=given,
            capture_output=True,
            pass_fds=(read,),
            timeout=TIME,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    finally:
        os.close(read)


@pytest.mark.parametrize("photo", ["-", "/dev/stdin", "{fd}"])
def test_a_photo_from_a_pipe_becomes_loop_mp4(photo: str, folder: Path) -> None:
    before = {*tree(folder)}
    outcome = cinegan(f"animate {photo} {OPTIONS}", (folder / "photo.png").read_bytes())
    assert (outcome.returncode, outcome.stderr) == (ExitStatus.OK, b"")
    assert {*tree(folder)} - before == {"loop.mp4"}
    assert check_loop(folder / "loop.mp4").passed


@pytest.mark.parametrize("command", ["animate - --dry-run", "mask - --out m.png", "style - --target noir --out s.png"])
@pytest.mark.parametrize("given", [b"", b"no picture\n"])
def test_what_is_no_photo_is_one_line(command: str, given: bytes, folder: Path) -> None:
    before = tree(folder)
    outcome = cinegan(f"{command} --mask mask.png", given)
    assert outcome.returncode == ExitStatus.INPUT
    assert outcome.stdout == b""
    assert [line.startswith(b"cinegan: ") for line in outcome.stderr.splitlines()] == [True]
    assert b"standard input" in outcome.stderr or b"-:" in outcome.stderr
    assert tree(folder) == before


def test_a_pipe_among_several_photos(folder: Path) -> None:
    outcome = cinegan(f"animate - photo.png {OPTIONS} --out loops", (folder / "photo.png").read_bytes())
    assert outcome.returncode == ExitStatus.OK
    assert {path.name for path in (folder / "loops").glob("*.mp4")} == {"loop.mp4", "photo.mp4"}


@pytest.mark.parametrize(("options", "suffix"), [("", ".mp4"), ("--preset gif", ".gif")])
def test_a_loop_to_stdout_is_nothing_but_the_loop(options: str, suffix: str, folder: Path) -> None:
    before = tree(folder)
    outcome = cinegan(f"animate photo.png {OPTIONS} {options} --out -", b"")
    assert outcome.returncode == ExitStatus.OK
    assert tree(folder) == before
    assert outcome.stderr.startswith(b"-  ")  # the summary
    (folder / f"loop{suffix}").write_bytes(outcome.stdout)
    assert check_loop(folder / f"loop{suffix}").passed


def test_a_failure_leaves_stdout_empty(folder: Path) -> None:
    before = tree(folder)
    outcome = cinegan(f"animate gone.png {OPTIONS} --out -", b"")
    assert (outcome.returncode, outcome.stdout) == (ExitStatus.INPUT, b"")
    assert b"gone.png" in outcome.stderr
    assert tree(folder) == before

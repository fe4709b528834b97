"""One run at a time for an output, and nothing of a killed one left beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cinegan_cli.claims import ClaimedError, claimed, left_behind
from tests.small_scene import tree

HOLD = """
import sys, time
from pathlib import Path
from cinegan_cli.claims import claimed
with claimed([Path(sys.argv[1])]):
    print("held", flush=True)
    time.sleep(600)
"""


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave(folder: Path, output: str, process: int) -> list[Path]:
    """What a process leaves of an output: unfinished files, and a folder of frames."""
    frames = folder / f".{output}.{process}.part"
    frames.mkdir()
    (frames / "0.png").write_text("half")
    files = [folder / f".{output}.{process}.part{suffix}" for suffix in (".mp4", ".palette.png")]
    for file in files:
        file.write_text("half")
    return [frames, *files]


@pytest.mark.parametrize("name", ["a.mp4", "%04d.png", "50% [x].v1.mp4"])
def test_a_claim_is_exclusive_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    output = tmp_path / "new/deep" / name
    with claimed([output]):
        with pytest.raises(ClaimedError, match=str(os.getpid())), claimed([tmp_path / "new/deep/b.mp4", output]):
            pytest.fail("claimed twice")
        with claimed([tmp_path / "new/deep/b.mp4"]):
            assert left_behind([output, tmp_path / "c.mp4"]) == {output}
    assert tree(tmp_path) == {}
    with claimed([output]):
        output.write_text("finished")
    assert tree(tmp_path) == {"new": None, "new/deep": None, f"new/deep/{name}": b"finished"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_the_claim_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    output = tmp_path / "a.mp4"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ClaimedError, match=str(process.pid)), claimed([output]):
            pytest.fail("claimed twice")
    finally:
        process.kill()
        process.communicate()
    leave(tmp_path, "a.mp4", process.pid)
    assert len(tree(tmp_path)) == 5
    with claimed([output]):
        assert [name for name in tree(tmp_path) if not name.endswith(".claim")] == []
    assert tree(tmp_path) == {}


def test_only_what_dead_processes_left_of_that_output_is_removed(tmp_path: Path) -> None:
    dead = dead_process()
    gone = [*leave(tmp_path, "a.mp4", dead), *leave(tmp_path, "a.mp4", os.getpid())]
    kept = [*leave(tmp_path, "a.mp4", os.getppid()), *leave(tmp_path, "b.mp4", dead), tmp_path / ".a.mp4.part.txt"]
    kept[-1].write_text("mine")
    assert left_behind([tmp_path / "a.mp4", tmp_path / "c.mp4"]) == {tmp_path / "a.mp4"}
    with claimed([tmp_path / "a.mp4"]):
        assert not any(path.exists() for path in gone)
        assert all(path.exists() for path in kept)


def test_without_locks_work_goes_on_and_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(file: int, mode: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    kept = leave(tmp_path, "a.mp4", dead_process())
    before = tree(tmp_path)
    with claimed([tmp_path / "a.mp4"]):
        assert all(path.exists() for path in kept)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["file.txt/a.mp4", "n" * 300 + ".mp4"])
def test_where_nothing_can_be_made_the_run_itself_will_say_so(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("")
    before = tree(tmp_path)
    with claimed([tmp_path / name]):
        assert tree(tmp_path) == before

"""What is printed, whatever the streams can show: names in other scripts, narrow encodings, terminals."""

from __future__ import annotations

import gc
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cinegan_cli
from cinegan_cli.cli.main import main
from tests.small_scene import ANIMATE, write_scene

ENCODINGS = ["ascii", "cp1252", "latin-1", "utf-8"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def run(arguments: str, encoding: str, monkeypatch: pytest.MonkeyPatch, *, terminal: bool = False) -> tuple[int, str]:
    """Status and stdout of the command as a process of its own would have them, with streams of that encoding."""
    out, err = io.BytesIO(), io.BytesIO()
    kind = Terminal if terminal else io.TextIOWrapper
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
        patch.setattr(sys, "stderr", kind(err, encoding=encoding))
        patch.setattr(sys, "argv", ["cinegan", *shlex.split(arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        gc.unfreeze()  # what `main` does for a process that ends
        sys.stdout.flush()
        sys.stderr.flush()
        assert "internal error" not in err.getvalue().decode("latin-1")
        return int(ended.value.code or 0), out.getvalue().decode("latin-1")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["湖", "a[b]", "x\udce9" if os.name == "posix" else "é"])
def test_a_name_that_a_stream_cannot_show_fails_no_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, name: str
) -> None:
    (folder / "photo.png").rename(f"{name}.png")
    line = ANIMATE.replace("photo.png", f"'{name}.png'")
    status, shown = run(f"{line} --out '{name}.gif'", encoding, monkeypatch)
    assert (status, Path(f"{name}.gif").is_file(), Path(f"{name}.json").is_file()) == (0, True, True)
    assert ".gif" in shown
    status, shown = run(f"{line} --out '{name}.gif' --overwrite --json", encoding, monkeypatch)
    assert status == 0
    assert json.loads(shown)["outputs"][0]["path"] == f"{name}.gif"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_progress_on_a_terminal_of_that_encoding(folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    status, _ = run(f"{ANIMATE} --out 湖.gif", encoding, monkeypatch, terminal=True)
    assert (status, Path("湖.gif").is_file()) == (0, True)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_help_and_lists_in_that_encoding(folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    assert run("animate 湖.png --out loop.gif", encoding, monkeypatch)[0] == 3
    for command in ("style --help", "style --list", "models list", "doctor"):
        assert run(command, encoding, monkeypatch)[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="locales are told otherwise on Windows")
def test_a_process_in_the_c_locale(folder: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    environment = {**kept, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONPATH"] = str(Path(cinegan_cli.__file__).parents[1])
    command = [sys.executable, "-m", "cinegan_cli", "style", "--help"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--strength" in done.stdout

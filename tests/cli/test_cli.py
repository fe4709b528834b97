"""The command line: help without heavy imports, the outputs of every command, presets, completion."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

import cinegan_cli
from cinegan_cli.cli.main import COMMANDS, cinegan, run
from cinegan_cli.errors import ExitStatus, UsageError
from cinegan_cli.evaluate.check import check_loop
from tests.small_scene import ANIMATE, HEIGHT, MOTION, QUICK, WIDTH, invoke, pixels, texture, tree, write_scene

HEAVY = ("torch", "cv2", "numpy", "PIL", "rich", "httpx")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def all_commands() -> list[tuple[str, click.Command]]:
    """Every command and sub-command with its full name."""
    found: list[tuple[str, click.Command]] = [("", cinegan)]
    for name in COMMANDS:
        command = cinegan.get_command(click.Context(cinegan), name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {sub}", child) for sub, child in command.commands.items()]
    return found


def run_alone(lines: list[list[str]], folder: Path) -> tuple[list[int], list[str], str]:
    """Statuses of command lines in one new process, what heavy was imported there, and stdout."""
    script = (
        "import sys, json\n"
        "from cinegan_cli.cli.main import run\n"
        f"statuses = [run(line) for line in {lines!r}]\n"
        f"print(json.dumps([statuses, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=folder, env=environment
    )
    statuses, heavy = json.loads(done.stderr.splitlines()[-1])
    return statuses, heavy, done.stdout


def test_help_of_every_command_imports_nothing_heavy(tmp_path: Path) -> None:
    lines = [[*name.split(), "--help"] for name, _ in all_commands()]
    statuses, heavy, said = run_alone(lines, tmp_path)
    assert statuses == [0] * len(lines)
    assert heavy == []
    assert said.count("Usage: cinegan") == len(lines)


def test_what_is_wrong_with_files_is_said_before_torch_is_imported(folder: Path) -> None:
    whole = (folder / "photo.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 3])
    lines = [["animate", photo, "--out", "new.mp4"] for photo in ("damaged.png", "missing.png", "motion.npy")]
    statuses, heavy, _ = run_alone([*lines, ["animate", "photo.png", "--out", "mask.png"]], folder)
    assert statuses == [ExitStatus.INPUT] * 3 + [ExitStatus.USAGE]
    assert "torch" not in heavy


@pytest.mark.parametrize(("name", "command"), all_commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_command_and_options_say_what_they_do(name: str, command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_bare_command_shows_the_help(capfd: Capture) -> None:
    outcome = invoke("", capfd)
    assert (outcome.status, outcome.stdout) == (ExitStatus.USAGE, "")
    assert "Usage: cinegan" in outcome.stderr
    assert all(f"\n  {name} " in outcome.stderr for name in COMMANDS)


def test_help_names_every_exit_status(capfd: Capture) -> None:
    shown = invoke("--help", capfd).stdout
    assert all(f"{int(status)} " in shown for status in ExitStatus)


def test_version(capfd: Capture) -> None:
    outcome = invoke("--version", capfd)
    assert (outcome.status, outcome.stdout.split()[-1]) == (ExitStatus.OK, cinegan_cli.__version__)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str, capfd: Capture) -> None:
    outcome = invoke(f"completion {shell}", capfd)
    assert outcome.status == ExitStatus.OK
    assert "_CINEGAN_COMPLETE" in outcome.stdout


def test_completion_completes_options(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setenv("_CINEGAN_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", "cinegan animate --dir")
    monkeypatch.setenv("COMP_CWORD", "--dir")
    outcome = invoke("", capfd)
    assert outcome.status == ExitStatus.OK
    assert "--direction" in outcome.stdout


def test_traceback_option_shows_where(folder: Path, capfd: Capture) -> None:
    with pytest.raises(UsageError):
        invoke(f"--traceback {ANIMATE} --out loop.mp4 --speed -1", capfd)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that is handled")
def test_an_interrupt_that_comes_in_a_destructor_is_not_lost(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    class Unlucky:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)  # Python drops what is raised here

    def work(*arguments: object, **options: object) -> None:
        Unlucky()
        time.sleep(20)

    monkeypatch.setattr(cinegan, "main", work)
    outcome = invoke("animate", capfd)
    assert outcome.status == ExitStatus.INTERRUPTED
    assert len(outcome.complaints) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="closed pipes are told otherwise on Windows")
def test_reader_that_has_gone_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    script = "from cinegan_cli.cli.main import main; main()"
    command = [sys.executable, "-c", script, "check", "photo.png", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(Path(cinegan_cli.__file__).parents[1])}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (ExitStatus.OK, "")


def test_closed_stderr_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    Image.fromarray(texture()).save("photo.tif", compression="tiff_lzw")
    assert run(shlex.split(f"{ANIMATE} --out loop.gif".replace("photo.png", "photo.tif"))) == ExitStatus.OK


# ---- animate


def test_summary_names_what_was_done(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"{ANIMATE} --out loop.mp4", capfd)
    assert (outcome.status, outcome.stderr) == (ExitStatus.OK, "")
    for words in ("loop.mp4", f"{WIDTH}x{HEIGHT}", "3 frames", "seam", "texture", "mask: given", "motion: given"):
        assert words in outcome.stdout


def test_several_outputs_in_one_run(folder: Path, capfd: Capture) -> None:
    names = ["loop.mp4", "loop.gif", "new/loop.webm", "loop.apng"]
    outcome = invoke(ANIMATE + "".join(f" --out {name}" for name in names) + " --out frames/%02d.png", capfd)
    assert outcome.status == ExitStatus.OK
    assert all(check_loop(folder / name).passed for name in names)
    assert sorted(p.name for p in (folder / "frames").iterdir()) == ["00.png", "01.png", "02.png"]
    assert not list(folder.rglob(".*"))


def test_loop_is_named_after_the_photo(folder: Path, capfd: Capture) -> None:
    assert invoke(ANIMATE, capfd).status == ExitStatus.OK
    assert (folder / "photo.mp4").is_file()


def test_frames_in_the_current_folder(folder: Path, capfd: Capture) -> None:
    before, around = tree(folder), sorted(folder.parent.iterdir())
    assert invoke(f"{ANIMATE} --out %02d.png", capfd).status == ExitStatus.OK
    assert tree(folder).keys() - before.keys() == {"00.png", "01.png", "02.png", "frames.json"}
    assert sorted(folder.parent.iterdir()) == around


def test_json_is_all_that_is_on_stdout(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"{ANIMATE} --out loop.mp4 --json", capfd)
    values = json.loads(outcome.stdout)
    assert values["size"] == [WIDTH, HEIGHT]
    assert values["frames"] == 3
    assert values["outputs"][0]["path"] == "loop.mp4"
    assert values["stages"] == {"mask": "given", "motion": "given", "bands": "pyramid"}


def test_quiet_prints_nothing(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"{ANIMATE} --out loop.mp4 --quiet --max-side 48", capfd)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (ExitStatus.OK, "", "")


def test_notice_goes_to_stderr(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"{ANIMATE} --out loop.mp4 --max-side 48", capfd)
    assert (outcome.status, len(outcome.notes), outcome.complaints) == (ExitStatus.OK, 1, [])
    assert "--max-side 48" in outcome.notes[0]


def test_dry_run_says_the_plan_and_writes_nothing(folder: Path, capfd: Capture) -> None:
    before = tree(folder)
    outcome = invoke(f"{ANIMATE} --out new/loop.mp4 --dry-run", capfd)
    assert outcome.status == ExitStatus.OK
    assert all(
        words in outcome.stdout for words in (f"{WIDTH}x{HEIGHT}", "3 frames", "new/loop.mp4", "--mask mask.png")
    )
    planned = json.loads(invoke(f"{ANIMATE} --out new/loop.mp4 --dry-run --json", capfd).stdout)
    assert (planned["size"], planned["frames"]) == ([WIDTH, HEIGHT], 3)
    assert tree(folder) == before


@pytest.mark.parametrize("command", ["animate", "style --target sunset"])
def test_preview_is_small(folder: Path, capfd: Capture, command: str) -> None:
    Image.fromarray(texture(640, 480)).save("large.png")
    plan = f"{command} large.png --mask mask.png {MOTION} --preview --dry-run --json"
    values = json.loads(invoke(plan, capfd).stdout)
    assert (values["size"], values["fps"]) == ([320, 240], 12)
    values = json.loads(invoke(f"{plan} --fps 6", capfd).stdout)
    assert (values["size"], values["fps"]) == ([320, 240], 6)


def test_gif_preset_names_a_gif(folder: Path, capfd: Capture) -> None:
    arguments = f"animate photo.png --mask mask.png {MOTION} --seconds 0.3 --preset gif"
    assert invoke(arguments, capfd).status == ExitStatus.OK
    with Image.open(folder / "photo.gif") as loop:
        assert loop.info["duration"] == 80  # ms; 12.5 frames/s is exact in a GIF


def test_story_preset_is_upright(folder: Path, capfd: Capture) -> None:
    # An arrow inside the part that is left.
    arguments = f"animate photo.png --mask mask.png --arrow 20,10,40,12 {QUICK} --preset story --out loop.mp4"
    assert invoke(arguments, capfd).status == ExitStatus.OK
    assert check_loop(folder / "loop.mp4").loop.size == (26, HEIGHT)


def test_a_still_and_a_loop_are_one_answer(folder: Path, capfd: Capture) -> None:
    outputs = "--out look.png --out look.gif --no-sidecar"
    outcome = invoke(f"style photo.png --target noir --mask mask.png {MOTION} {QUICK} {outputs} --json", capfd)
    still, loop = json.loads(outcome.stdout)
    assert still["outputs"] == ["look.png"]
    assert loop["frames"] == 3


def test_overwrite_replaces_the_loop_and_its_settings(folder: Path, capfd: Capture) -> None:
    assert invoke(f"{ANIMATE} --out loop.mp4", capfd).status == ExitStatus.OK
    before = tree(folder)
    assert invoke(f"{ANIMATE} --out loop.mp4 --speed 0.5", capfd).status == ExitStatus.ENCODER
    assert tree(folder) == before
    assert invoke(f"{ANIMATE} --out loop.mp4 --speed 0.5 --overwrite", capfd).status == ExitStatus.OK
    assert tree(folder).keys() == before.keys()
    assert tree(folder)["loop.mp4"] != before["loop.mp4"]


def test_strict_refuses_a_seam_that_shows(folder: Path, capfd: Capture) -> None:
    outcome = invoke(f"animate photo.png --mask mask.png --arrow 0,10,64,30 {QUICK} --strict --out loop.apng", capfd)
    clean = check_loop(folder / "loop.apng").loop.seam
    assert (outcome.status == ExitStatus.CHECK) == (not 0.8 <= clean <= 1.2)


# ---- the other commands


def test_mask_motion_and_render_make_the_loop_of_animate(folder: Path, capfd: Capture) -> None:
    assert invoke("mask photo.png --mask mask.png --out m.png", capfd).status == ExitStatus.OK
    outcome = invoke(f"motion photo.png --mask m.png {MOTION} --out v.npy --json", capfd)
    assert json.loads(outcome.stdout)["grid"] == [WIDTH, HEIGHT]
    outcome = invoke(f"render photo.png --mask m.png --motion v.npy {QUICK} --out parts/%d.png --json", capfd)
    assert json.loads(outcome.stdout)["frames"] == 3
    assert invoke(f"{ANIMATE} --out whole/%d.png", capfd).status == ExitStatus.OK
    for name in ("0.png", "1.png", "2.png"):
        parts, whole = (pixels(folder / place / name) for place in ("parts", "whole"))
        assert np.abs(parts - whole).max() <= 1
    assert pixels(folder / "m_overlay.png").shape == (HEIGHT, WIDTH, 3)
    assert pixels(folder / "v_colours.png").shape[2] == 3


def test_check_passes_our_loop_and_fails_a_stalled_copy(folder: Path, capfd: Capture) -> None:
    options = "--mask mask.png --arrow 25,10,40,12 --seconds 0.8 --fps 10"
    assert invoke(f"animate photo.png {options} --out good/%d.png", capfd).status == ExitStatus.OK
    outcome = invoke("check good --photo photo.png --mask mask.png --json", capfd)
    assert (outcome.status, json.loads(outcome.stdout)["passed"]) == (ExitStatus.OK, True)
    (folder / "good/8.png").write_bytes((folder / "good/0.png").read_bytes())
    outcome = invoke("check good", capfd)
    assert (outcome.status, outcome.stderr) == (ExitStatus.CHECK, "")
    assert [line for line in outcome.stdout.splitlines() if line.startswith("FAIL  seam")]


def test_doctor_says_what_runs(capfd: Capture) -> None:
    outcome = invoke("doctor --json", capfd)
    values = json.loads(outcome.stdout)
    assert outcome.status == ExitStatus.OK
    assert values["self-check"]["state"] == values["ffmpeg"]["state"] == "ok"


def test_python_m_runs_the_same_command() -> None:
    assert importlib.import_module("cinegan_cli.__main__").main is importlib.import_module("cinegan_cli.cli.main").main

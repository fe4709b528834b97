"""The folder of a training run: its settings, its checkpoint and its log, none of them lost or half written."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.files import replacing, written

CHECKPOINT = "checkpoint.pt"
LOG = "log.csv"
CONFIG = "config.json"
ADVICE = "free some space, then --resume"
FIRST_COLUMNS = ["step", "seconds"]  # of the log
# options that may differ where a run goes on
FREE = ("data", "clips", "annotations", "out", "models", "members", "lpips", "learning_rate")


def open_folder(work: Path, config: Any, *, resume: bool) -> Path | None:
    """Make the folder of a run; returns the checkpoint to go on from, if there is one.

    Raises UsageError when it holds a run and not `resume`, OutputError when it cannot be written or holds files of that
    name that are somebody else's. Nothing in the folder is touched then.
    """
    checkpoint = work / CHECKPOINT
    if checkpoint.is_file() and not resume:
        raise UsageError(f"{work}: holds a run already; add --resume to go on, or choose another --work")
    settings = plain(asdict(config))
    for name, ours in ((CONFIG, _is_config(work / CONFIG, settings)), (LOG, _is_log(work / LOG))):
        if not ours:
            raise OutputError(f"{work / name}: exists and is not of such a run; choose another --work")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{work}: cannot be made: {error.strerror or error}; choose another --work") from error
    return checkpoint if checkpoint.is_file() else None


def keep_config(work: Path, config: Any) -> None:
    """Write the settings of the run, as JSON. Raises OutputError."""
    with written(work / CONFIG, ADVICE) as part:
        part.write_text(json.dumps(plain(asdict(config)), indent=2) + "\n")


def begun(config: Any, *, batch: int, seed: int) -> dict[str, Any]:
    """What a run that goes on must have in common with its beginning: the task, its options, samples a step, seed."""
    options = {f.name: getattr(config, f.name) for f in fields(config) if "help" in f.metadata}
    kept = {name: plain(value) for name, value in options.items() if name not in FREE}
    return {"task": type(config).__name__.removesuffix("Settings").lower(), **kept, "batch": batch, "seed": seed}


def require_same(checkpoint: Path, before: Mapping[str, Any], now: Mapping[str, Any], processes: int) -> None:
    """Raises UsageError for the first of `begun`'s values that differs. A checkpoint of before they were kept passes.

    With another number of processes the samples of a step stay the same where --batch makes up for it.
    """
    name = next((name for name in now if name in before and before[name] != now[name]), None)
    if name is None:
        return
    old, new = before[name], now[name]
    other = "or choose another --work"
    if name == "task":
        raise UsageError(f"{checkpoint}: is of `train {old}`, not of `train {new}`; choose another --work")
    if name == "batch" and (processes > 1 or old % processes == 0):
        fitting = f"--batch {old // processes}" if old % processes == 0 else f"a number of processes that divides {old}"
        raise UsageError(
            f"{checkpoint}: was begun with {old} samples a step, all processes together, and this makes {new}; "
            f"give {fitting}, {other}"
        )
    if name == "seed":  # members of an ensemble have seeds of their own, made from the user's
        raise UsageError(f"{checkpoint}: was begun with another --seed; give that, {other}")
    option = f"--{name.replace('_', '-')}"
    raise UsageError(f"{checkpoint}: was begun with {option} {_shown(old)}, not {_shown(new)}; give that, {other}")


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: a kill or a full disk leaves the old one or the new one. Raises OutputError."""
    try:
        with replacing(path) as part:
            torch.save(dict(state), part)
    except (OSError, RuntimeError) as error:  # torch's own writer tells a full disk as the latter
        kept = "the last checkpoint is whole" if path.is_file() else "there is no earlier one"
        reason = (error.strerror if isinstance(error, OSError) else None) or "the disk may be full"
        raise OutputError(f"{path}: cannot be written: {reason} ({kept}); {ADVICE}") from error


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote. Raises InputError when it is damaged or something else; code in it is not executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are not torch's
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the damage leads to
        raise InputError(f"{path}: cannot be resumed: it is damaged or no checkpoint; choose another --work") from error
    if not isinstance(state, dict) or not {"step", "modules", "averages", "optimisers"} <= state.keys():
        raise InputError(f"{path}: cannot be resumed: it is no checkpoint of a training; choose another --work")
    return state


def add_line(work: Path, names: list[str], values: list[str]) -> None:
    """One line of the log; what the first line had and this one has not stays empty. Raises OutputError."""
    path = work / LOG
    line = dict(zip([*FIRST_COLUMNS, *names], values, strict=True))
    try:
        columns = _columns(path) if path.is_file() else []
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if not columns:
                writer.writerow(columns := list(line))
            writer.writerow([line.get(name, "") for name in columns])
    except OSError as error:
        raise unwritable(path, error) from error


def drop_later_lines(work: Path, step: int) -> None:
    """Take the steps after `step` out of the log: they were lost with a kill, and will be logged again."""
    path = work / LOG
    if not path.is_file():
        return
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    kept = [row for row in rows if row and row[0].isdigit() and int(row[0]) <= step]
    if not kept:
        path.unlink()
        return
    with written(path, ADVICE) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows([header, *kept])


def unwritable(path: Path, error: OSError) -> OutputError:
    """The error to raise where a file of a run cannot be written."""
    return OutputError(f"{path}: cannot be written: {error.strerror or error}; {ADVICE}")


def plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _shown(value: Any) -> str:
    return "its default" if value is None else str(value)


def _is_config(path: Path, settings: Mapping[str, Any]) -> bool:
    """Whether there is no such file, or one with the settings of such a run."""
    if not path.exists():
        return True
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == settings.keys()


def _is_log(path: Path) -> bool:
    if not path.exists():
        return True
    try:
        return _columns(path)[:2] == FIRST_COLUMNS
    except (OSError, ValueError, csv.Error):
        return False


def _columns(path: Path) -> list[str]:
    """The names in the first line of a log."""
    with path.open(newline="") as file:
        return next(csv.reader(file), [])

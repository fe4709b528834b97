"""Command-line options made from the settings of `config.py`, and what every command prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import click

from cinegan_cli.config import settings
from cinegan_cli.errors import UsageError
from cinegan_cli.values import base_type, choices

if TYPE_CHECKING:
    from cinegan_cli.types import Progress

Command = TypeVar("Command", bound=Callable[..., Any])


class Numbers(click.ParamType):  # type: ignore[type-arg]  # that of click 8.1 takes no argument
    """A comma-separated list of so many numbers, such as 10,20,30,40."""

    def __init__(self, count: int, metavar: str) -> None:
        self.count = count
        self.name = metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        try:
            numbers = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self.count:
            self.fail(f"must be {self.count} numbers, {self.name}, got {value!r}", param, ctx)
        return numbers


class Words(click.Choice):  # type: ignore[type-arg]  # that of click 8.1 takes no argument
    """A choice of words; those of earlier versions are taken for what they are called today."""

    def __init__(self, words: tuple[str, ...], older: Mapping[str, str]) -> None:
        super().__init__(words)
        self.older = older

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(super().convert(self.older.get(value, value), param, ctx))


def config_options(*kinds: type, without: tuple[str, ...] = (), rendering: bool = True) -> Callable[[Command], Command]:
    """Decorator: one option for each setting of the given sections. They arrive as keywords, None when not given.

    Without `rendering`, settings that only the rendering of frames reads are left out.
    """

    def decorate(command: Command) -> Command:
        for f, hint in reversed(list(settings(*kinds))):
            if f.name not in without and (rendering or not f.metadata.get("rendering")):
                command = _option(f.name, hint, f.default, f.metadata)(command)
        return command

    return decorate


def _option(name: str, hint: Any, default: Any, extra: Any) -> Callable[[Command], Command]:
    kind = base_type(hint)
    repeatable = get_origin(kind) is tuple
    shown = "" if repeatable or default is None or kind is bool else f"  [default: {default}]"
    keywords: dict[str, Any] = {"help": extra["help"] + shown, "default": None, "metavar": extra.get("metavar")}
    if choices(hint):
        keywords["type"] = Words(choices(hint), extra.get("older", {}))
    elif repeatable:
        item = get_args(kind)[0]
        plain = {Path: click.Path(path_type=Path), str: str}
        keywords |= {"multiple": True, "type": plain.get(item) or Numbers(len(get_args(item)), extra["metavar"])}
    elif kind is bool:
        keywords |= {"is_flag": True, "flag_value": True, "type": bool}
    else:
        keywords["type"] = click.Path(path_type=Path) if kind is Path else kind
    return click.option("--" + name.replace("_", "-"), name, **keywords)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were typed: neither None nor an empty repetition."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


@dataclass(frozen=True)
class Printer:
    """Results go to stdout, everything else to stderr."""

    quiet: bool
    as_json: bool
    collected: list[dict[str, Any]] | None = None  # of a batch: its results, printed at the end as one JSON list

    def result(self, lines: str, values: dict[str, Any]) -> None:
        """The result of the command: `lines` for people, or `values` as one JSON object."""
        if self.as_json and self.collected is not None:
            self.collected.append(values)
        elif self.as_json:
            click.echo(json.dumps(values, indent=2, default=str))
        elif not self.quiet:
            click.echo(lines)

    def finish(self) -> None:
        """Print what a batch collected."""
        if self.as_json:
            click.echo(json.dumps(self.collected, indent=2, default=str))

    def notice(self, text: str) -> None:
        """A sentence the user should see; not part of the result."""
        if not self.quiet:
            click.echo(f"note: {text}", err=True)

    @contextmanager
    def progress(self, unit: str = "frames/s", every: float = 1) -> Iterator[Progress]:
        """A bar with frames/s and time left on stderr; nothing when quiet or when stderr is no terminal.

        The speed is of `every` seconds, and may have another `unit`.
        """
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():  # None where it is closed
            yield lambda what, done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("starting", total=None, rate="")

            def report(what: str, done: int, total: int) -> None:
                speed = bar.tasks[task].speed
                rate = f"{speed * every:.1f} {unit}" if speed and total else ""
                bar.update(task, description=what, completed=done, total=total or None, rate=rate)

            yield report


def preview_option(command: Command) -> Command:
    """Decorator: --preview, for `runs.resolve`."""
    return click.option("--preview", is_flag=True, help="Small and quick: 320 px, 12 frames/s.")(command)


def output_options(command: Command) -> Command:
    """Decorator: --quiet and --json, the two fields of `Printer`."""
    command = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)
    return click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")(command)


def require_suffix(path: Path, suffixes: tuple[str, ...], option: str) -> None:
    """Raise `UsageError` unless `path` ends in one of `suffixes`."""
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"{option} {path}: must end in {' or '.join(suffixes)}")

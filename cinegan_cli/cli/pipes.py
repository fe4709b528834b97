"""Photos that come through a pipe, and loops that leave through one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from cinegan_cli.cli.batch import STDOUT, loop_ending
from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.runs import with_outputs
from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError
from cinegan_cli.files import is_stream


@dataclass(frozen=True)
class SecondPrinter(Printer):
    """Says everything on stderr, where stdout carries the loop; its file is called by the name that was asked for."""

    file: str = ""

    def result(self, lines: str, values: dict[str, Any]) -> None:
        said = json.dumps(values, indent=2, default=str) if self.as_json else lines
        if self.as_json or not self.quiet:
            click.echo(said.replace(self.file, "-"), err=True)


def name_of_piped(photo: Path | None, typed: dict[str, Any]) -> None:
    """A photo without a name of its own becomes loop.mp4, unless --out is typed."""
    if photo is not None and is_stream(photo):
        typed.setdefault("out", (Path("loop.gif" if typed.get("preset") == "gif" else "loop.mp4"),))


@contextmanager
def through_stdout(config: Config, printer: Printer) -> Iterator[tuple[Config, Printer]]:
    """The same run, where `--out -` is written to a temporary file, which goes to stdout when the run is over.

    Raises UsageError when there is another output too, or when nothing reads stdout.
    """
    if not any(str(path) in STDOUT for path in config.video.out):
        yield config, printer
        return
    if len(config.video.out) > 1:
        raise UsageError("--out -: stdout takes one loop; leave out the other --out")
    if sys.stdout.isatty():
        raise UsageError("--out -: would fill the terminal; add `> loop.mp4`, or a pipe")
    with TemporaryDirectory(prefix="cinegan-") as folder:
        file = Path(folder) / f"loop{loop_ending(config)}"
        yield with_outputs(config, (file,)), SecondPrinter(printer.quiet, printer.as_json, file=str(file))
        if file.exists():  # not after --dry-run
            with file.open("rb") as loop:
                shutil.copyfileobj(loop, sys.stdout.buffer)
                sys.stdout.buffer.flush()


def leaves_sidecar(photo: Path, config: Config) -> bool:
    """Whether settings can be saved beside the loop: the photo and the loop must be files."""
    return not is_stream(photo) and not any(str(path) in STDOUT for path in config.video.out)

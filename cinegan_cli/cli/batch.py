"""What commands have in common that take many photos: folders of them, or several names."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.runs import SIDECAR_KEYS, animate_one
from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError

if TYPE_CHECKING:
    from cinegan_cli.batch import Plan
    from cinegan_cli.session import Session

STDOUT = ("-", "/dev/stdout")
LARGEST_SIDECAR = 100_000  # bytes; other programs write larger .json files, which need not be read

Work = Callable[[Path, Config, Printer, "Session"], None]  # one photo, with its own settings and outputs


def is_batch(paths: Sequence[Path]) -> bool:
    """Whether these are many photos: several names, or a folder, whatever it is called."""
    return len(paths) > 1 or any(map(os.path.isdir, paths))


def require_folder(paths: Sequence[Path], out: Sequence[Path] | None) -> None:
    """Raise UsageError for many photos without a place for what is made of them."""
    if not is_batch(paths):
        return
    what = f"{paths[0]} is a folder" if len(paths) == 1 else f"{len(paths)} photos are given"
    if not out:
        raise UsageError(f"{what}: name the folder of the results with --out")
    if any(str(path) in STDOUT for path in out):
        raise UsageError(f"{what}: --out - takes one result; name a folder")


def require_one(paths: Sequence[Path], option: str, value: object) -> None:
    """Raise UsageError for an option that names one file, beside many photos."""
    if value is not None and is_batch(paths):
        raise UsageError(f"{option}: names one file, but there are many photos; leave it out")


def animate_many(paths: Sequence[Path], config: Config, printer: Printer, *, sidecar: bool, dry_run: bool) -> None:
    """A loop of every photo. Raises `BatchError` at the end when some failed, naming them."""

    def work(photo: Path, own: Config, printer: Printer, session: Session) -> None:
        animate_one(photo, own, printer, sidecar=sidecar, dry_run=dry_run, session=session)

    run_many(paths, config, printer, work, ending=loop_ending(config), dry_run=dry_run)


def loop_ending(config: Config) -> str:
    """The kind of loop that is made where only a folder is named."""
    return ".gif" if config.video.preset == "gif" else ".mp4"


def run_many(
    paths: Sequence[Path],
    config: Config,
    printer: Printer,
    work: Work,
    *,
    ending: str,
    also: Callable[[Path], Path] | None = None,
    dry_run: bool = False,
    without: tuple[str, ...] = (),
) -> None:
    """Do `work` for every photo, with one session, each with its own settings and outputs; then list the failures.

    The outputs of a photo lie where `config.video.out` says (see `batch.place`), each followed by what is `also` made
    with it. Companions named in `without` are not used. Raises what `plan_batch` and `run_batch` do.
    """
    from cinegan_cli.batch import config_for, run_batch
    from cinegan_cli.session import Session

    plan = plan_many(paths, config, ending, also)
    collecting = replace(printer, collected=[])
    session = Session(config.run)
    try:
        run_batch(
            plan,
            lambda job: work(job.photo, config_for(config, job, without=without), collecting, session),
            notice=printer.notice,
            overwrite=config.video.overwrite,
            dry_run=dry_run,
        )
    finally:
        collecting.finish()


def plan_many(paths: Sequence[Path], config: Config, ending: str, also: Callable[[Path], Path] | None = None) -> Plan:
    """The jobs of `run_many`."""
    from cinegan_cli.batch import place, plan_batch

    def places(stem: Path) -> tuple[Path, ...]:
        mains = [place(out, stem, ending) for out in config.video.out]
        return tuple(path for main in mains for path in ([main] if also is None else [main, also(main)]))

    masks = [mask for mask in (config.mask.mask, config.mask.freeze) if isinstance(mask, Path)]
    return plan_batch(paths, places, apart=masks, made=outputs_of_sidecars)


def outputs_of_sidecars(files: Iterable[Path]) -> Iterator[Path]:
    """The loops and frames that the settings files among `files` were saved with."""
    from cinegan_cli.stages.video import files_of

    for file in files:
        if file.suffix.lower() == ".json":
            with suppress(OSError, ValueError, TypeError, RecursionError):  # it is another program's
                for output in _saved_outputs(file):
                    yield from files_of(file.parent / output)


def _saved_outputs(file: Path) -> list[str]:
    if file.stat().st_size > LARGEST_SIDECAR:
        return []
    values = json.loads(file.read_bytes())
    known = isinstance(values, dict) and values.keys() >= SIDECAR_KEYS
    return list(values.get("outputs", ())) if known else []

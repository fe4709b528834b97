"""`animate` where photos or workers are elsewhere: files behind URLs, photos handed out to a cluster."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from cinegan_cli.cli.batch import STDOUT, loop_ending, plan_many, require_folder
from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.runs import animate_one, resolve, sidecar_path
from cinegan_cli.config import Config, RunConfig
from cinegan_cli.errors import CancelledError, CineganError, InputError, UsageError
from cinegan_cli.files import is_stream, temporary_folder

if TYPE_CHECKING:
    from cinegan_cli.batch import Job, Plan
    from cinegan_cli.cluster import Lanes, Mirror
    from cinegan_cli.session import Session
    from cinegan_cli.types import Progress


@dataclass(frozen=True)
class Like:
    """What all tasks of a run share. Names of URLs are those of the mirror at `root`, relative ones are in `folder`."""

    config: Config
    root: Path
    folder: str
    threads: int | None
    sidecar: bool
    dry_run: bool


@dataclass(frozen=True)
class Task:
    """One photo for a worker, and which files of its outputs are present already."""

    job: Job
    present: tuple[Path, ...]
    like: Like


@dataclass
class Report:
    """What a worker has to say; names of files are those that the user knows."""

    results: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    failure: str | None = None


@dataclass(frozen=True)
class Recorder(Printer):
    """Keeps what a worker says for whom it works."""

    report: Report = field(default_factory=Report)

    def result(self, lines: str, values: dict[str, Any]) -> None:
        self.report.results.append((lines, values))

    def notice(self, text: str) -> None:
        self.report.notices.append(text)

    @contextmanager
    def progress(self, unit: str = "", every: float = 1) -> Iterator[Progress]:
        yield lambda what, done, total: None


def is_elsewhere(cluster: str | None, photos: Sequence[Path], out: Sequence[Path] | None) -> bool:
    """Whether a run has photos, outputs or workers that are not just here."""
    from cinegan_cli.cluster import is_url

    return cluster is not None or any(map(is_url, (*photos, *(out or ()))))


def animate_elsewhere(
    photos: Sequence[Path],
    typed: dict[str, Any],
    settings_file: Path | None,
    printer: Printer,
    *,
    cluster: str | None,
    preview: bool,
    sidecar: bool,
    dry_run: bool,
) -> None:
    """A loop of every photo, as `animate_many` makes them, with workers of a cluster, or files behind URLs, or both.

    Raises UsageError for what takes part in no batch, and what `connected`, `Mirror`, `plan_batch` and `run_batch` do.
    """
    from cinegan_cli.cluster import Lanes, Mirror, connected

    _require_files(cluster, photos, typed.get("out"))
    with temporary_folder("cinegan-") as root, _with_urls(Mirror(root)) as mirror:
        paths = [mirror.local(photo) for photo in photos]
        lost = [line for path in paths for line in mirror.look(path, contents=True)]
        if "out" in typed:
            typed = typed | {"out": tuple(mirror.local(out) for out in typed["out"])}
            for out in typed["out"]:
                mirror.look(_fixed(out))
        require_folder(paths, typed.get("out"))
        photo, config = resolve(paths[0] if paths else None, typed, settings_file, preview=preview)
        plan = plan_many(paths or [photo], config, loop_ending(config))
        plan = replace(plan, unreachable=(*plan.unreachable, *lost))
        cores, gpu = config.run.threads or 1, config.run.device == "cuda"
        like = Like(config, root, os.getcwd(), cores if cluster else config.run.threads, sidecar, dry_run)
        with (
            connected(None if dry_run else cluster, cores=cores, gpu=gpu) as pool,
            printer.progress("photos/h", 3600) as tell,
        ):
            _run(plan, like, mirror, Lanes(pool, tell), printer)


def _run(plan: Plan, like: Like, mirror: Mirror, lanes: Lanes, printer: Printer) -> None:
    """`run_batch` whose photos are rendered by the pool of `lanes`. What is said is said by one thread at a time."""
    from cinegan_cli.batch import run_batch
    from cinegan_cli.claims import clear

    speaking = RLock()
    results: dict[Path, list[dict[str, Any]]] = {}

    def notice(text: str) -> None:
        with speaking:
            printer.notice(mirror.named(text))

    def work(job: Job) -> None:
        report = _report(lanes, Task(job, _present(job, like), like), lambda: clear(job.outputs))
        with speaking:
            for text in report.notices:
                printer.notice(text)
            if report.failure is not None:
                raise CineganError(report.failure)
            results[job.photo] = [values for _, values in report.results]
            for lines, values in report.results:
                if not printer.as_json:
                    printer.result(lines, values)

    try:
        run_batch(
            plan,
            work,
            notice=notice,
            overwrite=like.config.video.overwrite,
            dry_run=like.dry_run,
            each=lanes.each,
        )
    finally:
        replace(printer, collected=[values for job in plan.jobs for values in results.get(job.photo, ())]).finish()


def _report(lanes: Lanes, task: Task, tidy: Callable[[], None]) -> Report:
    from cinegan_cli.cluster import ATTEMPTS, LostError

    try:
        return lanes.call(render, task, tidy)
    except LostError as error:
        advice = "try it here, without --cluster, or with a smaller --max-side"
        raise CineganError(f"{task.job.photo}: its worker died {ATTEMPTS} times: {error}; {advice}") from error


def _present(job: Job, like: Like) -> tuple[Path, ...]:
    """Files of the outputs that are there already, settings included."""
    from cinegan_cli.stages.video import files_of

    sidecar = sidecar_path(job.outputs[0])
    files = [file for output in job.outputs for file in files_of(output)]
    return (*files, sidecar) if like.sidecar and sidecar.exists() else tuple(files)


def render(task: Task) -> Report:
    """What a worker does with a photo: bring it, make the loop, take it away. A failure is reported, not raised."""
    from cinegan_cli.batch import why_failed
    from cinegan_cli.cluster import Mirror

    recorder = Recorder(quiet=False, as_json=False)
    with temporary_folder("cinegan-") as root:
        theirs, mirror = Mirror(task.like.root), Mirror(root)
        job = _moved(task.job, theirs, mirror)
        try:
            _enter(task.like.folder, local=mirror.url(job.photo) is None)
            _render(job, [theirs.moved(file, mirror) for file in task.present], task.like, mirror, recorder)
        except CancelledError:
            raise
        except Exception as error:
            recorder.report.failure = why_failed(job, error)
        return _named(recorder.report, mirror)


def _render(job: Job, present: Sequence[Path], like: Like, mirror: Mirror, recorder: Recorder) -> None:
    """The job between the storage and the storage. Of outputs that are present there are empty files meanwhile."""
    from cinegan_cli.batch import config_for
    from cinegan_cli.stages.video import files_of

    mirror.fetch([job.photo, *job.companions.values(), *(file for file in present if file.suffix == ".json")])
    for file in present:
        if mirror.url(file) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    config = config_for(like.config, job)
    session = _session(replace(config.run, threads=like.threads))
    animate_one(job.photo, config, recorder, sidecar=like.sidecar, dry_run=like.dry_run, session=session)
    if not like.dry_run:
        made = [file for output in job.outputs for file in files_of(output)]
        settings = sidecar_path(job.outputs[0])
        mirror.store([*made, settings] if like.sidecar and settings.exists() else made)
        mirror.remove([file for file in present if not file.exists()])


@lru_cache(maxsize=1)
def _session(run: RunConfig) -> Session:
    """The one of this worker: its photos share opened models."""
    from cinegan_cli.session import Session

    return Session(run)


def _moved(job: Job, here: Mirror, there: Mirror) -> Job:
    return replace(
        job,
        photo=here.moved(job.photo, there),
        outputs=tuple(here.moved(output, there) for output in job.outputs),
        companions={word: here.moved(path, there) for word, path in job.companions.items()},
    )


def _enter(folder: str, *, local: bool) -> None:
    """Make relative names mean what they mean to the user. Raises InputError where a local photo cannot be here."""
    try:
        os.chdir(folder)
    except OSError as error:
        if local:
            raise InputError(
                f"{folder}: is not on {socket.gethostname()}: {error.strerror}; workers need photos in a folder that "
                "all machines share, or behind a URL"
            ) from error


def _named(report: Report, mirror: Mirror) -> Report:
    """The report with URLs in place of local names."""
    return Report(
        [
            (mirror.named(lines), json.loads(mirror.named(json.dumps(values, default=str))))
            for lines, values in report.results
        ],
        [mirror.named(text) for text in report.notices],
        None if report.failure is None else mirror.named(report.failure),
    )


@contextmanager
def _with_urls(mirror: Mirror) -> Iterator[Mirror]:
    """Errors raised inside name URLs."""
    try:
        yield mirror
    except CineganError as error:
        raise type(error)(mirror.named(str(error))) from error


def _require_files(cluster: str | None, photos: Sequence[Path], out: Sequence[Path] | None) -> None:
    """Raise UsageError for what is no file that another process could open."""
    what = "URLs" if cluster is None else f"--cluster {cluster}"
    for path in photos:
        if is_stream(path):
            raise UsageError(f"{what}: photos must be files, and {path} is a pipe; save it first")
    for path in out or ():
        if str(path) in STDOUT:
            raise UsageError(f"{what}: --out {path} takes one loop made here; name a folder")
    if cluster is not None and any(str(path).startswith("memory:") for path in (*photos, *(out or ()))):
        raise UsageError(f"{what}: memory:// is of one process; workers cannot see it")


def _fixed(out: Path) -> Path:
    """The folder of a pattern that all its outputs are in."""
    parts = [str(part) for part in out.parts]
    return Path(*parts[: next((k for k, part in enumerate(parts) if "*" in part), len(parts))])

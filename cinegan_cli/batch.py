"""Many photos in one run: which ones, where their results go, and all of them done, whatever becomes of single ones."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cinegan_cli.claims import ClaimedError, claimed, left_behind
from cinegan_cli.config import Config, MaskConfig
from cinegan_cli.errors import BatchError, CancelledError, CineganError, InputError, UsageError, unexpected
from cinegan_cli.files import is_stream
from cinegan_cli.photos import PHOTO_SUFFIXES, list_folder, with_companions
from cinegan_cli.stages.video import files_of, is_finished, writes_frames

FILE_SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".apng", ".npy", ".flo", *PHOTO_SUFFIXES)
WAYS_TO_MOVE = ("motion", "motion_network", "arrow", "anchor", "hints", "direction")

Place = Callable[[Path], tuple[Path, ...]]  # a photo's name without its ending, with the folders to keep → its outputs
Each = Callable[[Callable[["Job"], tuple[str, str]], Iterable["Job"]], Iterator[tuple[str, str]]]  # `map`, and its like
Made = Callable[[Iterable[Path]], Iterable[Path]]  # files → what earlier runs wrote, as those among them tell


@dataclass(frozen=True)
class Job:
    """One photo, what is made of it, and the files that go with it: {"mask": ..., "freeze": ..., "motion": ...}."""

    photo: Path
    outputs: tuple[Path, ...]
    companions: Mapping[str, Path]


@dataclass(frozen=True)
class Plan:
    """What a run is to do, and a line for each thing that cannot even be looked at. `what` is what messages call it."""

    jobs: tuple[Job, ...]
    unreachable: tuple[str, ...] = ()
    what: str = "photos"


def plan_batch(
    paths: Sequence[Path], place: Place, *, apart: Iterable[Path | None] = (), made: Made = lambda files: ()
) -> Plan:
    """A job for each photo of `paths`; a folder stands for all photos below it.

    No photos are: what goes with another one, files of `apart`, outputs of the plan itself, and of what folders hold
    those of earlier runs. Nothing is written. Raises InputError when there is no photo, UsageError when two of them
    would be written to one place.
    """
    names, ours, unreachable = _find(paths, made)
    ours |= _real(path for path in apart if path is not None)
    companions = with_companions([photo for photo in names if os.path.realpath(photo) not in ours])
    same = Counter(names[photo].with_suffix("") for photo in companions)
    # a.png beside a.jpg: keep both
    stems = {p: names[p].with_suffix("") if same[names[p].with_suffix("")] == 1 else names[p] for p in companions}
    jobs = [Job(photo, place(stem), companions[photo]) for photo, stem in stems.items()]
    taken = _real(file for job in jobs for output in job.outputs for file in (output, *files_of(output)))
    jobs = [job for job in jobs if os.path.realpath(job.photo) not in taken]
    if not jobs and not unreachable:
        raise InputError(f"{_named(paths)}: no photos in this folder ({', '.join(PHOTO_SUFFIXES)})")
    _require_apart(jobs)
    return Plan(tuple(jobs), tuple(unreachable))


def run_batch(
    plan: Plan,
    work: Callable[[Job], None],
    *,
    notice: Callable[[str], None],
    overwrite: bool = False,
    dry_run: bool = False,
    each: Each = map,
) -> None:
    """Do every job but those whose outputs are there and those that another run is at.

    A failure never stops the others. `each` may do several jobs at once. Raises BatchError at the end when there was a
    failure, naming all of them in the order of the plan.
    """
    for line in plan.unreachable:
        notice(line)
    remains = set() if dry_run else left_behind(output for job in plan.jobs for output in job.outputs)

    def one(job: Job) -> tuple[str, str]:
        finished = not overwrite and _is_done(job)
        if finished and remains.isdisjoint(job.outputs):
            return "done", ""
        try:
            with claimed(() if dry_run else job.outputs):
                if not overwrite and _is_done(job):  # by another run, a moment ago
                    return "done", ""
                work(job)
        except CancelledError:
            raise
        except ClaimedError as error:
            return "busy", str(error)
        except Exception as error:  # whatever it is, the other photos are not to blame
            line = why_failed(job, error)
            notice(line)
            return "failed", line
        return "made", ""

    outcomes = list(each(one, plan.jobs))
    done = sum(what == "done" for what, _ in outcomes)
    busy = [line for what, line in outcomes if what == "busy"]
    failures = [*plan.unreachable, *(line for what, line in outcomes if what == "failed")]
    total = f"{len(plan.jobs) + len(plan.unreachable)} {plan.what}"
    if done:
        notice(f"{done} of {total} were done already; --overwrite renders them again")
    if busy:
        notice(f"{len(busy)} of {total} were left to another run: {'; '.join(busy)}")
    if failures:
        raise BatchError(f"{len(failures)} of {total} failed: " + "; ".join(failures))


def why_failed(job: Job, error: Exception) -> str:
    """The line for a job that raised: what the error says, which names the photo."""
    return str(error) if isinstance(error, CineganError) else f"{job.photo}: {unexpected(error)[0]}"


def place(out: Path, stem: Path, ending: str) -> Path:
    """Where the result of `stem` goes: below a folder, with an `ending` such as .mp4, or into the * of a pattern.

    Raises UsageError for the name of one file.
    """
    if "*" in str(out):
        # a percent sign would be a second number field in a pattern of frames
        name = str(stem).replace("%", "_") if writes_frames(out) else str(stem)
        return Path(str(out).replace("*", name))
    if out.suffix.lower() in FILE_SUFFIXES and not os.path.isdir(out):
        raise UsageError(f"--out {out}: for many photos name a folder, or a pattern such as loops/*{out.suffix}")
    return out / stem.with_name(stem.name + ending)


def config_for(config: Config, job: Job, *, without: tuple[str, ...] = ()) -> Config:
    """The settings of the run for one job: its outputs, and its companions where the run says nothing about them."""
    given = config.options()
    own = {word: path for word, path in job.companions.items() if word not in (*without, *given)}
    if any(name in given for name in WAYS_TO_MOVE):
        own.pop("motion", None)
    mask = replace(
        config.mask,
        mask=own.get("mask", config.mask.mask),
        freeze=own.get("freeze", config.mask.freeze),
        move=MaskConfig().move if "mask" in own else config.mask.move,  # it is for photos without a mask
    )
    motion = replace(config.motion, motion=own.get("motion", config.motion.motion))
    return replace(config, mask=mask, motion=motion, video=replace(config.video, out=job.outputs))


def _find(paths: Sequence[Path], made: Made) -> tuple[dict[Path, Path], set[str], list[str]]:
    """The photos with their names below the folder they were found in; real paths of earlier outputs; complaints."""
    names: dict[Path, Path] = {}
    ours: set[str] = set()
    unreachable: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            names[path] = Path("loop.pipe") if is_stream(path) else Path(path.name)
            continue
        try:
            listing = list_folder(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
        ours |= _real(made(listing.files))
        names |= {photo: photo.relative_to(path) for photo in listing.photos}
        unreachable += [f"{file}: cannot be read: {reason}" for file, reason in listing.unreachable.items()]
    return names, ours, unreachable


def _is_done(job: Job) -> bool:
    return bool(job.outputs) and all(output.exists() or is_finished(output) for output in job.outputs)


def _require_apart(jobs: Iterable[Job]) -> None:
    owners: dict[Path, Path] = {}
    for job in jobs:
        for output in job.outputs:
            other = owners.setdefault(output, job.photo)
            if other != job.photo:
                raise UsageError(f"{output}: would be made of both {other} and {job.photo}; render them one by one")


def _real(paths: Iterable[Path]) -> set[str]:
    return {os.path.realpath(path) for path in paths}


def _named(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"

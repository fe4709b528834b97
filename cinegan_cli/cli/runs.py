"""One run of `animate` or `render`: settings from options and files, the plan, the work, the summary."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinegan_cli.cli.options import Printer
from cinegan_cli.config import PRESETS, PREVIEW, Config, settings
from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.files import read_text, written
from cinegan_cli.values import base_type

if TYPE_CHECKING:
    from cinegan_cli.pipeline import Summary
    from cinegan_cli.session import Session
    from cinegan_cli.stages.photo import Framed

SIDECAR_KEYS = {"cinegan", "photo", "options"}
PATH_OPTIONS = tuple(f.name for f, hint in settings() if base_type(hint) is Path)
MAYBE_PATHS = ("target", "models")  # a word of ours, or the name of a file
NOT_TAKEN = ("out", "overwrite", "seed")  # where to write is for who runs to say; version 0.1 had a seed to no effect


def resolve(
    photo: Path | None, options: dict[str, Any], settings_file: Path | None, *, preview: bool = False
) -> tuple[Path, Config]:
    """The photo and the whole configuration: options typed, over --preview, over --from, over a preset, over defaults.

    Without --out the loop is named after the photo and put into the current folder. Files that --from names are looked
    for beside it, in the current folder, and beside the photo typed. Raises `InputError` where they are in none.
    """
    saved: dict[str, Any] = {}
    if settings_file is not None:
        saved_photo, saved = read_sidecar(settings_file)
        folders = (settings_file.parent, Path(), *([photo.parent] if photo else []))
        saved = {name: value for name, value in saved.items() if name not in options}
        for name, value in saved.items():
            if _names_file(name, value):
                saved[name] = _found(value, folders, settings_file, f"name it with --{name.replace('_', '-')}")
        photo = photo or _found(saved_photo, folders, settings_file, "name the photo before --from")
    if photo is None:
        raise UsageError("no photo: name a photo or a folder, such as `cinegan animate photo.png --out loop.mp4`")
    merged = {**saved, **(PREVIEW if preview else {}), **options}
    if "preset" in options:  # a preset typed now wins over what the file says, not over other options typed now
        merged = {k: v for k, v in merged.items() if k in options or k not in PRESETS.get(options["preset"], {})}
    if not merged.get("out"):
        if os.path.isdir(photo):  # False also for a name that the system cannot take
            raise UsageError(f"{photo} is a folder: name the folder of the loops with --out")
        merged["out"] = (Path(photo.stem + (".gif" if merged.get("preset") == "gif" else ".mp4")),)
    return photo, Config.from_options(**merged)


def animate_one(
    photo: Path, config: Config, printer: Printer, *, sidecar: bool, dry_run: bool, session: Session | None = None
) -> None:
    """Render one photo and print the summary. Raises `CheckError` under --strict when the loop is not clean.

    Settings that cannot be saved beside a finished loop are no failure, but a note.
    """
    from cinegan_cli.plan import check_files, input_files, opencv_threads
    from cinegan_cli.stages.photo import frame_photo
    from cinegan_cli.stages.video import keep_inputs, size_limit

    check_files(photo, config)
    settings_path = sidecar_path(config.video.out[0]) if sidecar else None
    if settings_path is not None:
        keep_inputs((settings_path,), input_files(photo, config))
        if settings_path.exists() and not config.video.overwrite:
            _require_sidecar(settings_path)
    with session.at_work() if session else opencv_threads(config.run.threads):
        framed = frame_photo(photo, config.photo, limit=size_limit(config))
    from cinegan_cli.pipeline import animate  # here torch is imported
    from cinegan_cli.session import Session as open_session
    from cinegan_cli.systems import choose_system

    session = session or open_session(config.run)
    choose_system(config, session)
    if dry_run:
        print_plan(photo, framed, config, printer)
        return
    with printer.progress() as progress, session.telling(progress):
        summary = animate(photo, config, session, framed=framed)
    if settings_path is not None:
        try:
            write_sidecar(settings_path, photo, config)
        except OutputError as error:
            printer.notice(f"the loop is finished, but its settings are not saved: {error}")
    for notice in summary.notices:
        printer.notice(notice)
    printer.result(describe(summary), summary.as_dict())


def print_plan(photo: Path, framed: Framed, config: Config, printer: Printer) -> None:
    """What a run would do: settings, size and frames."""
    from cinegan_cli.stages.video import output_notices

    height, width = framed.pixels.shape[:2]
    values = {
        "photo": str(photo),
        "size": [width, height],
        "frames": config.render.frames,
        "fps": config.render.fps,
        "outputs": [str(path) for path in config.video.out],
        "estimated_seconds": round(estimate_seconds(width, height, config.render.frames), 1),
        "options": config.options(),
    }
    for notice in (*framed.notices, *output_notices(config, (width, height))):
        printer.notice(notice)
    lines = [
        f"{photo}: would render {config.render.frames} frames of {width}x{height} at {config.render.fps:g} frames/s"
    ]
    lines += [f"  to {path}" for path in config.video.out]
    lines += [f"  in about {values['estimated_seconds']:g} s on 2 CPU cores"]
    lines += [f"  with --{name.replace('_', '-')} {value}" for name, value in config.options().items() if name != "out"]
    printer.result("\n".join(lines), values)


def estimate_seconds(width: int, height: int, frames: int) -> float:
    """A rough guess for 2 CPU cores, from `examples/bench_render.py`: start-up and stages, and a cost per megapixel."""
    megapixels = width * height / 1e6
    return 3.0 + 0.5 * megapixels + 0.07 * megapixels * frames


def describe(summary: Summary) -> str:
    """The summary for people, a few short lines."""
    width, height = summary.size
    loop = summary.loop
    texture = " ".join(f"{value:.2f}" for value in loop.texture)
    lines = [
        *(f"{o.path}  {_size(o.bytes)}{f', by {o.encoder}' if o.encoder else ''}" for o in summary.outputs),
        f"{width}x{height}, {summary.frames} frames, {summary.seconds:g} s at {summary.fps:g} frames/s, "
        f"made in {summary.took:.1f} s ({summary.frames / summary.took:.0f} frames/s)",
        f"seam {loop.seam:.2f} (1 is like any other step), texture {texture} of the photo's, "
        f"static pixels off by at most {loop.static_error or 0}",
        ", ".join(f"{stage}: {provenance}" for stage, provenance in summary.stages.items())
        + (f" (mask confidence {summary.confidence:.0%})" if summary.stages["mask"] == "predicted" else ""),
    ]
    return "\n".join(lines)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def sidecar_path(output: Path) -> Path:
    """loop.mp4 → loop.json; frames/%04d.png, %04d.png → frames.json; loops/lake_%04d.png → loops/lake.json."""
    if output.suffix.lower() != ".png":
        return output.with_suffix(".json")
    folder, name = output.parent, output.name.partition("%")[0].rstrip("_-. ")
    if name:
        return folder / f"{name}.json"
    return folder / "frames.json" if folder.name in ("", "..") else folder.with_name(folder.name + ".json")


def _require_sidecar(path: Path) -> None:
    """Settings of an earlier loop of that name may be replaced; anything else there is somebody's file."""
    try:
        read_sidecar(path)
    except InputError as error:
        raise OutputError(f"{path}: exists and is not ours; use --no-sidecar, --overwrite or another --out") from error


def write_sidecar(path: Path, photo: Path, config: Config) -> None:
    """Save what `--from` needs, atomically; no name of a folder outside the sidecar's own gets into it."""
    from cinegan_cli import __version__

    options = {name: value for name, value in config.options().items() if name not in NOT_TAKEN}
    for name in options.keys() & {*PATH_OPTIONS, *MAYBE_PATHS}:
        if name in PATH_OPTIONS or os.path.isfile(options[name]):
            options[name] = named_from(path.parent, Path(options[name]))
    outputs = (name_inside(path.parent, out) for out in config.video.out)
    values = {
        "cinegan": __version__,
        "photo": named_from(path.parent, photo),
        "outputs": [name for name in outputs if name is not None],  # by which the run of a folder knows them
        "options": options,
    }
    with written(path, "use --no-sidecar to do without these settings") as part:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def named_from(folder: Path, path: Path) -> str:
    """How a file in `folder` names another: relative where that lies there or below, else by its bare name.

    A relative name that leads out of the folder would tell where both lie, and there is none to another drive.
    """
    return name_inside(folder, path) or path.name


def name_inside(folder: Path, path: Path) -> str | None:
    """The name of a file relative to `folder`, with slashes; None for one that lies elsewhere."""
    for absolute in (os.path.abspath, os.path.realpath):
        inner, outer = Path(absolute(path)), Path(absolute(folder))
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    return None


def read_sidecar(path: Path) -> tuple[str, dict[str, Any]]:
    """The photo's name and the options of a settings file. Raises `InputError` when it is not one."""
    try:
        values = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot read the settings: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a settings file of cinegan: no JSON; --from takes the .json beside a loop"
        ) from error
    kinds = {"cinegan": str, "photo": str, "options": dict}
    if not isinstance(values, dict) or not all(isinstance(values.get(key), kind) for key, kind in kinds.items()):
        raise InputError(f"{path}: not a settings file of cinegan; --from takes the .json beside a loop")
    return values["photo"], {name: value for name, value in values["options"].items() if name not in NOT_TAKEN}


def _names_file(name: str, value: object) -> bool:
    """Whether a saved option is a file. Of `MAYBE_PATHS` what has an ending or a folder is; words of ours have none."""
    if not isinstance(value, str):
        return False
    return name in PATH_OPTIONS or (name in MAYBE_PATHS and (Path(value).suffix != "" or Path(value).name != value))


def _found(name: str, folders: Iterable[Path], settings_file: Path, advice: str) -> Path:
    """A file that the settings name, in the first of `folders` that has it. Raises `InputError`."""
    found = (folder / name for folder in folders)
    place = next((path for path in found if os.path.exists(path) and not os.path.isdir(path)), None)
    if place is None:
        raise InputError(f"{settings_file}: {name}: no such file beside the settings or here; {advice}")
    return place


def with_outputs(config: Config, outputs: tuple[Path, ...]) -> Config:
    """The same run, written elsewhere."""
    return replace(config, video=replace(config.video, out=outputs))

"""What jobs do: the true render of a small loop, an export, and what an export would take."""

from __future__ import annotations

import re
import shlex
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from cinegan_cli.config import Config, InversionConfig, WeatherConfig
from cinegan_cli.editor.picture import Picture
from cinegan_cli.editor.project import EXPORTS, SYSTEM, Project
from cinegan_cli.errors import UsageError
from cinegan_cli.files import temporary_folder
from cinegan_cli.pipeline import animate, render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import parse_bytes, size_limit, write_loop

FORMATS = ("mp4", "webm", "mov", "gif", "webp", "apng", "png")
EXPORT_OPTIONS = ("preset", "quality", "max_side", "fps", "seconds", "codec", "max_bytes", "repeat", "aspect", "fit")
PREVIEWS, PREVIEW_SIDE, PREVIEW_RATE = ".preview", 480, 15.0
FRAMES_FOLDER, FRAME = "frames", "%04d.png"
SAMPLE, SHORT = 12, 4  # frames rendered for an estimate, and those whose size tells what the first frame takes
FILE_GROWTH = 0.85  # power of the number of pixels with which files grow
FRAME_GROWTH = 1.4  # a megapixel: how much longer than a small frame one takes, measured up to 2.3 megapixels
READING = 0.5  # seconds a megapixel: reading the photo, and the stages that work on all of it


@dataclass(frozen=True)
class Estimate:
    """What an export would take: seconds of this machine, bytes of the file; the size and number of its frames.

    None for seconds where only trying would tell.
    """

    seconds: float | None
    bytes: int
    width: int
    height: int
    frames: int


def asked(values: object) -> tuple[str, dict[str, Any]]:
    """The format and the options of an export. Raises UsageError for what no export knows."""
    if not isinstance(values, dict):
        raise UsageError('an export: must be an object such as {"format": "mp4"}')
    options = {name: value for name, value in values.items() if value is not None and name != "format"}
    if unknown := sorted(map(str, options.keys() - set(EXPORT_OPTIONS))):
        raise UsageError(f"an export: {unknown[0]!r} is not known; known are format, {', '.join(EXPORT_OPTIONS)}")
    ending = values.get("format") or ("gif" if options.get("preset") == "gif" else "mp4")
    if ending not in FORMATS:
        raise UsageError(f"format {ending!r:.40}: must be one of {', '.join(FORMATS)}")
    return ending, options


def export_config(project: Project, ending: str, options: Mapping[str, Any], place: Path) -> Config:
    """What `cinegan animate PROJECT --out PLACE` with the same options would run. Raises UsageError."""
    out = place / FRAME if ending == "png" else place.with_name(f"{place.name}.{ending}")
    return _held(project.config({"out": (out,), **options}))


def placed(config: Config, place: Path) -> Config:
    """The same run, written to `place` with the ending that it had."""
    (out,) = config.video.out
    here = place / FRAME if out.name == FRAME else place.with_name(place.name + out.suffix)
    return replace(config, video=replace(config.video, out=(here,)))


def export(project: Project, config: Config, session: Session) -> Path:
    """Render to `config.video.out`; what can be downloaded: the file, or a zip of the frames."""
    animate(project.photo_path, config, session)
    (out,) = config.video.out
    if out.name != FRAME:
        return out
    frames = out.parent.with_name(out.parent.name + ".zip")
    with zipfile.ZipFile(frames, "w") as bundle:
        for path in sorted(out.parent.iterdir()):
            bundle.write(path, path.name)
    return frames


def export_place(project: Project) -> Path:
    """A name below the project's exports that nothing has yet, without its ending."""
    folder = project.folder / EXPORTS
    folder.mkdir(exist_ok=True)
    stem = re.sub(r"[^\w-]+", "-", project.title).strip("-")[:60] or "loop"
    taken = {path.name.partition(".")[0] for path in folder.iterdir()}
    return folder / next(name for k in range(1, 10**6) if (name := f"{stem}-{k}") not in taken)


def command_of(project: Project, ending: str, asked: Mapping[str, Any]) -> str:
    """The command line that renders the project as it is now, as an export with these options does."""
    out = "frames/%04d.png" if ending == "png" else f"loop.{ending}"
    options = project.config({"out": (Path(out),), **asked}).options()
    del options["out"]
    command = "style" if "target" in options else "animate"  # the one that knows looks
    words = ["cinegan", command, str(project.photo_path)]
    for name, value in {"backbone": SYSTEM, **options, **asked}.items():  # `asked` may be a default that a preset hides
        option = "--" + name.replace("_", "-")
        repeated = value if isinstance(value, list) else [value]
        for one in repeated:
            words += [option] if one is True else [option, _typed(one)]
    return shlex.join([*words, "--out", out])


def _typed(value: Any) -> str:
    """A value as it is typed."""
    return ",".join(f"{number:g}" for number in value) if isinstance(value, list) else str(value)


def preview_config(project: Project) -> Config:
    """A small loop of the project."""
    whole = project.config()
    small = {"max_side": min(PREVIEW_SIDE, whole.photo.max_side), "fps": min(PREVIEW_RATE, whole.render.fps)}
    out = project.folder / PREVIEWS / f"{project.version}.mp4"
    return _held(project.config({**small, "codec": "h264", "out": (out,), "overwrite": True}))


def preview(project: Project, picture: Picture, config: Config, session: Session) -> Path:
    """The loop as it would be exported, but small; the seer does not look again."""
    scene = prepare(project.photo_path, config, session, sight=_sight(picture, config))
    write_loop(
        _counted(render(scene, config, session), config.render.frames, session),
        size=scene.photo.size,
        fps=config.render.fps,
        count=config.render.frames,
        config=config.video,
    )
    (made,) = config.video.out
    for older in made.parent.iterdir():
        if older != made:
            older.unlink()
    return made


def estimate(project: Project, picture: Picture, config: Config, session: Session) -> Estimate:
    """From a dozen frames of the loop, small, rendered and encoded here and now; of photo's bands in any case."""
    quick = config.inversion.backbone == SYSTEM
    if not quick:  # fitting a generator to the photo takes minutes
        config = replace(config, inversion=InversionConfig(backbone=SYSTEM), weather=WeatherConfig())
    whole = read_photo(project.photo_path, config.photo, limit=size_limit(config)).size
    small = replace(config, photo=replace(config.photo, max_side=min(PREVIEW_SIDE, max(whole))))
    sight = _sight(picture, small)
    began = time.perf_counter()
    scene = prepare(project.photo_path, small, session, sight=sight)
    prepared = time.perf_counter()
    frames = list(islice(render(scene, small, session), SAMPLE))
    a_frame = (time.perf_counter() - prepared) / len(frames)
    (short, soon), (long, later) = (_encoded(frames[:count], small) for count in (SHORT, len(frames)))
    more = max(1, len(frames) - SHORT)
    megapixels, shown = (width * height / 1e6 for width, height in (whole, scene.photo.size))
    ratio, count = megapixels / shown, config.render.frames
    a_frame = max(a_frame * (1 + FRAME_GROWTH * (megapixels - shown)), max(0.0, later - soon) / more * ratio)
    each = max(0.0, (long - short) / more)
    size = round(ratio**FILE_GROWTH * (max(0.0, short - SHORT * each) + each * count) * config.video.repeat)
    limit = parse_bytes(config.video.max_bytes)
    seconds = prepared - began + READING * megapixels + a_frame * count
    return Estimate(round(seconds, 1) if quick else None, size if limit is None else min(size, limit), *whole, count)


def _held(config: Config) -> Config:
    """The same run, whose masks are as they are now, whatever is painted before it starts."""
    mask, freeze = (
        path.read_bytes() if isinstance(path, Path) else path for path in (config.mask.mask, config.mask.freeze)
    )
    return replace(config, mask=replace(config.mask, mask=mask, freeze=freeze))


def _encoded(frames: list[Any], config: Config) -> tuple[int, float]:
    """Bytes of a loop of these frames, and the seconds that its encoding took."""
    (out,) = config.video.out
    height, width = frames[0].shape[:2]
    with temporary_folder("cinegan-") as folder:
        place = folder / (FRAME if out.name == FRAME else f"sample{out.suffix}")
        video = replace(config.video, out=(place,), max_bytes=None, repeat=1)
        began = time.perf_counter()
        written = write_loop(frames, size=(width, height), fps=config.render.fps, count=len(frames), config=video)
        return written[0].bytes, time.perf_counter() - began


def _counted(frames: Any, count: int, session: Session) -> Any:
    for done, frame in enumerate(frames):
        session.tell("rendering", done, count)
        yield frame
    session.tell("rendering", count, count)


def _sight(picture: Picture, config: Config) -> Any:
    """What the seer sees in the output: known where that is the whole photo."""
    return picture.sight() if config.photo.aspect is None else None

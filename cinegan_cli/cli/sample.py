"""`cinegan sample`: landscapes from nothing, still or moving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import RunConfig, SampleConfig, VideoConfig, section_from, settings
from cinegan_cli.errors import UsageError

if TYPE_CHECKING:
    from cinegan_cli.systems import Sampler

STILL = (".png", ".jpg", ".jpeg")


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A video (.mp4, .webm, .gif, .webp, .apng, or frames/%04d.png), or a picture (.png, .jpg).",
)
@config_options(SampleConfig, VideoConfig, RunConfig, without=("out", "preset", "precision", "strict"))
@output_options
def sample(out: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Make landscapes up: videos by a generator of DeepLandscape, pictures by any generator.

    The same seed gives the same landscape. Of several, numbers are added to the name of --out.
    """
    options = given(options)
    moving = not (out.suffix.lower() in STILL and "%" not in out.name)
    if not moving:
        _require_still(options)
    config = section_from(SampleConfig, options)
    run, video = section_from(RunConfig, options), section_from(VideoConfig, options)
    from cinegan_cli.session import Session
    from cinegan_cli.systems import Sampler

    outputs = {config.seed + i: _numbered(out, i, config.count) for i in range(config.count)}
    printer = Printer(quiet, as_json)
    with printer.progress() as progress:
        session = Session(run, progress=progress)
        _check(outputs, config, video, moving)
        sampler = Sampler(config, session, moving=moving)
        for seed, path in outputs.items():
            _write(sampler, seed, path, video, moving)
    for notice in sampler.notices:
        printer.notice(notice)
    files = [{"out": str(path), "seed": seed} for seed, path in outputs.items()]
    lines = "\n".join(f"{path}  (seed {seed})" for seed, path in outputs.items())
    printer.result(lines, {"models": sampler.name, "size": list(sampler.size), "samples": files})


def _require_still(options: dict[str, Any]) -> None:
    """Refuse what only videos read."""
    only = [f.name for f, _ in settings(SampleConfig) if f.metadata.get("moving")]
    only += [f.name for f, _ in settings(VideoConfig) if f.name not in ("out", "overwrite", "quality")]
    for name in only:
        if name in options:
            raise UsageError(
                f"--{name.replace('_', '-')}: nothing in a picture reads it; name a video with --out, or leave it out"
            )


def _numbered(out: Path, index: int, count: int) -> Path:
    """The output of number `index`; of a pattern the folder has the number."""
    if count == 1:
        return out
    number = f"_{index + 1:0{len(str(count))}d}"
    if "%" in out.name:
        return out.parent.with_name(out.parent.name + number) / out.name
    return out.with_name(out.stem + number + out.suffix)


def _check(outputs: dict[int, Path], config: SampleConfig, video: VideoConfig, moving: bool) -> None:
    from cinegan_cli.stages.video import check_outputs, require_free

    if moving:
        for path in outputs.values():
            check_outputs(replace(video, out=(path,)), fps=config.fps)
    else:
        inputs = [Path(config.models)] if config.models else []
        require_free(tuple(outputs.values()), video.overwrite, inputs=inputs)


def _write(sampler: Sampler, seed: int, path: Path, video: VideoConfig, moving: bool) -> None:
    from cinegan_cli.stages.video import write_loop, write_pictures

    if not moving:
        write_pictures({path: sampler.still(seed)}, video.quality)
        return
    config = sampler.config
    write_loop(
        sampler.video(seed), size=sampler.size, fps=config.fps, count=config.frames, config=replace(video, out=(path,))
    )

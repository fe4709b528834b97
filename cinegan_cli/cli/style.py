"""`cinegan style`: another look for a photo, still or as a loop."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, preview_option
from cinegan_cli.cli.runs import animate_one, resolve, with_outputs
from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError

STILLS = (".png", ".jpg", ".jpeg")
ALL_SECTIONS = tuple(type(section.default) for section in fields(Config))


@click.command()
@click.argument("photo", type=click.Path(path_type=Path), required=False)
@config_options(*ALL_SECTIONS)
@click.option("--list", "listing", is_flag=True, help="Print the named looks and colours, and stop.")
@click.option("--sidecar/--no-sidecar", default=True, help="Save the settings beside the output, for --from.")
@preview_option
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@output_options
def style(
    photo: Path | None,
    listing: bool,
    sidecar: bool,
    preview: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Give PHOTO another look: sunset, night, a colour, or the look of another photo.

    A .png or .jpg output is a still picture, any other a loop in that look; with --cycle the loop goes from the photo
    to the look and back. With a generator installed (see `cinegan models`) the look comes from its codes, else it is
    transferred without weights; the summary says which.
    """
    printer = Printer(quiet, as_json)
    if listing:
        print_looks(printer)
        return
    typed = given(options)
    if photo is None or "target" not in typed:
        raise UsageError("name a photo and a look, such as `cinegan style photo.png --target sunset`")
    name = "".join(c if c.isalnum() else "-" for c in Path(typed["target"]).stem).strip("-")
    typed.setdefault("out", (Path(f"{photo.stem}_{name}" + (".gif" if typed.get("preset") == "gif" else ".mp4")),))
    photo, config = resolve(photo, typed, None, preview=preview)
    stills = tuple(path for path in config.video.out if path.suffix.lower() in STILLS and "%" not in path.name)
    loops = tuple(path for path in config.video.out if path not in stills)
    if config.style.cycle and not loops:
        raise UsageError("--cycle: needs a loop; name a .mp4 (or .webm, .gif, ...) with --out")
    if stills and loops:
        printer = replace(printer, collected=[])
    if stills:
        write_stills(photo, with_outputs(config, stills), printer, dry_run=dry_run)
    if loops:
        animate_one(photo, with_outputs(config, loops), printer, sidecar=sidecar, dry_run=dry_run)
    if stills and loops:
        printer.finish()


def print_looks(printer: Printer) -> None:
    """The names that --target takes."""
    from cinegan_cli.stages.look import COLOURS, LOOKS

    width = max(map(len, (*LOOKS, *COLOURS)))
    lines = [f"{name:{width}}  {look.about}" for name, look in LOOKS.items()]
    lines += [f"{name:{width}}  {colour}" for name, colour in COLOURS.items()]
    values = {"looks": {name: look.about for name, look in LOOKS.items()}, "colours": dict(COLOURS)}
    printer.result("\n".join(lines), values)


def write_stills(photo: Path, config: Config, printer: Printer, *, dry_run: bool) -> None:
    """The photo in the look, as pictures."""
    from cinegan_cli.scene import input_files, prepare_look
    from cinegan_cli.session import Session
    from cinegan_cli.stages.video import require_free, write_pictures
    from cinegan_cli.systems import choose_system

    paths = config.video.out
    require_free(paths, config.video.overwrite, inputs=input_files(photo, config))
    if dry_run:
        printer.result("\n".join(f"would write {path}" for path in paths), {"outputs": [str(p) for p in paths]})
        return
    with printer.progress() as progress:
        session = Session(config.run, progress=progress)
        styled = prepare_look(photo, config, session)
        system = choose_system(config, session).name
    write_pictures(dict.fromkeys(paths, styled.photo.pixels_u8.numpy()), quality=config.video.quality)
    for notice in styled.notices:
        printer.notice(notice)
    source = "transferred without weights" if system == "pyramid" else system
    values = {"outputs": [str(path) for path in paths], "target": config.style.target, "style": source}
    printer.result("\n".join((*map(str, paths), f"{config.style.target}: {source}")), values)

"""`cinegan style`: another look for photos, still or as loops."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.claims import claimed
from cinegan_cli.cli.batch import is_batch, loop_ending, require_folder, run_many
from cinegan_cli.cli.options import Printer, config_options, given, output_options, preview_option
from cinegan_cli.cli.pipes import leaves_sidecar, name_of_piped, through_stdout
from cinegan_cli.cli.runs import animate_one, resolve, with_outputs
from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError

if TYPE_CHECKING:
    from cinegan_cli.session import Session

STILLS = (".png", ".jpg", ".jpeg")
ALL_SECTIONS = tuple(type(section.default) for section in fields(Config))


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, type=click.Path(path_type=Path))
@config_options(*ALL_SECTIONS)
@click.option("--list", "listing", is_flag=True, help="Print the named looks and colours, and stop.")
@click.option("--sidecar/--no-sidecar", default=True, help="Save the settings beside the output, for --from.")
@preview_option
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@output_options
def style(
    photos: tuple[Path, ...],
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
    to the look and back. For several photos, or a folder, --out is a folder of loops, or a pattern such as looks/*.jpg.
    With a generator installed (see `cinegan models`) the look comes from its codes, else it is transferred without
    weights; the summary says which.
    """
    printer = Printer(quiet, as_json)
    if listing:
        print_looks(printer)
        return
    config = _settings(photos, given(options), preview=preview)
    if config.style.cycle and all(map(is_still, config.video.out)):
        raise UsageError("--cycle: needs a loop; name a .mp4 (or .webm, .gif, ...) with --out")
    work = partial(_style_one, sidecar=sidecar, dry_run=dry_run)
    if is_batch(photos):
        run_many(photos, config, printer, work, ending=loop_ending(config), dry_run=dry_run)
    else:
        work = partial(work, sidecar=sidecar and leaves_sidecar(photos[0], config))
        with through_stdout(config, printer) as (config, printer):
            work(photos[0], config, printer)


def _settings(photos: tuple[Path, ...], typed: dict[str, Any], *, preview: bool) -> Config:
    """The configuration; without --out one photo becomes PHOTO_LOOK.mp4 in the current folder."""
    if not photos or "target" not in typed:
        raise UsageError("name a photo and a look, such as `cinegan style photo.png --target sunset`")
    require_folder(photos, typed.get("out"))
    name_of_piped(photos[0], typed)
    name = "".join(c if c.isalnum() else "-" for c in Path(typed["target"]).stem).strip("-")
    typed.setdefault("out", (Path(f"{photos[0].stem}_{name}" + (".gif" if typed.get("preset") == "gif" else ".mp4")),))
    return resolve(photos[0], typed, None, preview=preview)[1]


def is_still(path: Path) -> bool:
    """Whether an output is one picture; frames/%04d.png are the frames of a loop."""
    return path.suffix.lower() in STILLS and not re.search(r"%\d*d", path.name)


def _style_one(
    photo: Path, config: Config, printer: Printer, session: Session | None = None, *, sidecar: bool, dry_run: bool
) -> None:
    """Stills, a loop, or both, of one photo."""
    stills = tuple(filter(is_still, config.video.out))
    loops = tuple(path for path in config.video.out if path not in stills)
    both = bool(stills and loops and printer.collected is None)
    shown = replace(printer, collected=[]) if both else printer
    if stills:
        write_stills(photo, with_outputs(config, stills), shown, session, dry_run=dry_run)
    if loops:
        with claimed(() if dry_run or printer.collected is not None else loops):  # a batch has claimed its outputs
            animate_one(photo, with_outputs(config, loops), shown, sidecar=sidecar, dry_run=dry_run, session=session)
    if both:
        shown.finish()


def print_looks(printer: Printer) -> None:
    """The names that --target takes."""
    from cinegan_cli.stages.look import COLOURS, LOOKS

    width = max(map(len, (*LOOKS, *COLOURS)))
    lines = [f"{name:{width}}  {look.about}" for name, look in LOOKS.items()]
    lines += [f"{name:{width}}  {colour}" for name, colour in COLOURS.items()]
    values = {"looks": {name: look.about for name, look in LOOKS.items()}, "colours": dict(COLOURS)}
    printer.result("\n".join(lines), values)


def write_stills(
    photo: Path, config: Config, printer: Printer, session: Session | None = None, *, dry_run: bool
) -> None:
    """The photo in the look, as pictures."""
    from cinegan_cli.plan import input_files
    from cinegan_cli.scene import prepare_look
    from cinegan_cli.session import Session as open_session
    from cinegan_cli.stages.video import require_free, write_pictures
    from cinegan_cli.systems import choose_system

    paths = config.video.out
    require_free(paths, config.video.overwrite, inputs=input_files(photo, config))
    if dry_run:
        printer.result("\n".join(f"would write {path}" for path in paths), {"outputs": [str(p) for p in paths]})
        return
    session = session or open_session(config.run)
    with printer.progress() as progress, session.telling(progress):
        styled = prepare_look(photo, config, session)
        system = choose_system(config, session).name
    write_pictures(dict.fromkeys(paths, styled.photo.pixels_u8.numpy()), quality=config.video.quality)
    for notice in styled.notices:
        printer.notice(notice)
    source = "transferred without weights" if system == "pyramid" else system
    values = {"outputs": [str(path) for path in paths], "target": config.style.target, "style": source}
    printer.result("\n".join((*map(str, paths), f"{config.style.target}: {source}")), values)

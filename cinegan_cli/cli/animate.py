"""`cinegan animate`: a photo, several, or a folder of photos, becomes loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.claims import claimed
from cinegan_cli.cli.batch import animate_many, is_batch, require_folder
from cinegan_cli.cli.cluster import animate_elsewhere, is_elsewhere
from cinegan_cli.cli.options import Printer, config_options, given, output_options, preview_option
from cinegan_cli.cli.pipes import leaves_sidecar, name_of_piped, through_stdout
from cinegan_cli.cli.projects import animate_project, is_project
from cinegan_cli.cli.runs import animate_one, resolve
from cinegan_cli.config import (
    InversionConfig,
    MaskConfig,
    MotionConfig,
    PhotoConfig,
    RenderConfig,
    RunConfig,
    VideoConfig,
    WeatherConfig,
)
from cinegan_cli.errors import UsageError

SECTIONS = (PhotoConfig, InversionConfig, MaskConfig, MotionConfig, WeatherConfig, RenderConfig, VideoConfig, RunConfig)


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, type=click.Path(path_type=Path))
@config_options(*SECTIONS)
@click.option(
    "--from",
    "settings_file",
    type=click.Path(path_type=Path),
    help="Settings saved beside an earlier loop; options win.",
)
@click.option("--sidecar/--no-sidecar", default=True, help="Save the settings beside the output, for --from.")
@click.option("--cluster", metavar="local|auto|ray://HOST:PORT", help="Hand the photos out to the workers of Ray.")
@preview_option
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@output_options
def animate(
    photos: tuple[Path, ...],
    settings_file: Path | None,
    sidecar: bool,
    cluster: str | None,
    preview: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn PHOTO into a seamless loop; several of them, or every photo of a folder, into a folder of loops.

    What moves and where it moves is found in the picture, or given with --mask, --arrow, --motion, ...
    For many photos, --out is a folder too, or a pattern such as loops/*.webm; finished loops are skipped, and
    NAME_mask.png, NAME_freeze.png and NAME_motion.npy beside a photo go with it. `-` is a photo from stdin, `--out -` a
    loop to stdout. A project of `cinegan edit` (a folder or a .cinegan file) is rendered as its editor exports it.
    Photos and outputs may be URLs, such as s3://bucket/photos; with --cluster many machines share the work.
    """
    typed = given(options)
    printer = Printer(quiet, as_json)
    elsewhere = is_elsewhere(cluster, photos, typed.get("out"))
    if is_project(photos):
        if elsewhere:
            raise UsageError(f"{photos[0]}: a project is one loop, made here; leave out --cluster, and name a file")
        animate_project(photos[0], typed, settings_file, printer, preview=preview, dry_run=dry_run)
        return
    if elsewhere:
        animate_elsewhere(
            photos, typed, settings_file, printer, cluster=cluster, preview=preview, sidecar=sidecar, dry_run=dry_run
        )
        return
    require_folder(photos, typed.get("out"))
    name_of_piped(photos[0] if photos else None, typed)
    photo, config = resolve(photos[0] if photos else None, typed, settings_file, preview=preview)
    if is_batch(photos):
        animate_many(photos, config, printer, sidecar=sidecar, dry_run=dry_run)
        return
    sidecar = sidecar and leaves_sidecar(photo, config)
    with through_stdout(config, printer) as (config, printer), claimed(() if dry_run else config.video.out):
        animate_one(photo, config, printer, sidecar=sidecar, dry_run=dry_run)

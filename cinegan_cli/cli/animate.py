"""`cinegan animate`: a photo, or a folder of photos, becomes loops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, preview_option
from cinegan_cli.cli.runs import animate_one, resolve
from cinegan_cli.config import (
    InversionConfig,
    MaskConfig,
    MotionConfig,
    PhotoConfig,
    RenderConfig,
    RunConfig,
    VideoConfig,
)

SECTIONS = (PhotoConfig, InversionConfig, MaskConfig, MotionConfig, RenderConfig, VideoConfig, RunConfig)


@click.command()
@click.argument("photo", type=click.Path(path_type=Path), required=False)
@config_options(*SECTIONS)
@click.option(
    "--from",
    "settings_file",
    type=click.Path(path_type=Path),
    help="Settings saved beside an earlier loop; options win.",
)
@click.option("--sidecar/--no-sidecar", default=True, help="Save the settings beside the output, for --from.")
@preview_option
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
@output_options
def animate(
    photo: Path | None,
    settings_file: Path | None,
    sidecar: bool,
    preview: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn PHOTO into a seamless loop, or every photo of a folder into a folder of loops.

    What moves and where it moves is found in the picture, or given with --mask, --arrow, --motion, ...
    For a folder, --out is a folder too, or a pattern such as loops/*.webm; finished loops are skipped.
    """
    photo, config = resolve(photo, given(options), settings_file, preview=preview)
    printer = Printer(quiet, as_json)
    if os.path.isdir(photo):  # False also for a name that the system cannot take
        from cinegan_cli.cli.batch import animate_folder

        animate_folder(photo, config, printer, sidecar=sidecar, dry_run=dry_run)
    else:
        animate_one(photo, config, printer, sidecar=sidecar, dry_run=dry_run)

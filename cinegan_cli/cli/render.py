"""`cinegan render`: a loop from stage files alone, nothing predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import PhotoConfig, RenderConfig, RunConfig, VideoConfig


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--mask", type=click.Path(path_type=Path), required=True, help="What moves, as `cinegan mask` writes it.")
@click.option(
    "--motion", type=click.Path(path_type=Path), required=True, help="Where it moves, as `cinegan motion` writes it."
)
@click.option("--speed", type=float, default=None, help="Factor on the speed.")
@config_options(PhotoConfig, RenderConfig, VideoConfig, RunConfig)
@output_options
def render(photo: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Render PHOTO with a mask and a motion file: the last stages of `animate` alone."""
    from cinegan_cli.cli.runs import animate_one, resolve

    photo, config = resolve(photo, {"backbone": "pyramid", **given(options)}, None)
    animate_one(photo, config, Printer(quiet, as_json), sidecar=False, dry_run=False)

"""`cinegan mask`: what moves, as a picture to look at or to correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, MaskConfig, PhotoConfig, RunConfig


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The mask: a .png, white moves.")
@click.option(
    "--overlay", type=click.Path(path_type=Path), help="The photo tinted: a .png.  [default: beside the mask]"
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, MaskConfig, InversionConfig, RunConfig, rendering=False)
@output_options
def mask(
    photo: Path, out: Path, overlay: Path | None, overwrite: bool, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Write what would move in PHOTO, and the photo tinted to look at it (sky blue, water green)."""
    overlay = overlay or out.with_name(out.stem + "_overlay.png")
    for path in (out, overlay):
        require_suffix(path, (".png",), "--out" if path is out else "--overlay")
    config = Config.from_options(**given(options))
    from cinegan_cli.scene import input_files, prepare_mask
    from cinegan_cli.stages.mask import mask_to_u8
    from cinegan_cli.stages.mask import overlay as tinted
    from cinegan_cli.stages.video import require_free, write_pictures

    require_free((out, overlay), overwrite, inputs=input_files(photo, config))
    picture, found = prepare_mask(photo, config)
    write_pictures({out: mask_to_u8(found).numpy(), overlay: tinted(picture, found).numpy()})
    printer = Printer(quiet, as_json)
    for notice in (*picture.notices, *found.notices):
        printer.notice(notice)
    moving = float(found.alpha.mean())
    values = {"mask": str(out), "overlay": str(overlay), "moving": moving, "confidence": found.confidence}
    found_how = f"mask: {found.provenance}, confidence {found.confidence:.0%}"
    lines = f"{out}\n{overlay}\n{moving:.0%} of the picture moves ({found_how})"
    printer.result(lines, {**values, "provenance": found.provenance, "notices": found.notices})

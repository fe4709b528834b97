"""`cinegan mask`: what moves, as a picture to look at or to correct."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.cli.batch import is_batch, require_folder, require_one, run_many
from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, MaskConfig, PhotoConfig, RunConfig

if TYPE_CHECKING:
    from cinegan_cli.session import Session


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The mask: a .png, white moves; or a folder."
)
@click.option(
    "--overlay", type=click.Path(path_type=Path), help="The photo tinted: a .png.  [default: beside the mask]"
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, MaskConfig, InversionConfig, RunConfig, rendering=False)
@output_options
def mask(
    photos: tuple[Path, ...],
    out: Path,
    overlay: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write what would move in PHOTO, and the photo tinted to look at it (sky blue, water green).

    For several photos, or a folder, --out is a folder of NAME_mask.png (which `animate` takes up beside the photo), or
    a pattern such as masks/*.png; masks that are there are kept.
    """
    many = is_batch(photos)
    require_folder(photos, (out,))
    require_one(photos, "--overlay", overlay)
    if not many or "*" in str(out):
        require_suffix(out, (".png",), "--out")
    require_suffix(overlay or _overlay_of(out), (".png",), "--overlay")
    outputs = (out,) if many else (out, overlay or _overlay_of(out))
    config = Config.from_options(**given(options), out=outputs, overwrite=overwrite)
    from cinegan_cli.session import Session

    printer = Printer(quiet, as_json)
    if many:
        run_many(photos, config, printer, _write, ending="_mask.png", also=_overlay_of, without=("mask",))
    else:
        _write(photos[0], config, printer, Session(config.run))


def _overlay_of(out: Path) -> Path:
    return out.with_name(out.stem + "_overlay.png")


def _write(photo: Path, config: Config, printer: Printer, session: Session) -> None:
    from cinegan_cli.plan import input_files
    from cinegan_cli.scene import prepare_mask
    from cinegan_cli.stages.mask import mask_to_u8
    from cinegan_cli.stages.mask import overlay as tinted
    from cinegan_cli.stages.video import require_free, write_pictures

    out, overlay = config.video.out
    require_free((out, overlay), config.video.overwrite, inputs=input_files(photo, config))
    picture, found = prepare_mask(photo, config, session)
    write_pictures({out: mask_to_u8(found).numpy(), overlay: tinted(picture, found).numpy()})
    for notice in (*picture.notices, *found.notices):
        printer.notice(notice)
    moving = float(found.alpha.mean())
    values = {"mask": str(out), "overlay": str(overlay), "moving": moving, "confidence": found.confidence}
    found_how = f"mask: {found.provenance}, confidence {found.confidence:.0%}"
    lines = f"{out}\n{overlay}\n{moving:.0%} of the picture moves ({found_how})"
    printer.result(lines, {**values, "provenance": found.provenance, "notices": found.notices})

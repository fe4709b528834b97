"""`cinegan invert`: a photo's latents, and what the generator makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, MaskConfig, PhotoConfig, RunConfig


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The latents: a .safetensors.")
@click.option(
    "--system",
    type=click.Choice(["stylecinegan", "deeplandscape"]),
    help="Whose generator: another name of --backbone.  [default: stylecinegan]",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="The photo beside what the generator makes of it: a .png.  [default: beside the latents]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, InversionConfig, MaskConfig, RunConfig, without=("latents", "strict"), rendering=False)
@output_options
def invert(
    photo: Path,
    out: Path,
    system: str | None,
    picture: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the latents with which a generator makes PHOTO.

    `cinegan animate --latents` takes them up again. Of a StyleGAN2 generator they are w+ and the layout feature D_k, of
    DeepLandscape's the styles, the noise maps and what fitting it to the photo changed: see --variant. The generator is
    the one installed, else the shipped one: see `cinegan models`. A mask is read where what moves is told apart.
    """
    picture = picture or out.with_name(out.stem + "_reconstruction.png")
    require_suffix(out, (".safetensors",), "--out")
    require_suffix(picture, (".png",), "--picture")
    named = {"backbone": "stylecinegan"} | given(options) | ({} if system is None else {"backbone": system})
    config = Config.from_options(**named)
    from cinegan_cli.plan import input_files
    from cinegan_cli.session import Session
    from cinegan_cli.stages.video import require_free, write_pictures
    from cinegan_cli.systems import invert_photo

    require_free((out, picture), overwrite, inputs=input_files(photo, config))
    printer = Printer(quiet, as_json)
    with printer.progress() as progress:
        inverted = invert_photo(photo, config, Session(config.run, progress=progress), say=printer.notice)
    inverted.write(out)
    write_pictures({picture: inverted.side_by_side()})
    for notice in inverted.notices:
        printer.notice(notice)
    values = {"latents": str(out), "picture": str(picture), **inverted.figures()}
    printer.result(f"{out}\n{picture}\n{inverted.sentence()}", values)

"""`cinegan invert`: a photo's latents, and what the generator makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, PhotoConfig, RunConfig


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The latents: a .safetensors.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="The photo beside what the generator makes of it: a .png.  [default: beside the latents]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, InversionConfig, RunConfig, without=("latents", "strict"), rendering=False)
@output_options
def invert(
    photo: Path, out: Path, picture: Path | None, overwrite: bool, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Find the latents (w+ and the layout feature D_k) with which a StyleGAN2 generator makes PHOTO.

    `cinegan animate --latents` takes them up again. The generator is the one installed, else the shipped one: see
    `cinegan models`.
    """
    picture = picture or out.with_name(out.stem + "_reconstruction.png")
    require_suffix(out, (".safetensors",), "--out")
    require_suffix(picture, (".png",), "--picture")
    config = Config.from_options(**{"backbone": "stylecinegan", **given(options)})
    from cinegan_cli.scene import input_files
    from cinegan_cli.session import Session
    from cinegan_cli.stages.video import require_free, write_pictures
    from cinegan_cli.systems.stylecinegan import invert_photo, write_latents

    require_free((out, picture), overwrite, inputs=input_files(photo, config))
    printer = Printer(quiet, as_json)
    with printer.progress() as progress:
        inverted = invert_photo(photo, config, Session(config.run, progress=progress))
    write_latents(out, inverted.inversion.latents, inverted.inversion.models.name)
    write_pictures({picture: inverted.side_by_side()})
    for notice in inverted.photo.notices:
        printer.notice(notice)
    values = {"latents": str(out), "picture": str(picture), "psnr": inverted.psnr, "ms_ssim": inverted.ms_ssim}
    lines = (
        f"{out}\n{picture}\nreconstruction without residual: PSNR {inverted.psnr:.1f} dB, "
        f"MS-SSIM {inverted.ms_ssim:.4f} ({inverted.inversion.models.name})"
    )
    printer.result(lines, values)

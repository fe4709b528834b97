"""`cinegan motion`: where things move, as a field to use elsewhere and a picture to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, MaskConfig, MotionConfig, PhotoConfig, RunConfig
from cinegan_cli.errors import OutputError


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The field: .npy or .flo, px per frame at 30 fps."
)
@click.option("--picture", type=click.Path(path_type=Path), help="The field in colours: a .png.  [default: beside it]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, InversionConfig, MaskConfig, MotionConfig, RunConfig, rendering=False)
@output_options
def motion(
    photo: Path, out: Path, picture: Path | None, overwrite: bool, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Write how PHOTO would move: a motion field, and a picture of it (hue is direction, saturation speed)."""
    picture = picture or out.with_name(out.stem + "_colours.png")  # never the name of the photo
    require_suffix(out, (".npy", ".flo"), "--out")
    require_suffix(picture, (".png",), "--picture")
    config = Config.from_options(**given(options))
    from cinegan_cli.scene import input_files, prepare
    from cinegan_cli.stages.motion import colour_wheel, write_motion
    from cinegan_cli.stages.video import require_free, write_pictures

    require_free((out, picture), overwrite, inputs=input_files(photo, config))
    scene = prepare(photo, config)
    write_pictures({picture: colour_wheel(scene.motion).numpy()})
    try:
        write_motion(out, scene.motion)
    except OutputError:
        picture.unlink(missing_ok=True)
        raise
    printer = Printer(quiet, as_json)
    for notice in scene.notices:
        printer.notice(notice)
    h, w = scene.motion.velocity.shape[1:]
    fastest = float(scene.motion.velocity.norm(dim=0).max()) * scene.photo.size[0] / w
    values = {"motion": str(out), "picture": str(picture), "grid": [w, h], "fastest": fastest}
    lines = f"{out}\n{picture}\n{w}x{h} grid, up to {fastest:.0f} photo px/s (motion: {scene.motion.provenance})"
    printer.result(lines, {**values, "provenance": scene.motion.provenance, "notices": scene.notices})

"""`cinegan motion`: where things move, as a field to use elsewhere and a picture to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.cli.batch import is_batch, require_folder, require_one, run_many
from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import Config, InversionConfig, MaskConfig, MotionConfig, PhotoConfig, RunConfig
from cinegan_cli.errors import OutputError

if TYPE_CHECKING:
    from cinegan_cli.session import Session


@click.command()
@click.argument("photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The field: .npy or .flo, px per frame at 30 fps; or a folder.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Arrows over the photo: a .png.  [default: beside it]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@config_options(PhotoConfig, InversionConfig, MaskConfig, MotionConfig, RunConfig, rendering=False)
@output_options
def motion(
    photos: tuple[Path, ...],
    out: Path,
    picture: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write how PHOTO would move: a motion field, and arrows over the photo in colours of kinds.

    For several photos, or a folder, --out is a folder of NAME_motion.npy (which `animate` takes up beside the photo),
    or a pattern such as fields/*.flo; fields that are there are kept.
    """
    many = is_batch(photos)
    require_folder(photos, (out,))
    require_one(photos, "--picture", picture)
    if not many or "*" in str(out):
        require_suffix(out, (".npy", ".flo"), "--out")
    require_suffix(picture or _picture_of(out), (".png",), "--picture")
    outputs = (out,) if many else (out, picture or _picture_of(out))
    config = Config.from_options(**given(options), out=outputs, overwrite=overwrite)
    from cinegan_cli.session import Session

    printer = Printer(quiet, as_json)
    if many:
        run_many(photos, config, printer, _write, ending="_motion.npy", also=_picture_of, without=("motion",))
    else:
        _write(photos[0], config, printer, Session(config.run))


def _picture_of(out: Path) -> Path:
    return out.with_name(out.stem + "_colours.png")  # never the name of the photo


def _write(photo: Path, config: Config, printer: Printer, session: Session) -> None:
    from cinegan_cli.plan import input_files
    from cinegan_cli.scene import prepare
    from cinegan_cli.stages.motion import arrows_over_photo, write_motion
    from cinegan_cli.stages.video import require_free, write_pictures

    out, picture = config.video.out
    require_free((out, picture), config.video.overwrite, inputs=input_files(photo, config))
    scene = prepare(photo, config, session)
    write_pictures({picture: arrows_over_photo(scene.photo, scene.mask, scene.motion).numpy()})
    try:
        write_motion(out, scene.motion)
    except OutputError:
        picture.unlink(missing_ok=True)
        raise
    for notice in scene.notices:
        printer.notice(notice)
    h, w = scene.motion.velocity.shape[1:]
    fastest = float(scene.motion.velocity.norm(dim=0).max()) * scene.photo.size[0] / w
    values = {"motion": str(out), "picture": str(picture), "grid": [w, h], "fastest": fastest}
    lines = f"{out}\n{picture}\n{w}x{h} grid, up to {fastest:.0f} photo px/s (motion: {scene.motion.provenance})"
    printer.result(lines, {**values, "provenance": scene.motion.provenance, "notices": scene.notices})

"""`cinegan data`: make data sets for `cinegan train` from clips, from photos, or from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import section_from
from cinegan_cli.training.settings import PhotosConfig, SyntheticConfig, VideosConfig

if TYPE_CHECKING:
    from cinegan_cli.training.data import Collected

OUT = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the data set; a stopped run goes on."
)


@click.group(no_args_is_help=False)
def data() -> None:
    """Make data sets for `cinegan train`."""


@data.command("from-videos")
@click.argument("clips", type=click.Path(path_type=Path), nargs=-1, required=True)
@OUT
@config_options(VideosConfig)
@output_options
def from_videos(clips: tuple[Path, ...], out: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Photos with masks and mean motion, from CLIPS: videos, folders of frames, or folders of those.

    A clip is used when its camera holds still and something moves one way; rejected.csv says why others were not. Each
    sample is NAME/photo.png, mask.png and motion.npy ([2, h, w] px per frame at 30 fps).
    """
    from cinegan_cli.training.data import from_videos as make

    printer = Printer(quiet, as_json)
    config = section_from(VideosConfig, given(options))
    with printer.progress() as progress:
        made = make(clips, out, config, progress=progress)
    _tell(printer, out, made, "samples added, {} kept, {} rejected")


@data.command("from-photos")
@click.argument("photos", type=click.Path(path_type=Path), nargs=-1, required=True)
@OUT
@config_options(PhotosConfig)
@output_options
def from_photos(photos: tuple[Path, ...], out: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """PHOTOS (or folders of them) at one size, each only once, for the generator and the mask.

    Masks painted in any editor are taken along: NAME_mask.png beside NAME.jpg, 0 static, 1 sky, 2 water, or white where
    something moves.
    """
    from cinegan_cli.training.data import from_photos as make

    printer = Printer(quiet, as_json)
    config = section_from(PhotosConfig, given(options))
    with printer.progress() as progress:
        made = make(photos, out, config, progress=progress)
    _tell(printer, out, made, "photos added, {} kept, {} left out")


@data.command()
@OUT
@config_options(SyntheticConfig)
@output_options
def synthetic(out: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Painted scenes with clouds, lakes, rivers and falls, whose masks and motion are known exactly."""
    from cinegan_cli.training.data import make_synthetic

    printer = Printer(quiet, as_json)
    config = section_from(SyntheticConfig, given(options))
    with printer.progress() as progress:
        added = make_synthetic(out, config, progress=progress)
    printer.result(f"{out}: {len(added)} scenes added", {"added": added})


def _tell(printer: Printer, out: Path, made: Collected, counts: str) -> None:
    """What was added, kept and rejected, and why; `counts` are the words between the numbers."""
    for name, reason in made.rejected:
        printer.notice(f"left out: {name}: {reason}")
    if made.unstated:
        unstated = f"no licence is stated for {made.unstated} samples"
        printer.notice(f"{unstated}; give --licence, or a manifest.csv beside them.")
    summary = f"{out}: {len(made.added)} " + counts.format(len(made.kept), len(made.rejected))
    printer.result(summary, {"added": made.added, "kept": made.kept, "rejected": dict(made.rejected)})

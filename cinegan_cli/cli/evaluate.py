"""`cinegan evaluate`: how good the loops, masks, motion and inversions are, as tables."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options, require_suffix
from cinegan_cli.config import (
    InversionConfig,
    MaskConfig,
    MotionConfig,
    RenderConfig,
    RunConfig,
    section_from,
)
from cinegan_cli.errors import UsageError
from cinegan_cli.evaluate.settings import ARROWS, EvaluateConfig

if TYPE_CHECKING:
    from cinegan_cli.evaluate.tables import Results
    from cinegan_cli.types import Progress

SEARCH = {"variant", "steps", "perceptual"}
RENDERED = {
    "seconds",
    "motion_network",
    "mask_network",
    *SEARCH,
}  # by name those settings of rendering that only some tables read
OWN = {*(f.name for f in fields(EvaluateConfig)), *RENDERED}
LANDSCAPE = {"fvd", "repo_compatible", "winds", "samples", "truncation"}
WRITTEN = {"csv", "plot", "overwrite"}
JUDGED = {"lpips", "repo_compatible", "count", *WRITTEN}
CLIPS = OWN - {"split", "count", "out", "rows"} - LANDSCAPE
PHOTOS = {"split", "count", *WRITTEN}
READ = {  # table → those of OWN that it reads
    "clips": CLIPS,
    "ablation": CLIPS,
    "inversion": PHOTOS | {"max_side", "lpips", "fid"},
    "mask_iou": PHOTOS | {"masks", "mask_network"},
    "motion_error": {"motion_network", *WRITTEN},
    "arrows": PHOTOS | {"max_side", "mask_network", "motion_network"},
    "look": PHOTOS | {"max_side", "seconds", "mask_network", "motion_network", "out", "rows"} | SEARCH,
    "dl-generation": JUDGED | {"fid", "split", "samples", "truncation"},
    "dl-inversion": JUDGED | SEARCH | {"split", "max_side", "mask_network"},
    "dl-animation": JUDGED
    | SEARCH
    | {"max_side", "fps", "compare", "fid", "fvd", "winds", "mask_network", "motion_network"},
}
TABLES = ("ablation", "inversion", "mask_iou", "motion_error", "look")  # by name of their flags
BY_NAME = ("dl-generation", "dl-inversion", "dl-animation")  # those of --table
SIZED = ("inversion", "arrows", "look", "dl-inversion")  # photos are read at --max-side


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--ablation", is_flag=True, help="The variants of the paper's Table 4 on clips, instead of baselines.")
@click.option(
    "--inversion", is_flag=True, help="Table 5 on photos, with a generator: w+ alone against w+ and layout feature D_k."
)
@click.option("--mask-iou", is_flag=True, help="Found masks of photos against painted ones (--masks).")
@click.option("--motion-error", is_flag=True, help="Found motion against known one, or against arrows.")
@click.option("--look", is_flag=True, help="Contact sheets of photos, masks, motion and loops, to look at.")
@click.option(
    "--table",
    type=click.Choice(BY_NAME),
    help="DeepLandscape's: samples against photos, ways to invert photos, or animations against real clips.",
)
@config_options(EvaluateConfig)
@config_options(RenderConfig, without=tuple(f.name for f in fields(RenderConfig) if f.name != "seconds"))
@config_options(InversionConfig, without=("latents",), rendering=False)
@config_options(MaskConfig, without=tuple(f.name for f in fields(MaskConfig) if f.name != "mask_network"))
@config_options(MotionConfig, without=tuple(f.name for f in fields(MotionConfig) if f.name != "motion_network"))
@config_options(RunConfig, without=("strict",))
@output_options
def evaluate(
    paths: tuple[Path, ...],
    table: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure on PATHS; what they are depends on the table.

    Without another table, PATHS are real clips (videos, folders of frames, or folders of those): the first frame of
    each becomes a loop, by the baselines and by the default, and is compared with the frames that really followed.

    --inversion, --mask-iou and --look take photos, folders of photos, or a data folder with manifest.csv.
    --motion-error takes folders that hold photo.png, mask.png and motion.npy, or folders of those; or data folders
    whose photos have arrows in arrows.json. --table dl-animation takes clips, the other two photos.
    """
    flags = {name: options.pop(name) for name in TABLES}
    table = one_of(flags if table is None else {**flags, table: True}, paths)
    typed = given(options)
    require_read(typed, table)
    rendering = {name: value for name, value in typed.items() if name not in OWN or name in RENDERED}
    config = section_from(EvaluateConfig, {name: typed[name] for name in OWN & typed.keys() - RENDERED})
    from cinegan_cli.evaluate.tables import write_csv

    require_outputs(config, paths)
    if table in SIZED and "max_side" in typed:
        rendering["max_side"] = config.max_side
    printer = Printer(quiet, as_json)
    with printer.progress() as progress:
        results = measure(table, paths, rendering, config, progress)
    if config.csv is not None:
        write_csv(config.csv, results.each)
    if config.plot is not None:
        from cinegan_cli.charts import save_figure
        from cinegan_cli.evaluate.tables_chart import tables_chart

        save_figure(tables_chart(results), config.plot)
    printer.result(results.as_text(), results.as_dict())


def require_outputs(config: EvaluateConfig, paths: tuple[Path, ...]) -> None:
    """Refuse, before any work, what cannot be written. Raises UsageError and OutputError."""
    from cinegan_cli.charts import require_plot
    from cinegan_cli.stages.video import require_free

    if config.csv is not None:
        require_suffix(config.csv, (".csv",), "--csv")
    if config.plot is not None:
        require_plot(config.plot)
    outputs = [path for path in (config.csv, config.plot) if path is not None]
    if outputs:
        require_free(outputs, config.overwrite, inputs=paths)


def one_of(tables: dict[str, bool], paths: tuple[Path, ...]) -> str:
    """The table that was asked for, "clips" by default; "arrows" is --motion-error on a folder that has arrows.

    Raises UsageError when there are several.
    """
    names = [name for name, wanted in tables.items() if wanted]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(map(_option, names))}: each is a table of its own; give one of them")
    if names == ["motion_error"] and any((path / ARROWS).is_file() for path in paths):
        return "arrows"
    return names[0] if names else "clips"


def require_read(typed: dict[str, Any], table: str) -> None:
    """Raise UsageError for an option that the table does not heed."""
    for name in ("motion", "mask"):
        if table in ("clips", "ablation") and f"{name}_network" in typed and not typed.get("predicted"):
            raise UsageError(f"--{name}-network: the clips' own {name} is used; say --predicted as well")
    unread = sorted((typed.keys() & OWN) - READ[table])
    if unread:
        readers = dict.fromkeys(_option(name) for name, reads in READ.items() if unread[0] in reads)
        against = f"needs {' or '.join(readers)}" if table == "clips" else f"does not go with {_option(table)}"
        raise UsageError(f"{_option(unread[0])}: {against}; see cinegan evaluate --help")
    if table == "look" and "out" not in typed:
        raise UsageError("--look: nowhere to write the sheets; name a folder with --out")


def measure(
    table: str, paths: tuple[Path, ...], options: dict[str, Any], config: EvaluateConfig, progress: Progress
) -> Results:
    """Run one table; `options` are those of `Config.from_options`."""
    if table == "inversion":
        from cinegan_cli.evaluate.inversion import run_inversion

        return run_inversion(paths, options, config, progress=progress)
    if table == "mask_iou":
        from cinegan_cli.evaluate.masks import run_masks

        return run_masks(paths, options, config, progress=progress)
    if table == "arrows":
        from cinegan_cli.evaluate.arrows import run_arrows

        return run_arrows(paths, options, config, progress=progress)
    if table == "look":
        from cinegan_cli.evaluate.look import run_looks

        return run_looks(paths, options, config, progress=progress)
    if table == "motion_error":
        from cinegan_cli.evaluate.motions import run_motions

        return run_motions(paths, options, progress=progress)
    if table in BY_NAME:
        return measure_landscape(table, paths, options, config, progress)
    from cinegan_cli.evaluate.clips import run_clips

    return run_clips(paths, options, config, ablation=table == "ablation", progress=progress)


def measure_landscape(
    table: str, paths: tuple[Path, ...], options: dict[str, Any], config: EvaluateConfig, progress: Progress
) -> Results:
    """Run one of DeepLandscape's tables."""
    if table == "dl-generation":
        from cinegan_cli.evaluate.deeplandscape_generation import run_landscape_generation

        return run_landscape_generation(paths, options, config, progress=progress)
    if table == "dl-inversion":
        from cinegan_cli.evaluate.deeplandscape_inversion import run_landscape_inversion

        return run_landscape_inversion(paths, options, config, progress=progress)
    from cinegan_cli.evaluate.deeplandscape_animation import run_landscape_animation

    return run_landscape_animation(paths, options, config, progress=progress)


def _option(name: str) -> str:
    """The option of a setting, or of a table: both tables of motion have one."""
    if name in BY_NAME:
        return f"--table {name}"
    return "--motion-error" if name == "arrows" else "--" + name.replace("_", "-")

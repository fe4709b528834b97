"""`cinegan check`: is a file a clean loop, whoever made it?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from cinegan_cli.cli.options import Printer, output_options
from cinegan_cli.errors import ExitStatus, UsageError
from cinegan_cli.photos import is_animated, is_photo_name, list_folder

VIDEOS = (".mp4", ".webm", ".apng", ".mov", ".mkv", ".m4v")


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--photo", type=click.Path(path_type=Path), help="The photo that static pixels must equal; with --mask.")
@click.option("--mask", type=click.Path(path_type=Path), help="What may move (white); with --photo.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw steps, seam and texture of one loop: a .png."
)
@click.option("--overwrite", is_flag=True, help="Replace a chart that exists.")
@output_options
def check(
    files: tuple[Path, ...],
    photo: Path | None,
    mask: Path | None,
    plot: Path | None,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Check FILE (mp4, webm, gif, webp, apng, or a folder of PNG frames): seam, stall, jump, static pixels, playback.

    A folder of loops stands for all that are in it. Exit status 0 when every finding passes, 7 when one fails.
    """
    if (photo is None) != (mask is None):
        raise UsageError("--photo and --mask go together: what the mask leaves black must be the photo's")
    from cinegan_cli.batch import Job, Plan, run_batch

    printer = Printer(quiet, as_json)
    loops = list(find_loops(files))
    if plot is not None:
        require_one_chart(plot, loops, overwrite, inputs=(*loops, photo, mask))
    if loops == list(files) and len(loops) == 1:
        return ExitStatus.OK if _check(loops[0], photo, mask, printer, plot) else ExitStatus.CHECK
    collecting = replace(printer, collected=[])
    passed: list[bool] = []
    plan = Plan(tuple(Job(loop, (), {}) for loop in loops), what="files")
    try:
        run_batch(
            plan, lambda job: passed.append(_check(job.photo, photo, mask, collecting, plot)), notice=printer.notice
        )
    finally:
        collecting.finish()
    return ExitStatus.OK if all(passed) else ExitStatus.CHECK


def require_one_chart(plot: Path, loops: Sequence[Path], overwrite: bool, *, inputs: Sequence[Path | None]) -> None:
    """Refuse a chart of several loops, and one that cannot be written. Raises UsageError and OutputError."""
    from cinegan_cli.charts import require_plot
    from cinegan_cli.stages.video import require_free

    require_plot(plot)
    if len(loops) > 1:
        raise UsageError(f"--plot {plot}: a chart is of one loop, and these are {len(loops)}; check one at a time")
    require_free((plot,), overwrite, inputs=inputs)


def find_loops(paths: Sequence[Path]) -> Iterator[Path]:
    """The paths, where a folder without pictures of its own stands for the loops in it, or for its folders of frames.

    A folder in which nothing is found stands for itself.
    """
    for path in paths:
        files = list_folder(path).files if os.path.isdir(path) else ()
        frames = {file.parent for file in files if is_photo_name(file) and not is_animated(file)}
        loops = [file for file in files if file.suffix.lower() in VIDEOS or is_animated(file)]
        yield from [path] if path in frames else loops or sorted(frames) or [path]


def _check(file: Path, photo: Path | None, mask: Path | None, printer: Printer, plot: Path | None = None) -> bool:
    from cinegan_cli.evaluate.check import check_loop

    report = check_loop(file, photo=photo, mask=mask)
    if plot is not None:
        from cinegan_cli.charts import save_figure
        from cinegan_cli.evaluate.loop_chart import loop_chart

        save_figure(loop_chart(report), plot)
    lines = [f"{'ok  ' if f.passed else 'FAIL'}  {f.name}: {f.sentence}" for f in report.findings]
    if printer.collected is not None:
        lines.insert(0, f"{file}:")
    values = {"file": str(file), "passed": report.passed, "findings": [asdict(f) for f in report.findings]}
    printer.result("\n".join(lines), values)
    return report.passed

"""`cinegan check`: is a file a clean loop, whoever made it?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cinegan_cli.cli.options import Printer, output_options
from cinegan_cli.errors import ExitStatus, UsageError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--photo", type=click.Path(path_type=Path), help="The photo that static pixels must equal; with --mask.")
@click.option("--mask", type=click.Path(path_type=Path), help="What may move (white); with --photo.")
@output_options
def check(file: Path, photo: Path | None, mask: Path | None, quiet: bool, as_json: bool) -> int:
    """Check FILE (mp4, webm, gif, webp, apng, or a folder of PNG frames): seam, stall, jump, static pixels, playback.

    Exit status 0 when every finding passes, 7 when one fails.
    """
    if (photo is None) != (mask is None):
        raise UsageError("--photo and --mask go together: what the mask leaves black must be the photo's")
    from cinegan_cli.evaluate.check import check_loop

    report = check_loop(file, photo=photo, mask=mask)
    lines = [f"{'ok  ' if f.passed else 'FAIL'}  {f.name}: {f.sentence}" for f in report.findings]
    values = {"file": str(file), "passed": report.passed, "findings": [asdict(f) for f in report.findings]}
    Printer(quiet, as_json).result("\n".join(lines), values)
    return ExitStatus.OK if report.passed else ExitStatus.CHECK

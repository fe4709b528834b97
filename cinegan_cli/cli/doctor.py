"""`cinegan doctor`: what is installed, what runs, and a self-check."""

from __future__ import annotations

import click

from cinegan_cli.cli.options import Printer, output_options
from cinegan_cli.errors import ExitStatus


@click.command()
@output_options
def doctor(quiet: bool, as_json: bool) -> int:
    """Say what is installed, which backends run, and whether a tiny loop comes out right.

    Exit status 0 when `animate` works here, 7 when something it needs is missing; the line says how to mend it.
    """
    from cinegan_cli.doctor import diagnose

    findings = diagnose()
    lines = [f"{_MARKS[f.state]}  {f.name}: {f.detail}" for f in findings]
    values = {f.name: {"state": f.state, "detail": f.detail, **f.values} for f in findings}
    Printer(quiet, as_json).result("\n".join(lines), values)
    return ExitStatus.CHECK if any(f.state == "broken" for f in findings) else ExitStatus.OK


_MARKS = {"ok": "ok    ", "missing": "--    ", "broken": "BROKEN"}

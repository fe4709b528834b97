"""Projects of the editor, rendered by the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cinegan_cli.claims import claimed
from cinegan_cli.cli.options import Printer
from cinegan_cli.cli.pipes import through_stdout
from cinegan_cli.cli.runs import animate_one
from cinegan_cli.errors import UsageError


def is_project(paths: Sequence[Path]) -> bool:
    """Whether this is one project of the editor: a folder, or a .cinegan file."""
    if len(paths) != 1 or not (paths[0].suffix.lower() == ".cinegan" or (paths[0] / "project.json").is_file()):
        return False
    from cinegan_cli.editor import is_project as confirmed

    return confirmed(paths[0])


def animate_project(
    path: Path, typed: dict[str, Any], settings_file: Path | None, printer: Printer, *, preview: bool, dry_run: bool
) -> None:
    """Render a project as its editor's export does, options typed over its own. No settings are saved beside the loop.

    Raises UsageError beside --from, InputError for a damaged project.
    """
    from cinegan_cli.editor import project_at

    if settings_file is not None:
        raise UsageError(f"--from {settings_file}: {path} is a project and has settings of its own; leave out one")
    typed.setdefault("out", (Path(path.stem + (".gif" if typed.get("preset") == "gif" else ".mp4")),))
    with project_at(path) as project:
        config = project.config(typed, preview=preview)
        with through_stdout(config, printer) as (config, printer), claimed(() if dry_run else config.video.out):
            animate_one(project.photo_path, config, printer, sidecar=False, dry_run=dry_run)

"""The editor: projects, and the server of the page on which they are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cinegan_cli.editor.bundle import project_at
from cinegan_cli.editor.project import Project, is_project
from cinegan_cli.errors import UsageError

__all__ = ["Project", "is_project", "project_at", "serve"]

EXTRA = ("starlette", "anyio", "uvicorn")  # what `cinegan[edit]` brings


def serve(
    path: Path | None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    projects: Path | None = None,
    ready: Callable[[str], None],
) -> None:
    """`serving.serve`. Raises UsageError, saying what to install, where the extra is missing."""
    try:
        from cinegan_cli.editor import serving
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        raise UsageError(f'the editor needs {error.name}; run pip install "cinegan[edit]"') from error
    serving.serve(path, host=host, port=port, token=token, projects=projects, ready=ready)

"""Run the editor's server until it is stopped."""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import uvicorn

from cinegan_cli.config import RunConfig
from cinegan_cli.editor.app import Server, make_app
from cinegan_cli.editor.opening import default_projects
from cinegan_cli.errors import OutputError, UsageError

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
MOST_CONNECTIONS = 128
LEFTOVER = 86400.0  # seconds after which what a killed server was unpacking is removed


def serve(
    path: Path | None,
    *,
    host: str,
    port: int,
    token: str | None,
    projects: Path | None,
    ready: Callable[[str], None],
) -> None:
    """Open `path` (a photo, a project; None: what was changed last) and serve it; `ready` is told the address.

    Returns after Ctrl-C. Raises UsageError for a token that could be guessed, InputError for what cannot be opened,
    OutputError for an address that cannot be listened on.
    """
    if token is not None and not TOKEN.fullmatch(token):
        raise UsageError("--token: must be 16 to 128 letters, digits, - or _; leave it out for a random one")
    token = token or secrets.token_urlsafe(24)
    projects = (projects or default_projects()).absolute()
    server = Server(projects, RunConfig())
    _sweep(projects)
    server.desk.open_path(path)
    listening = _listen(host, port)
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
    config = uvicorn.Config(
        make_app(server, token, host),
        log_level="critical",
        access_log=False,
        lifespan="off",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    warming = Thread(target=server.desk.warm, name="cinegan warm", daemon=True)
    warming.start()
    with listening:
        ready(f"http://{shown}:{listening.getsockname()[1]}/{token}/")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            warming.join()
            server.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        what = f"--host {host} --port {port}"
        raise OutputError(f"{what}: cannot be listened on: {error}; choose another, or --port 0 for any") from error


def _sweep(projects: Path) -> None:
    """Remove what servers left behind that were killed while they opened something."""
    for path in (*projects.glob(".new-*"), *projects.glob(".upload-*.part")):
        try:
            old = time.time() - path.lstat().st_mtime > LEFTOVER
        except OSError:
            continue
        if old and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif old:
            path.unlink(missing_ok=True)

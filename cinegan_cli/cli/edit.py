"""`cinegan edit`: a page in the browser to paint on a photo, and to see it move."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click


@click.command()
@click.argument("path", metavar="[PHOTO|PROJECT]", required=False, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: any]")
@click.option("--host", default="127.0.0.1", help="Address to listen on; others than this machine can then come in.")
@click.option("--token", default=None, help="Secret part of the address, at least 16 letters.  [default: random]")
@click.option("--browser/--no-browser", default=True, help="Open the page, or only print its address.")
@click.option("--projects", type=click.Path(path_type=Path), default=None, help="Folder of the projects.")
def edit(path: Path | None, port: int, host: str, token: str | None, browser: bool, projects: Path | None) -> None:
    """Open the editor on PHOTO, on PROJECT (a folder or a .cinegan file), or on what was edited last.

    Paint what moves, draw arrows, choose a look, see it at once, export. All is saved as you go; Ctrl-C ends it. A
    folder with photo, mask and motion, and files of labelme, can be opened too.
    """
    from cinegan_cli.editor import serve

    def ready(address: str) -> None:
        click.echo(address)
        if browser:
            webbrowser.open(address)

    serve(path, host=host, port=port, token=token, projects=projects, ready=ready)

"""`cinegan completion`: tab completion for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL: eval "$(cinegan completion bash)"."""
    from cinegan_cli.cli.main import cinegan

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cinegan, {}, "cinegan", "_CINEGAN_COMPLETE").source())

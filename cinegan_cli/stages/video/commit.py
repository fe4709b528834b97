"""All outputs of a run take their places, or none does: what was there before is put back when one of them cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cinegan_cli.errors import OutputError
from cinegan_cli.interrupts import signals_held, surely

if TYPE_CHECKING:
    from cinegan_cli.stages.video.outputs import Output, Written


class Moves:
    """Renames that can be taken back: all of them are, in reverse, unless `keep` is called."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def replace(self, source: Path, target: Path, aside: Path) -> None:
        """Move `source` to `target`; what was there is then called `aside`, until the caller removes it."""
        if os.path.lexists(target):
            self._keep_old(target, aside)
        else:
            self._undo.callback(target.unlink, missing_ok=True)
        os.replace(source, target)

    def remove(self, target: Path, aside: Path) -> None:
        """Take `target` away; it is then called `aside`, until the caller removes it."""
        os.replace(target, aside)
        self._undo.callback(os.replace, aside, target)

    def keep(self) -> None:
        """Nothing is taken back any more."""
        self._undo.pop_all()

    def close(self) -> None:
        """Take back what was not kept."""
        self._undo.close()

    def _keep_old(self, target: Path, aside: Path) -> None:
        """A second name for the old file, so that its place is never empty; where there are no links, it moves."""
        aside.unlink(missing_ok=True)
        try:
            os.link(target, aside, follow_symlinks=False)
        except (OSError, NotImplementedError):
            os.replace(target, aside)
        self._undo.callback(os.replace, aside, target)


def commit_all(outputs: Sequence[Output]) -> tuple[Written, ...]:
    """Move every output to its place. Ctrl-C waits until that is done, and takes it back as an error does.

    Raises `OutputError` naming the output that could not be moved; then everything is as it was before.
    """
    with all_or_nothing() as moves:
        return tuple(_committed(output, moves) for output in outputs)


@contextmanager
def all_or_nothing() -> Iterator[Moves]:
    """What is moved inside is taken back when anything is raised there, or a signal came meanwhile."""
    moves = Moves()
    with surely(moves.close):
        with signals_held():
            yield moves
        moves.keep()


def _committed(output: Output, moves: Moves) -> Written:
    try:
        return output.commit(moves)
    except OSError as error:
        raise OutputError(
            f"{output.path}: cannot be put into its place: {error.strerror or error}; "
            "no output was changed; choose another place"
        ) from error

"""Where a training puts its result: looked at before hours of work, not after them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cinegan_cli.errors import OutputError, UsageError
from cinegan_cli.models import kind_of
from cinegan_cli.stages.video import LONGEST_NAME, keep_inputs
from cinegan_cli.training.data import MANIFEST

SUFFIX = ".safetensors"


def require_places(
    out: Path, work: Path, kind: str, *, inputs: Iterable[Path | None] = (), photos: Path | None = None
) -> None:
    """Refuse an `out` that could not be written at the end, or would replace something else than an earlier result.

    Weights of the same `kind` (`Bundle.kind`) may be replaced. Nothing is made here. Raises UsageError for a name
    without .safetensors, for one of `inputs`, and for a `work` inside a folder of `photos` that is searched, where its
    sample pictures would be learned from; OutputError for anything else that cannot be, also of `work`.
    """
    if out.suffix.lower() != SUFFIX:
        raise UsageError(f"--out {out}: must end in {SUFFIX}")
    if len(os.fsencode(out.name)) > LONGEST_NAME:
        raise OutputError(f"{out}: the name is too long; {LONGEST_NAME} letters are the most")
    keep_inputs((out,), inputs)
    if os.path.lexists(out) and kind_of(out) != kind:
        raise OutputError(f"{out}: exists and is no earlier result of this; choose another --out")
    if photos is not None and not (photos / MANIFEST).is_file() and work.resolve().is_relative_to(photos.resolve()):
        raise UsageError(f"--work {work}: lies in --data, whose pictures are all learned from; choose another --work")
    _require_writable(out.parent, "--out")
    _require_writable(work, "--work")


def _require_writable(folder: Path, option: str) -> None:
    """A file can be made in `folder`, or in the nearest one above it that exists."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place, prefix=".cinegan"):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written to: {place}: {error.strerror or error}; choose another {option}"
        ) from error

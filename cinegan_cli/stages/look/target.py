"""What a photo is to look like: a named look, a colour, or a reference photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinegan_cli.errors import UsageError
from cinegan_cli.stages.look.colour import parse_hex
from cinegan_cli.stages.look.looks import COLOURS, LOOKS


@dataclass(frozen=True)
class Target:
    """What a photo is to look like: exactly one of a look's name, a colour (sRGB in [0, 1]) and a reference photo."""

    name: str
    colour: tuple[float, float, float] | None = None
    reference: Path | None = None


def parse_target(text: str | None) -> Target:
    """The target for a look's name, a wheel colour's name, #rrggbb, or the path of a photo.

    Raises UsageError for None, and, listing the names, for anything else.
    """
    if text is None:
        raise UsageError("--target: name a look (see `cinegan style --list`), a colour such as #ff8800, or a photo")
    name = text.strip().lower().replace("_", "-").replace(" ", "-")
    if name in LOOKS:
        return Target(name)
    colour = parse_hex(COLOURS.get(name, name))
    if colour is not None:
        return Target(name, colour=colour)
    if Path(text).is_file():
        return Target(text, reference=Path(text))
    raise UsageError(
        f"--target {text!r} is no look, no colour and no file; looks are {', '.join(LOOKS)}; colours are #rrggbb or "
        f"{', '.join(COLOURS)}"
    )

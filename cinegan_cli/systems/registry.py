"""Which system a run uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from cinegan_cli.config import Config, MaskConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.session import Session
from cinegan_cli.systems import deeplandscape, stylecinegan
from cinegan_cli.systems.base import Inverted, System
from cinegan_cli.systems.deeplandscape import open_deeplandscape
from cinegan_cli.systems.pyramid import Pyramid
from cinegan_cli.systems.stylecinegan import open_stylecinegan

# Each gives None where `--backbone auto` does not find what it needs; "auto" takes the first that is there.
SYSTEMS: Mapping[str, Callable[[Config, Session], System | None]] = MappingProxyType(
    {"stylecinegan": open_stylecinegan, "deeplandscape": open_deeplandscape, "pyramid": Pyramid.open}
)


def choose_system(config: Config, session: Session) -> System:
    """The system that `--backbone` names. Raises ModelMissingError when it lacks its models, InputError for bad ones.

    Raises UsageError for a setting that nothing in this run would read (`Config.require_read`).
    """
    wanted = config.inversion.backbone
    for name, open_system in SYSTEMS.items():
        if wanted in ("auto", name):
            system = open_system(config, session)
            if system is not None:
                config.require_read(system=name)
                return system
    raise UsageError(f"--backbone {wanted}: no such system; known are {', '.join(SYSTEMS)}")


def invert_photo(path: Path, config: Config, session: Session, *, say: Callable[[str], None]) -> Inverted:
    """The photo's latents under the generator of the system that `--backbone` names, else of StyleCineGAN.

    `say` is told the time that it will take, where that is long. Raises UsageError for a system without latents, and
    for a setting that nothing would read; and what the systems' own functions do.
    """
    if config.inversion.backbone == "deeplandscape":
        config.require_read(system="deeplandscape")
        return deeplandscape.invert_photo(path, config, session, say=say)
    if config.mask != MaskConfig():
        raise UsageError("a mask: nothing reads it without --system deeplandscape; add that, or leave the mask out")
    config.require_read(system="stylecinegan")
    return stylecinegan.invert_photo(path, config, session)

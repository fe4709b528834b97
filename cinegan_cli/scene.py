"""All that is known before the first frame: photo → analysis → mask → motion → look. No mathematics here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from cinegan_cli.config import Config
from cinegan_cli.errors import CheckError
from cinegan_cli.models import kind_of
from cinegan_cli.plan import name_of
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import SEER, make_mask, needs_prediction, sight_of
from cinegan_cli.stages.motion import make_motion, parse_cycles, with_cycles
from cinegan_cli.stages.photo import Framed, frame_photo, photo_of, read_photo
from cinegan_cli.stages.video import size_limit
from cinegan_cli.systems import System, choose_system, restyled
from cinegan_cli.types import Analysis, Mask, Motion, Photo, PhotoSource, Scene, Sight


def prepare(
    source: PhotoSource,
    config: Config,
    session: Session | None = None,
    *,
    framed: Framed | None = None,
    sight: Sight | None = None,
) -> Scene:
    """Read the photo, find what moves, where it moves and how it is to look.

    `framed` is the photo as the run reads it, where it has been read; `sight` is what the seer sees in it, where it has
    looked. Raises `CheckError` for doubts about the mask under `config.run.strict`.
    """
    session = session or Session(config.run)
    parse_cycles(config.motion.cycles)  # said before any work
    with session.at_work():
        system = choose_system(config, session)
        photo, analysis, mask = _with_mask(source, config, session, system, framed, sight)
        session.tell("finding how it moves")
        motion = find_motion(photo, mask, config, session, partial(system.motion_networks, session))
        scene = Scene(photo, mask, motion, analysis)
        if config.style.target is None:
            return scene
        session.tell("changing the look")
        looks = system.looks(photo, mask, analysis, config.style, session)
        return replace(scene, looks=looks) if config.style.cycle else restyled(scene, looks[-1])


def prepare_mask(source: PhotoSource, config: Config, session: Session | None = None) -> tuple[Photo, Mask]:
    """The first stages alone: the photo, and what moves in it. Raises `CheckError` as `prepare` does."""
    session = session or Session(config.run)
    with session.at_work():
        photo, _, mask = _with_mask(source, config, session, choose_system(config, session))
        return photo, mask


def prepare_look(source: PhotoSource, config: Config, session: Session | None = None) -> Scene:
    """The photo in the look of `config.style`; nothing moves yet. Sky is told from land by the system's own means."""
    session = session or Session(config.run)
    with session.at_work():
        system = choose_system(config, session)
        session.tell("reading the photo")
        photo = read_photo(source, config.photo)
        analysis = system.analyse(photo, config, session, vote=False)
        session.tell("changing the look")
        look = system.looks(photo, None, analysis, config.style, session)[-1]
        static = Mask(torch.zeros(photo.pixels.shape[1:]), "default")
        return restyled(Scene(photo, static, Motion(torch.zeros(2, 2, 2), "default"), analysis), look)


def find_motion(
    photo: Photo,
    mask: Mask,
    config: Config,
    session: Session,
    find_networks: Callable[[], Mapping[str, nn.Module]] = dict,
) -> Motion:
    """How it moves, and how often within the loop. Raises what `make_motion` and `with_cycles` do."""
    motion = make_motion(photo, mask, config.motion, session=session, find_networks=find_networks)
    return with_cycles(motion, mask, config)


def _with_mask(
    source: PhotoSource,
    config: Config,
    session: Session,
    system: System,
    framed: Framed | None = None,
    sight: Sight | None = None,
) -> tuple[Photo, Analysis, Mask]:
    session.tell("reading the photo")
    photo = photo_of(framed or frame_photo(source, config.photo, limit=size_limit(config)))
    vote = needs_prediction(config.mask) and config.mask.mask_network is None
    analysis = system.analyse(photo, config, session, vote=vote)
    session.tell("finding what moves")
    mask = make_mask(photo, config.mask, session=session, votes=analysis.votes, sight=sight)
    mask = with_sight(photo, mask, config, session, sight)
    if config.run.strict and mask.notices:
        raise CheckError(f"{name_of(source)}: {mask.notices[0]}")
    return photo, analysis, mask


def with_sight(photo: Photo, mask: Mask, config: Config, session: Session, known: Sight | None = None) -> Mask:
    """`mask` with what the seer of the motion sees: `known`, or the mask's own, unless `--motion-network` is another.

    Arrows say where things move, but not what they are. None where a motion is given, or a network that is no seer.
    """
    network = config.motion.motion_network
    if network is not None and kind_of(network) == SEER:
        return replace(mask, sight=sight_of(photo, replace(config.mask, mask_network=network), session))
    if config.motion.motion is not None or network is not None or mask.sight is not None:
        return mask
    return replace(mask, sight=known or sight_of(photo, config.mask, session))

"""Stage 4: where everything moves, and how fast, as a steady flow in px of a grid per second."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.config import MotionConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.models import kind_of
from cinegan_cli.nn.motion_net import MotionNet
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import SEER
from cinegan_cli.stages.motion.default import default_velocity
from cinegan_cli.stages.motion.extend import crop_like, extend, grid_size
from cinegan_cli.stages.motion.files import read_motion_filled
from cinegan_cli.stages.motion.hints import Stroke, arrows_velocity, mark_strokes, strokes_of
from cinegan_cli.stages.motion.kinds import AIR, GROUND_SIDE, Ground, filled, ground_of, reduced
from cinegan_cli.stages.motion.network import compact_velocity, read_motion_net
from cinegan_cli.stages.motion.pix2pixhd import predict_velocity
from cinegan_cli.types import Mask, Motion, MotionSource, Photo, Provenance

STEEPNESS = 6.0  # with which waves give way to a flow
DIRECTIONS = {"right": 0.0, "up": 90.0, "left": 180.0, "down": 270.0}


def make_motion(
    photo: Photo,
    mask: Mask,
    config: MotionConfig,
    *,
    session: Session,
    find_networks: Callable[[], Mapping[str, nn.Module]] = dict,
) -> Motion:
    """The steady flow of what the mask lets move, defined and smooth over the whole picture.

    From, in this order: `--motion` (a file), `--motion-network` (which heeds arrows), `--arrow` and `--hints`, the
    networks that `find_networks` gives ("sky", "water"), or the default made from kinds; `--direction` turns
    what was found without arrows. Then slowed where the mask is grey, extended beyond it
    (`docs/spec/stylecinegan.md`, section 3.6) and scaled by `--speed`. Raises UsageError for options that contradict
    each other or lie outside the picture, InputError for files that are not what they should be, ModelMissingError for
    a network that is not there.
    """
    _check_options(config)
    if config.motion_network is not None and kind_of(config.motion_network) == SEER:
        config = replace(config, motion_network=None)  # it has looked: `mask.sight` is what it saw
    ground = ground_of(photo, mask, config.kind, *grid_size(*photo.size, GROUND_SIDE))
    strokes = strokes_of(config, photo.source_size)
    drawn = any(stroke.velocity != (0.0, 0.0) for stroke in strokes)
    notices: tuple[str, ...] = ()
    provenance: Provenance = "given"
    if config.motion is not None:
        velocity, notices = _from_file(photo, config.motion)
    elif drawn and config.motion_network is not None:
        velocity, notices = _steered(photo, mask, ground, read_motion_net(config.motion_network, session), strokes)
    elif drawn:
        velocity, notices = arrows_velocity(strokes, photo, _moving(photo, mask))
    else:
        networks = {} if config.motion_network is not None else find_networks()
        provenance = "predicted" if networks or config.motion_network is not None else "default"
        velocity = _found(photo, mask, ground, config, networks, session)
        if config.direction is not None:
            velocity, provenance = _towards(velocity, config.direction), "given"
        velocity = _held(velocity, strokes, photo)
    velocity = extend(velocity, mask.alpha) * config.speed
    return _described(Motion(velocity.contiguous(), provenance, notices), ground, config.water)


def _described(motion: Motion, ground: Ground, water: str) -> Motion:
    """The motion with what is known of the ground, on the motion's own grid."""
    grid = (motion.velocity.shape[2], motion.velocity.shape[1])
    waves = ripple(ground, water, steered=motion.provenance == "given")
    return replace(
        motion,
        ripple=torch.from_numpy(reduced(waves, *grid)),
        nearness=torch.from_numpy(reduced(ground.nearness, *grid)),
        kinds=torch.from_numpy(cv2.resize(ground.labels, grid, interpolation=cv2.INTER_NEAREST)),
    )


def ripple(ground: Ground, water: str, *, steered: bool) -> NDArray[np.float32]:
    """The share of waves to and fro in the motion of each cell [h, w], for `--water`, also beside what moves.

    "auto" takes waves for lakes, reflections and the far sea, but not where the user said how things move (`steered`).
    """
    if water == "flow" or (water == "auto" and steered):
        return np.zeros_like(ground.inside)
    wet = ground.inside - ground.share(*AIR)
    if water == "auto":
        wet = ground.share("lake", "reflection") + ground.share("sea") * np.clip(1.0 - 2.0 * ground.nearness, 0, 1)
    # a place does one or the other: half of each would be a double image
    return np.asarray(np.clip((filled(wet[None], ground.inside)[0] - 0.5) * STEEPNESS + 0.5, 0, 1), np.float32)


def _found(
    photo: Photo,
    mask: Mask,
    ground: Ground,
    config: MotionConfig,
    networks: Mapping[str, nn.Module],
    session: Session,
) -> Tensor:
    """The flow of a picture nobody has said anything about: the networks', and the default where there is none."""
    width, height = grid_size(*photo.size)
    default = default_velocity(ground, width, height)
    if config.motion_network is not None:
        shares = _shares(photo, mask, ground)
        moving = shares[0] + shares[1]
        speed = float((np.hypot(*default.numpy()) * moving).sum() / max(float(moving.sum()), 1e-6))
        net = read_motion_net(config.motion_network, session)
        return compact_velocity(net, photo.pixels_u8.numpy(), shares, None, speed)
    if not networks:
        return default
    sky = torch.from_numpy(reduced(ground.share(*AIR), width, height))
    velocity, known = predict_velocity(photo.pixels, networks, {"sky": sky, "water": 1 - sky}, (height, width))
    return torch.where(known, velocity, default)


def _steered(
    photo: Photo, mask: Mask, ground: Ground, net: MotionNet, strokes: list[Stroke]
) -> tuple[Tensor, tuple[str, ...]]:
    """What the network makes of the arrows, at rest around still points; and notices."""
    arrows = [stroke for stroke in strokes if stroke.velocity != (0.0, 0.0)]
    marks = mark_strokes(arrows, photo, _moving(photo, mask))
    velocity = compact_velocity(net, photo.pixels_u8.numpy(), _shares(photo, mask, ground), marks, 0.0)
    return _held(velocity, [stroke for stroke in strokes if stroke not in arrows], photo), marks.notices


def _shares(photo: Photo, mask: Mask, ground: Ground) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much of each cell of the grid moves as sky or fog, and as water: [h, w] each."""
    moving = _moving(photo, mask)
    air = reduced(ground.share(*AIR), moving.shape[1], moving.shape[0])
    return moving * air, moving * (1 - air)


def _moving(photo: Photo, mask: Mask) -> NDArray[np.float32]:
    """The mask at the size of the grid, [h, w]."""
    return np.asarray(reduced(mask.alpha.numpy(), *grid_size(*photo.size)), np.float32)


def parse_direction(text: str) -> float:
    """Degrees, counter-clockwise from right, of `left`, `right`, `up`, `down` or `210deg`. Raises UsageError."""
    word = text.strip().lower()
    if word in DIRECTIONS:
        return DIRECTIONS[word]
    try:
        degrees = float(word.removesuffix("deg").removesuffix("°"))
    except ValueError:
        degrees = math.nan
    if not math.isfinite(degrees):
        raise UsageError(f"--direction {text}: use left, right, up, down, or an angle such as 210deg (0 right, 90 up)")
    return degrees % 360.0


def _towards(velocity: Tensor, direction: str) -> Tensor:
    """The speeds of `velocity` [2, h, w], all in one direction."""
    angle = math.radians(parse_direction(direction))
    unit = torch.tensor([math.cos(angle), -math.sin(angle)], dtype=torch.float32)
    speed: Tensor = velocity.square().sum(0, keepdim=True).sqrt()
    return speed * unit[:, None, None]


def _check_options(config: MotionConfig) -> None:
    """Raise UsageError for settings that exclude each other."""
    drawn = bool(config.arrow or config.hints)
    chosen = {"--motion": config.motion is not None, "--direction": config.direction is not None}
    chosen["--arrow/--hints"] = drawn
    names = [name for name, there in chosen.items() if there]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} both say where things move; give one of them")
    if config.motion is not None and config.motion_network is not None:
        raise UsageError("--motion and --motion-network both say where things move; give one of them")
    if config.motion is not None and config.anchor:
        raise UsageError("--anchor goes with arrows, a direction or the default motion; --motion already says it all")
    if config.direction is not None:
        parse_direction(config.direction)


def _held(velocity: Tensor, anchors: list[Stroke], photo: Photo) -> Tensor:
    """`velocity` [2, h, w] brought to rest at anchors, within about a tenth of the longer side."""
    height, width = velocity.shape[1:]
    left, top, window_width, window_height = photo.window
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    for anchor in anchors:
        dx = x - (anchor.start[0] + 0.5 - left) * width / window_width
        dy = y - (anchor.start[1] + 0.5 - top) * height / window_height
        square = dx * dx + dy * dy
        velocity = velocity * (square / (square + (0.05 * max(height, width)) ** 2))
    return velocity


def _from_file(photo: Photo, source: MotionSource) -> tuple[Tensor, tuple[str, ...]]:
    """The field of `--motion`, cut like the photo, and notices."""
    field, notices = read_motion_filled(source)
    height, width = field.shape[1:]
    source_width, source_height = photo.source_size
    stretch = width * source_height / (height * source_width)
    if width != height and abs(math.log(stretch)) > 0.02:
        name = f" of {source.name}" if isinstance(source, Path) else ""
        notices += (
            f"The motion{name} ({width}x{height}) has another shape than the photo "
            f"({source_width}x{source_height}); it is stretched over it.",
        )
    return crop_like(field, photo), notices

"""Stage 3: where it moves, and how fast."""

from cinegan_cli.stages.motion.cycles import parse_cycles, with_cycles
from cinegan_cli.stages.motion.files import SUFFIXES, read_motion, write_motion
from cinegan_cli.stages.motion.hints import Stroke, arrows_velocity, read_hints
from cinegan_cli.stages.motion.kinds import sky_cells
from cinegan_cli.stages.motion.make import make_motion, parse_direction
from cinegan_cli.stages.motion.network import ARROW_RADIUS, KIND, centred, mapped, scene_channels
from cinegan_cli.stages.motion.picture import KIND_COLOURS, arrows_over_photo, colour_wheel

__all__ = [
    "ARROW_RADIUS",
    "KIND",
    "KIND_COLOURS",
    "SUFFIXES",
    "Stroke",
    "arrows_over_photo",
    "arrows_velocity",
    "centred",
    "colour_wheel",
    "make_motion",
    "mapped",
    "parse_cycles",
    "parse_direction",
    "read_hints",
    "read_motion",
    "scene_channels",
    "sky_cells",
    "with_cycles",
    "write_motion",
]

"""Stage 7: another look for a picture, without weights."""

from cinegan_cli.stages.look.apply import restyle
from cinegan_cli.stages.look.cycle import Cycle, KeyLayers
from cinegan_cli.stages.look.looks import COLOURS, LOOKS
from cinegan_cli.stages.look.regions import find_regions
from cinegan_cli.stages.look.statistics import gradient_correlation
from cinegan_cli.stages.look.target import Target, parse_target

__all__ = [
    "COLOURS",
    "LOOKS",
    "Cycle",
    "KeyLayers",
    "Target",
    "find_regions",
    "gradient_correlation",
    "parse_target",
    "restyle",
]

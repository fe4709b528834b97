"""DeepLandscape (ECCV 2020): a generator whose noise moves paints a landscape in motion, in any light."""

from cinegan_cli.systems.deeplandscape.homography import homographies, homography_power
from cinegan_cli.systems.deeplandscape.lighting import (
    DAY,
    LIGHTS,
    Lighting,
    cycle_keys,
    day_keys,
    light_keys,
    light_path,
    relit,
    strength_for,
)
from cinegan_cli.systems.deeplandscape.movers import HomographyMover, loop_maps
from cinegan_cli.systems.deeplandscape.noise import find_horizon, move_noise, warp
from cinegan_cli.systems.deeplandscape.system import open_deeplandscape
from cinegan_cli.systems.deeplandscape.winds import CLOCK, SPEEDS, Speed, read_homography, wind

__all__ = [
    "CLOCK",
    "DAY",
    "LIGHTS",
    "SPEEDS",
    "HomographyMover",
    "Lighting",
    "Speed",
    "cycle_keys",
    "day_keys",
    "find_horizon",
    "homographies",
    "homography_power",
    "light_keys",
    "light_path",
    "loop_maps",
    "move_noise",
    "open_deeplandscape",
    "read_homography",
    "relit",
    "strength_for",
    "warp",
    "wind",
]

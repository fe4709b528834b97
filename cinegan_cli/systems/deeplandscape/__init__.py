"""DeepLandscape (ECCV 2020): a generator whose noise maps say what moves, and are moved."""

from cinegan_cli.nn.guided import guided_filter
from cinegan_cli.systems.deeplandscape.frames import at_generator_size, enlarged
from cinegan_cli.systems.deeplandscape.homography import homographies, homography_power
from cinegan_cli.systems.deeplandscape.invert import invert, latent_gradients, latent_penalty
from cinegan_cli.systems.deeplandscape.inverted import Inverted, invert_photo, invert_pixels
from cinegan_cli.systems.deeplandscape.latents import Latents, read_latents, write_latents
from cinegan_cli.systems.deeplandscape.lighting import (
    DAY,
    LIGHTS,
    Lighting,
    cycle_keys,
    day_keys,
    finest_levels,
    light_keys,
    light_path,
    relit,
    strength_for,
)
from cinegan_cli.systems.deeplandscape.movers import HomographyMover, loop_maps
from cinegan_cli.systems.deeplandscape.networks import Networks, open_networks
from cinegan_cli.systems.deeplandscape.noise import find_horizon, move_noise, warp
from cinegan_cli.systems.deeplandscape.samples import LandscapeSampler
from cinegan_cli.systems.deeplandscape.superres import Enlarger, super_resolved
from cinegan_cli.systems.deeplandscape.system import open_deeplandscape
from cinegan_cli.systems.deeplandscape.variants import VARIANTS, Variant, variant_named
from cinegan_cli.systems.deeplandscape.winds import CLOCK, SPEEDS, Speed, read_homography, wind

__all__ = [
    "CLOCK",
    "DAY",
    "LIGHTS",
    "SPEEDS",
    "VARIANTS",
    "Enlarger",
    "HomographyMover",
    "Inverted",
    "LandscapeSampler",
    "Latents",
    "Lighting",
    "Networks",
    "Speed",
    "Variant",
    "at_generator_size",
    "cycle_keys",
    "day_keys",
    "enlarged",
    "find_horizon",
    "finest_levels",
    "guided_filter",
    "homographies",
    "homography_power",
    "invert",
    "invert_photo",
    "invert_pixels",
    "latent_gradients",
    "latent_penalty",
    "light_keys",
    "light_path",
    "loop_maps",
    "move_noise",
    "open_deeplandscape",
    "open_networks",
    "read_homography",
    "read_latents",
    "relit",
    "strength_for",
    "super_resolved",
    "variant_named",
    "warp",
    "wind",
    "write_latents",
]

"""DeepLandscape (ECCV 2020): a generator whose noise maps say what moves, and are moved."""

from cinegan_cli.systems.deeplandscape.invert import invert, latent_gradients, latent_penalty
from cinegan_cli.systems.deeplandscape.inverted import Inverted, invert_pixels
from cinegan_cli.systems.deeplandscape.latents import Latents, read_latents, write_latents
from cinegan_cli.systems.deeplandscape.networks import Networks, mean_w
from cinegan_cli.systems.deeplandscape.system import open_deeplandscape
from cinegan_cli.systems.deeplandscape.variants import VARIANTS, Variant, variant_named

__all__ = [
    "VARIANTS",
    "Inverted",
    "Latents",
    "Networks",
    "Variant",
    "invert",
    "invert_pixels",
    "latent_gradients",
    "latent_penalty",
    "mean_w",
    "open_deeplandscape",
    "read_latents",
    "variant_named",
    "write_latents",
]

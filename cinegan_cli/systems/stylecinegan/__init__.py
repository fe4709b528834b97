"""StyleCineGAN (CVPR 2024): a StyleGAN2 generator's features carry what moves."""

from cinegan_cli.systems.stylecinegan.bands import generator_bands, zero_mean
from cinegan_cli.systems.stylecinegan.codes import styled_inversion, target_codes
from cinegan_cli.systems.stylecinegan.deep import deep_frames
from cinegan_cli.systems.stylecinegan.invert import (
    Inversion,
    analyse,
    as_picture,
    at_generator_size,
    choose_models,
    encoder_input,
    grid_of,
    invert,
    reconstruction,
)
from cinegan_cli.systems.stylecinegan.inverted import Inverted, invert_photo
from cinegan_cli.systems.stylecinegan.latents import D10_SIDE, write_latents
from cinegan_cli.systems.stylecinegan.system import open_stylecinegan
from cinegan_cli.systems.stylecinegan.votes import FIRST_INDEX

__all__ = [
    "D10_SIDE",
    "FIRST_INDEX",
    "Inversion",
    "Inverted",
    "analyse",
    "as_picture",
    "at_generator_size",
    "choose_models",
    "deep_frames",
    "encoder_input",
    "generator_bands",
    "grid_of",
    "invert",
    "invert_photo",
    "open_stylecinegan",
    "reconstruction",
    "styled_inversion",
    "target_codes",
    "write_latents",
    "zero_mean",
]

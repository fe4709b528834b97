"""Stage 2: what moves."""

from cinegan_cli.stages.mask.cleanup import clean, reassign_patches
from cinegan_cli.stages.mask.given import GivenMask, read_for_photo, read_given, read_mask
from cinegan_cli.stages.mask.make import make_mask, needs_prediction
from cinegan_cli.stages.mask.matting import refine
from cinegan_cli.stages.mask.network import WEIGHTS, predict, read_networks
from cinegan_cli.stages.mask.picture import mask_to_u8, overlay

__all__ = [
    "WEIGHTS",
    "GivenMask",
    "clean",
    "make_mask",
    "mask_to_u8",
    "needs_prediction",
    "overlay",
    "predict",
    "read_for_photo",
    "read_given",
    "read_mask",
    "read_networks",
    "reassign_patches",
    "refine",
]

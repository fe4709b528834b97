"""Stage 2: what moves."""

from cinegan_cli.stages.mask.cleanup import clean, reassign_patches
from cinegan_cli.stages.mask.given import GivenMask, read_for_photo, read_given, read_mask
from cinegan_cli.stages.mask.make import frozen, make_mask, needs_prediction, sight_of
from cinegan_cli.stages.mask.matting import refine
from cinegan_cli.stages.mask.picture import mask_to_u8, overlay
from cinegan_cli.stages.mask.sight import SEER, WEIGHTS, read_seers, see, three_ways

__all__ = [
    "SEER",
    "WEIGHTS",
    "GivenMask",
    "clean",
    "frozen",
    "make_mask",
    "mask_to_u8",
    "needs_prediction",
    "overlay",
    "read_for_photo",
    "read_given",
    "read_mask",
    "read_seers",
    "reassign_patches",
    "refine",
    "see",
    "sight_of",
    "three_ways",
]

"""Stage 6: bands and displacement become the warped picture."""

from cinegan_cli.stages.warp.frames import warped_frames, warps
from cinegan_cli.stages.warp.holes import HOLE
from cinegan_cli.stages.warp.parts import parts_of, upsampled
from cinegan_cli.stages.warp.splat import at_level, splat_band

__all__ = [
    "HOLE",
    "at_level",
    "parts_of",
    "splat_band",
    "upsampled",
    "warped_frames",
    "warps",
]

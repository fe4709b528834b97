"""Stage 6: bands and displacement become the warped picture."""

from cinegan_cli.stages.warp.frames import warped_frames
from cinegan_cli.stages.warp.holes import HOLE
from cinegan_cli.stages.warp.splat import at_level, splat_band

__all__ = [
    "HOLE",
    "at_level",
    "splat_band",
    "warped_frames",
]

"""Stage 4: RGB contributions, coarse to fine, whose upsampled sum is the picture."""

from cinegan_cli.stages.bands.fill import pull_push
from cinegan_cli.stages.bands.fill_on_device import pull_push_on_device
from cinegan_cli.stages.bands.layer import dequantise, moving_layer, texture_kept
from cinegan_cli.stages.bands.pyramid import collapse, low_pass, pyramid, upsample

__all__ = [
    "collapse",
    "dequantise",
    "low_pass",
    "moving_layer",
    "pull_push",
    "pull_push_on_device",
    "pyramid",
    "texture_kept",
    "upsample",
]

"""Systems: what can make the moving layer's frames from a photo, behind one protocol."""

from cinegan_cli.systems.base import Inverted, System, on_device, restyled
from cinegan_cli.systems.registry import SYSTEMS, choose_system, invert_photo
from cinegan_cli.systems.samples import Sampler

__all__ = ["SYSTEMS", "Inverted", "Sampler", "System", "choose_system", "invert_photo", "on_device", "restyled"]

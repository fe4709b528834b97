"""Systems: what can make the moving layer's frames from a photo, behind one protocol."""

from cinegan_cli.systems.base import System, on_device, restyled
from cinegan_cli.systems.registry import SYSTEMS, choose_system

__all__ = ["SYSTEMS", "System", "choose_system", "on_device", "restyled"]

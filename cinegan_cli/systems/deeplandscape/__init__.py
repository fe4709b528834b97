"""DeepLandscape (ECCV 2020): a generator whose noise moves."""

from cinegan_cli.nn.guided import guided_filter
from cinegan_cli.systems.deeplandscape.superres import Enlarger, super_resolved
from cinegan_cli.systems.deeplandscape.system import open_deeplandscape

__all__ = ["Enlarger", "guided_filter", "open_deeplandscape", "super_resolved"]

"""DeepLandscape (ECCV 2020): a generator whose noise moves."""

from cinegan_cli.systems.deeplandscape.system import open_deeplandscape

__all__ = ["open_deeplandscape"]

"""DeepLandscape's networks (Logacheva et al. 2020, "DeepLandscape: Adversarial Modeling of Landscape Videos")."""

from cinegan_cli.nn.deeplandscape.generator import Generator

__all__ = ["Generator"]

"""DeepLandscape's networks (Logacheva et al. 2020, "DeepLandscape: Adversarial Modeling of Landscape Videos")."""

from cinegan_cli.nn.deeplandscape.discriminator import Discriminator, Discriminators
from cinegan_cli.nn.deeplandscape.encoder import CompactEncoder, Encoder
from cinegan_cli.nn.deeplandscape.generator import Generator
from cinegan_cli.nn.deeplandscape.lighting import Lighting

__all__ = ["CompactEncoder", "Discriminator", "Discriminators", "Encoder", "Generator", "Lighting"]

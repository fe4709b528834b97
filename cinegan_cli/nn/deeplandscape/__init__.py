"""DeepLandscape's networks (Logacheva et al. 2020, "DeepLandscape: Adversarial Modeling of Landscape Videos")."""

from cinegan_cli.nn.deeplandscape.discriminator import Discriminator, Discriminators
from cinegan_cli.nn.deeplandscape.encoder import CompactEncoder, Encoder
from cinegan_cli.nn.deeplandscape.generator import CHANNELS, Generator, channels_of
from cinegan_cli.nn.deeplandscape.lighting import Lighting

__all__ = [
    "CHANNELS",
    "CompactEncoder",
    "Discriminator",
    "Discriminators",
    "Encoder",
    "Generator",
    "Lighting",
    "channels_of",
]

"""StyleGAN2 for landscapes: generator, discriminator, encoders."""

from cinegan_cli.nn.stylegan2.discriminator import Discriminator
from cinegan_cli.nn.stylegan2.encoder import Encoder, EncoderConfig
from cinegan_cli.nn.stylegan2.generator import Features, Generator, GeneratorConfig
from cinegan_cli.nn.stylegan2.layers import BLUR
from cinegan_cli.nn.stylegan2.photo_encoder import PhotoEncoder, PhotoEncoderConfig

__all__ = [
    "BLUR",
    "Discriminator",
    "Encoder",
    "EncoderConfig",
    "Features",
    "Generator",
    "GeneratorConfig",
    "PhotoEncoder",
    "PhotoEncoderConfig",
]

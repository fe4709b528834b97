"""A small seeded set of models (256 px, 12 channels), as a bundle file: all that the stages need of a generator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.models.bundle import Bundle, write_bundle
from cinegan_cli.models.store import BUNDLE_KIND
from cinegan_cli.nn.classifier import ClassifierConfig, PixelClassifier
from cinegan_cli.nn.pix2pixhd import GlobalGenerator, GlobalGeneratorConfig
from cinegan_cli.nn.stylegan2.generator import Generator, GeneratorConfig
from cinegan_cli.nn.stylegan2.photo_encoder import PhotoEncoder, PhotoEncoderConfig

CONFIG = GeneratorConfig(size=256, style_dim=8, mapping_layers=2, max_channels=12)
ENCODER = PhotoEncoderConfig(style_dim=8, n_styles=CONFIG.n_styles, channels=12, width=4, index=10)
CLASSIFIER = ClassifierConfig(channels=5 * 12, hidden=(8, 4))
MOTION = GlobalGeneratorConfig(ngf=4, n_down=4, n_blocks=1)


def write_models(path: Path, *parts: str) -> Path:
    """A bundle of the parts named, of all of them by default: generator, encoder, mask, motion."""
    torch.manual_seed(0)
    wanted = parts or ("generator", "encoder", "mask", "motion")
    tensors: dict[str, Tensor] = {"mean_w": torch.zeros(8)}
    config: dict[str, object] = {"licence": "MIT", "source": []}
    if "generator" in wanted:
        tensors |= prefixed("generator", Generator(CONFIG))
        config["generator"] = asdict(CONFIG)
    if "encoder" in wanted:
        tensors |= prefixed("encoder", PhotoEncoder(ENCODER))
        config["encoder"] = {"kind": "photo", **asdict(ENCODER)}
    if "mask" in wanted:
        for k in range(3):
            tensors |= prefixed(f"mask.{k}", PixelClassifier(CLASSIFIER))
        config["mask"] = {"members": 3, "network": asdict(CLASSIFIER)}
    if "motion" in wanted:
        for kind in ("sky", "water"):
            tensors |= prefixed(f"motion.{kind}", GlobalGenerator(MOTION))
        config["motion"] = {"sky": asdict(MOTION), "water": asdict(MOTION)}
    write_bundle(path, Bundle(BUNDLE_KIND, config, tensors))
    return path


def prefixed(prefix: str, module: torch.nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}

"""A small seeded set of DeepLandscape (32 px), as a bundle file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cinegan_cli.models.bundle import Bundle, write_bundle
from cinegan_cli.nn.deeplandscape import CompactEncoder, Generator, Lighting
from tests.small_models import prefixed

GENERATOR = {"levels": 4, "multiplier": 1 / 16, "channels": 32, "style_dim": 32, "mapping_layers": 2}
ENCODER = {"levels": 4, "style_dim": 32, "variant": "lite0", "hidden": 8}
LIGHTING = {"style_dim": 32, "hidden": 8, "blocks": 1}


def write_landscape_set(path: Path, *parts: str) -> Path:
    """A bundle of the parts named, of all of them by default: generator, encoder, lighting."""
    wanted = parts or ("generator", "encoder", "lighting")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        generator = Generator(**GENERATOR)
        for name, gain in generator.named_parameters():
            if ".noise" in name:
                nn.init.normal_(gain, std=3)
        networks = {"generator": (GENERATOR, generator)}
        if "encoder" in wanted:
            networks["encoder"] = (ENCODER, CompactEncoder(**ENCODER))
        if "lighting" in wanted:
            networks["lighting"] = (LIGHTING, Lighting(**LIGHTING))
    tensors: dict[str, Tensor] = {}
    config: dict[str, Any] = {"licence": "MIT", "source": []}
    for part, (shape, network) in networks.items():
        if part in wanted:
            tensors |= prefixed(f"deeplandscape_{part}", network)
            config[f"deeplandscape_{part}"] = shape
    write_bundle(path, Bundle("deeplandscape", config, tensors))
    return path

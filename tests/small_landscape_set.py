"""A small seeded set of DeepLandscape (32 px), as a bundle file, and latents that go with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cinegan_cli.models.bundle import Bundle, write_bundle
from cinegan_cli.nn.deeplandscape import CompactEncoder, Generator, Lighting
from cinegan_cli.systems.deeplandscape import Latents, write_latents
from cinegan_cli.systems.deeplandscape.codes import start
from tests.small_models import prefixed

GENERATOR: dict[str, Any] = {"levels": 4, "multiplier": 1 / 16, "channels": 32, "style_dim": 32, "mapping_layers": 2}
ENCODER: dict[str, Any] = {"levels": 4, "style_dim": 32, "variant": "lite0", "hidden": 8}
LIGHTING: dict[str, Any] = {"style_dim": 32, "hidden": 8, "blocks": 1}


def write_landscape_set(path: Path, *parts: str) -> Path:
    """A bundle of the parts named, of all of them by default: generator, encoder, lighting."""
    wanted = parts or ("generator", "encoder", "lighting")
    generator = small_generator()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        networks: dict[str, tuple[dict[str, Any], nn.Module]] = {"generator": (GENERATOR, generator)}
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


def small_generator(seed: int = 0) -> Generator:
    """Its noise counts."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        generator = Generator(**GENERATOR)
        for name, gain in generator.named_parameters():
            if ".noise" in name:
                nn.init.normal_(gain, std=3)
    return generator.eval().requires_grad_(False)


def write_latents_of(path: Path, grid: tuple[int, int], *, seed: int = 0) -> Path:
    """Latents of a photo of that shape, for the generator of that seed."""
    generator = small_generator(seed)
    w = generator.mapping(torch.ones(1, GENERATOR["style_dim"])).expand(1, GENERATOR["levels"], 2, -1)
    write_latents(path, Latents(start(w, 1.0, grid, seed=0), "MO"), generator, "dl")
    return path

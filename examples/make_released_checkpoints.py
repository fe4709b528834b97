"""Write a whole set of checkpoints in the released formats, with seeded weights: to try the importer without downloads.

python examples/make_released_checkpoints.py DIR [--size 1024] [--seed 100]
cinegan models import DIR/*.pt DIR/*.tar DIR/*.pth DIR/*/latest_net_G.pth --name seeded

The weights follow the rule of the conformance figures (normal numbers, seeded by the place of a tensor's name in the
sorted list). They make no landscapes, but pictures of a sane range at the released speed.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cinegan_cli.nn.classifier import PixelClassifier
from cinegan_cli.nn.pix2pixhd import GlobalGenerator, GlobalGeneratorConfig
from cinegan_cli.nn.stylegan2 import Encoder, EncoderConfig, Generator, GeneratorConfig


def numbers(seed: int, shape: torch.Size) -> Tensor:
    """Normal numbers, float32."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(shape)).astype(np.float32))


def generator_value(name: str, n: Tensor) -> Tensor:
    """One tensor of the generator."""
    if name.endswith("modulation.bias"):
        return 1 + 0.1 * n
    if name.startswith("style."):
        return n * (100 if name.endswith("weight") else 10)
    return 0.1 * n if name.endswith(("noise.weight", "bias")) else n


def network_value(name: str, n: Tensor, gain: float) -> Tensor:
    """One tensor of an encoder, classifier or motion network."""
    if name.endswith("running_var"):
        return 0.5 + 0.5 * n.abs()
    if name.endswith("running_mean"):
        return 0.1 * n
    if n.ndim >= 2:
        return n * gain * (2 / np.prod(n.shape[1:])) ** 0.5
    if "prelu" in name or name == "content_layer.3.weight":
        return 0.25 + 0.05 * n
    return 1 + 0.1 * n if name.endswith("weight") else 0.1 * n


def seeded(module: nn.Module, seed: int, gain: float = 1.0) -> dict[str, Tensor]:
    """A state dict for the module."""
    state = dict(module.state_dict())
    for i, (name, value) in enumerate(sorted(state.items())):
        if name.endswith("kernel") or not value.is_floating_point():
            continue
        n = numbers(seed + i, value.shape)
        state[name] = generator_value(name, n) if isinstance(module, Generator) else network_value(name, n, gain)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=1024, help="pixels a side of the generator")
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    folder: Path = options.folder
    for part in (folder, folder / "sky", folder / "fluid"):
        part.mkdir(parents=True, exist_ok=True)
    config = GeneratorConfig(size=options.size)
    generator = Generator(config)
    torch.save({"g_ema": seeded(generator, options.seed)}, folder / f"sg2-seeded-{options.size}.pt")
    encoder = Encoder(EncoderConfig(config.n_styles, config.style_dim, config.channels(10)))
    torch.save(seeded(encoder, options.seed, gain=0.4), folder / "enc.pth.tar")
    for k in range(10):
        state = seeded(PixelClassifier(), options.seed + 1000 * k)
        torch.save(
            {"model_state_dict": {f"module.{n}": v for n, v in state.items()}}, folder / f"best_model_number_{k}.pth"
        )
    for k, kind in enumerate(("sky", "fluid")):
        state = seeded(GlobalGenerator(GlobalGeneratorConfig()), options.seed + 5000 * k)
        torch.save(state, folder / kind / "latest_net_G.pth")
    for path in sorted(folder.rglob("*.*")):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

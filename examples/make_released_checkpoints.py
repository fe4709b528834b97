"""Write a whole set of checkpoints in the released formats, with seeded weights: to try the importer without downloads.

python examples/make_released_checkpoints.py DIR [--size 1024] [--seed 100]
cinegan models import DIR/*.pt DIR/*.tar DIR/*.pth DIR/*/latest_net_G.pth --name seeded

python examples/make_released_checkpoints.py DIR --system deeplandscape [--size 256] [--small] [--legacy]
cinegan models import $(find DIR -name "*.model" -o -name "*.pth") --name seeded-deeplandscape

The weights follow the rule of the conformance figures (normal numbers, seeded by the place of a tensor's name in the
sorted list). They make no landscapes, but pictures of a sane range at the released speed. DeepLandscape's encoder and
lighting network are saved as their authors saved them: as whole modules, pickled under the authors' class names.
"""

import argparse
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cinegan_cli.nn import deeplandscape
from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.classifier import PixelClassifier
from cinegan_cli.nn.pix2pixhd import GlobalGenerator, GlobalGeneratorConfig
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig
from cinegan_cli.nn.stylegan2 import Encoder, EncoderConfig, Generator, GeneratorConfig
from cinegan_cli.nn.vgg import WIDTHS, Vgg

CLASSES = {  # of our modules in DeepLandscape's release: where they are defined there, and their names
    "Encoder": ("inference.encoders", "ResNetEncoder"),
    "ResNet": ("torchvision.models.resnet", "ResNet"),
    "Bottleneck": ("torchvision.models.resnet", "Bottleneck"),
    "Lighting": ("inference.encoders", "MLPApproximator"),
    "_Block": ("inference.encoders", "DenseResBlock"),
}


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


def deeplandscape_value(name: str, n: Tensor) -> Tensor:
    """One tensor of DeepLandscape's generator or discriminators."""
    if name.endswith("style.linear.bias"):
        return 0.1 * n + (torch.arange(len(n)) < len(n) // 2)
    if name.endswith("bias"):
        return 0.1 * n
    return 5 * n if ".noise" in name else n


@torch.no_grad()
def fill(module: nn.Module, seed: int, *, gan: bool = False) -> nn.Module:
    """DeepLandscape's networks, in place; blur kernels keep their values."""
    state = module.state_dict()
    for i, name in enumerate(sorted(state)):
        value = state[name]
        if value.is_floating_point() and not (name.endswith("weight_flip") or f"{name}_flip" in state):
            n = numbers(seed + i, value.shape)
            value.copy_(
                deeplandscape_value(name, n) if gan else network_value(name, n, 0.02 if "trunk_conv" in name else 1)
            )
            if name.endswith("bn3.weight"):
                value.mul_(0.1)
    return module.eval()


def save_whole(path: Path, module: nn.Module, legacy: bool) -> None:
    """The module itself, under the names of the release's classes, which need not be installed."""
    for ours, (place, name) in CLASSES.items():
        for k in range(1, place.count(".") + 2):
            package = ".".join(place.split(".")[:k])
            sys.modules.setdefault(package, types.ModuleType(package))
        their = getattr(sys.modules[place], name, None) or type(name, (nn.Module,), {"__module__": place})
        setattr(sys.modules[place], name, their)
        for part in module.modules():
            if type(part).__name__ == ours:
                part.__class__ = their
    save(path, module, legacy)


def save(path: Path, content: object, legacy: bool = False) -> None:
    """In torch's format of today or in the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older one looks for sources of classes
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def write_deeplandscape(folder: Path, size: int, seed: int, *, small: bool, legacy: bool) -> None:
    """The release's files. `small`: narrow networks under the same names, for a try within seconds."""
    levels = (size // 4).bit_length()
    narrow = {"multiplier": 1 / 16} if small else {}
    generator = fill(deeplandscape.Generator(**narrow), seed, gan=True).state_dict()
    critics = [fill(deeplandscape.Discriminator(frames=k, **narrow), seed, gan=True).state_dict() for k in (1, 2)]
    nets = {"generator": generator, "g_running": generator}
    nets |= {"discriminator": critics[0], "n_frames_discriminator": critics[1]}
    numbers_of_run = {"alpha": 0, "step": levels - 1, "resolution": size, "used_samples": 0, "iteration": 474999}
    save(folder / f"checkpoints/{size}/475000.model", {**nets, **numbers_of_run}, legacy)
    shape = {"depths": (1, 1, 1, 1), "width": 8, "hidden": 64} if small else {}
    encoder = fill(deeplandscape.Encoder(levels, **shape), seed)
    save_whole(folder / f"encoders/{size}_resnet/models/best_model.pth", encoder, legacy)
    lighting = fill(deeplandscape.Lighting(blocks=1 if small else 10), seed)
    save_whole(folder / f"encoders/{size}_mlp/models/best_model.pth", lighting, legacy)
    config = SuperResolverConfig(8, 2, 4, SegmenterConfig(4, (1, 1, 1, 1), 8)) if small else SuperResolverConfig()
    save(folder / "superres/weights/G.pth", fill(SuperResolver(config), seed).state_dict(), legacy)
    widths = [width // 8 if small else width for width in WIDTHS]
    save(folder / "vgg19-seeded.pth", fill(Vgg(widths), seed).state_dict(), legacy)


def write_stylecinegan(folder: Path, size: int, seed: int) -> None:
    """A generator, an encoder, ten mask classifiers, and motion networks for skies and water."""
    config = GeneratorConfig(size=size)
    save(folder / f"sg2-seeded-{size}.pt", {"g_ema": seeded(Generator(config), seed)})
    encoder = Encoder(EncoderConfig(config.n_styles, config.style_dim, config.channels(10)))
    save(folder / "enc.pth.tar", seeded(encoder, seed, gain=0.4))
    for k in range(10):
        state = seeded(PixelClassifier(), seed + 1000 * k)
        save(folder / f"best_model_number_{k}.pth", {"model_state_dict": {f"module.{n}": v for n, v in state.items()}})
    for k, kind in enumerate(("sky", "fluid")):
        save(folder / kind / "latest_net_G.pth", seeded(GlobalGenerator(GlobalGeneratorConfig()), seed + 5000 * k))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--system", choices=("stylecinegan", "deeplandscape"), default="stylecinegan")
    parser.add_argument("--size", type=int, help="pixels a side of the generator  [1024; deeplandscape: 256]")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--small", action="store_true", help="deeplandscape: narrow networks")
    parser.add_argument("--legacy", action="store_true", help="deeplandscape: torch's older file format")
    options = parser.parse_args()
    folder: Path = options.folder
    if options.system == "deeplandscape":
        write_deeplandscape(folder, options.size or 256, options.seed, small=options.small, legacy=options.legacy)
    else:
        write_stylecinegan(folder, options.size or 1024, options.seed)
    for path in sorted(folder.rglob("*.*")):
        print(f"{path}  {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

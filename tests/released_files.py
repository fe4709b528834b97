"""Small seeded networks as files in the released formats, and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cinegan_cli.nn.classifier import ClassifierConfig, PixelClassifier
from cinegan_cli.nn.lpips import Backbone, Lpips
from cinegan_cli.nn.pix2pixhd import GlobalGenerator, GlobalGeneratorConfig
from cinegan_cli.nn.stylegan2.generator import Generator, GeneratorConfig
from tests.bad_files import Evil
from tests.small_models import CONFIG, write_models

Change = Callable[[dict[str, Tensor]], object]
TINY = GeneratorConfig(size=32, style_dim=8, mapping_layers=3, max_channels=6)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def generator_file(path: Path, change: Change | None = None, config: GeneratorConfig = TINY) -> Path:
    torch.manual_seed(0)
    return _write(path, state_of(Generator(config)), change, "g_ema")


def mask_file(path: Path, change: Change | None = None) -> Path:
    torch.manual_seed(0)
    state = state_of(PixelClassifier(ClassifierConfig(1472, (8, 4))))
    return _write(path, {f"module.{name}": value for name, value in state.items()}, change, "model_state_dict")


def motion_file(path: Path, outputs: int = 2, change: Change | None = None) -> Path:
    torch.manual_seed(0)
    return _write(path, state_of(GlobalGenerator(GlobalGeneratorConfig(3, outputs, 4, 2, 1))), change, None)


def lpips_states(backbone: Backbone = "alex", seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Stand-ins at full size under the published names: torchvision's state dict, and that of the five heads."""
    drawn = torch.Generator().manual_seed(seed)
    own = {name: torch.rand(v.shape, generator=drawn) * 0.1 for name, v in Lpips(backbone).state_dict().items()}
    features = {name: value for name, value in own.items() if name.startswith("features")}
    heads = {f"lin{k}.model.1.weight": own[f"heads.{k}"].view(1, -1, 1, 1) for k in range(5)}
    return {**features, "classifier.6.bias": torch.zeros(1000)}, heads


def lpips_files(folder: Path, *, change: Change | None = None, change_heads: Change | None = None) -> None:
    """net.pth and heads.pth in the folder."""
    features, heads = lpips_states()
    _write(folder / "net.pth", features, change, None)
    _write(folder / "heads.pth", heads, change_heads, None)


def _write(path: Path, state: dict[str, Tensor], change: Change | None, wrapper: str | None) -> Path:
    if change is not None:
        change(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({wrapper: state} if wrapper else state, path)
    return path


def halved(state: dict[str, Tensor]) -> None:
    for name, value in state.items():
        state[name] = value.half() if value.is_floating_point() else value


def with_nan(state: dict[str, Tensor]) -> None:
    next(value for value in state.values() if value.ndim > 1).view(-1)[0] = float("nan")


def evil_file(path: Path, *, legacy: bool = False) -> Path:
    torch.save({"g_ema": Evil()}, path, _use_new_zipfile_serialization=not legacy)
    return path


def cut_file(path: Path, share: float = 0.5) -> Path:
    data = generator_file(path).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def cut_bundle(path: Path) -> Path:
    data = write_models(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def plain_safetensors(path: Path) -> Path:
    save_file({"a": torch.zeros(3)}, path)
    return path


def nan_bundle(path: Path) -> Path:
    from cinegan_cli.models.bundle import Bundle, write_bundle
    from cinegan_cli.models.store import open_bundle

    models = open_bundle(write_models(path))
    tensors = {f"{part}.{name}": value for part in models.parts for name, value in models.tensors(part).items()} | {
        "mean_w": torch.zeros(CONFIG.style_dim)
    }
    tensors["encoder.last.weight"] = torch.full_like(tensors["encoder.last.weight"], float("nan"))
    write_bundle(path, Bundle("stylecinegan", models.config, tensors))
    return path

"""Small seeded networks of DeepLandscape as files in the released forms: `*.model`, state dicts, whole modules."""

from __future__ import annotations

import copy
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cinegan_cli.nn.deeplandscape import Discriminators, Encoder, Generator, Lighting

GENERATOR: Mapping[str, Any] = {"levels": 4, "style_dim": 512, "multiplier": 1 / 64, "mapping_layers": 1}
ENCODER: Mapping[str, Any] = {"levels": 3, "depths": (1, 1, 2, 1), "width": 2, "hidden": 4}
LIGHTING: Mapping[str, Any] = {"hidden": 5, "blocks": 2}
# our classes → those of the release, by module and name
RELEASED = {
    "Encoder": ("inference.encoders", "ResNetEncoder"),
    "ResNet": ("torchvision.models.resnet", "ResNet"),
    "Bottleneck": ("torchvision.models.resnet", "Bottleneck"),
    "Lighting": ("inference.encoders", "MLPApproximator"),
    "_Block": ("inference.encoders", "DenseResBlock"),
}


def seeded(make: type[nn.Module], **config: Any) -> Any:
    """A network with weights of its own, in evaluation mode; noise gains and running statistics are not left alone."""
    torch.manual_seed(0)
    module = make(**config).eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if ".noise" in name:
                value.normal_()
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return module


def generator() -> Generator:
    made: Generator = seeded(Generator, **GENERATOR)
    return made


def encoder(**config: Any) -> Encoder:
    made: Encoder = seeded(Encoder, **{**ENCODER, **config})
    return made


def lighting(**config: Any) -> Lighting:
    made: Lighting = seeded(Lighting, **{**LIGHTING, **config})
    return made


def model_dict(**changes: Any) -> dict[str, Any]:
    """What the trainer saves; a change of None leaves an entry out."""
    critics = seeded(Discriminators, levels=4, multiplier=1 / 64)
    other = {name: value + 1 for name, value in generator().state_dict().items()}
    whole = {
        "generator": other,
        "g_running": generator().state_dict(),
        "discriminator": critics.static.state_dict(),
        "n_frames_discriminator": critics.pairwise.state_dict(),
        "g_optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "alpha": 0,
        "step": 2,
        "used_samples": 7,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def save(path: Path, content: object, *, legacy: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older format wants to add the sources of our stand-ins
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def save_whole(
    path: Path, module: nn.Module, *, legacy: bool = False, change: Callable[[Any], object] | None = None
) -> Path:
    """The module itself, pickled under the release's class names; `change` gets the copy that is saved."""
    whole = copy.deepcopy(module)
    with pretended() as classes:
        for part in whole.modules():
            if type(part).__name__ in classes:
                part.__class__ = classes[type(part).__name__]
        if change is not None:
            change(whole)
        return save(path, whole, legacy=legacy)


@contextmanager
def pretended() -> Iterator[dict[str, type[nn.Module]]]:
    """Stand-ins for the release's classes, by our names, importable as long as this lasts."""
    classes = {ours: type(name, (nn.Module,), {"__module__": module}) for ours, (module, name) in RELEASED.items()}
    with pytest.MonkeyPatch.context() as patch:
        for ours, (module, name) in RELEASED.items():
            parts = module.split(".")
            for k in range(1, len(parts) + 1):
                patch.setitem(
                    sys.modules, ".".join(parts[:k]), sys.modules.get(".".join(parts[:k])) or _empty(parts[:k])
                )
            setattr(sys.modules[module], name, classes[ours])
        yield classes


def _empty(parts: list[str]) -> types.ModuleType:
    return types.ModuleType(".".join(parts))


def release(folder: Path, *, legacy: bool = False, **changes: Any) -> tuple[Path, ...]:
    """The set as its authors lay it out: 475000.model, encoder and lighting network as whole modules."""
    return (
        save(folder / "checkpoints" / "256" / "475000.model", model_dict(**changes), legacy=legacy),
        save_whole(folder / "encoders" / "256_resnet" / "models" / "best_model.pth", encoder(), legacy=legacy),
        save_whole(folder / "encoders" / "256_mlp" / "models" / "best_model.pth", lighting(), legacy=legacy),
    )


def with_nan(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    changed = {name: value.clone() for name, value in state.items()}
    next(value for value in changed.values() if value.ndim > 1).view(-1)[0] = float("nan")
    return changed

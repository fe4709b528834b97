"""LPIPS from published weights that the user brings; nothing in the files is executed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.nn.lpips import Lpips

# torchvision's names, and those of the lpips package, which keeps torchvision's numbers within its five slices
BACKBONE = re.compile(r"(?:net\.slice\d\.|features\.)(\d+)\.(weight|bias)")
HEAD = re.compile(r"lin(\d)\.model\.\d\.weight")


def read_lpips(paths: Sequence[Path]) -> Lpips:
    """The network of the files: torchvision's AlexNet or VGG-16 and the five heads, in one file or in two.

    Files are state dicts (`torch.load` with `weights_only`, or safetensors). The backbone's tensors are
    features.N.weight and .bias, as in torchvision, or net.sliceK.N.weight; the heads' linK.model.1.weight [1, C, 1, 1],
    as in the lpips package. Other tensors (the classifier's) are left out.
    Raises InputError when a file cannot be read or something is missing.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        state |= _renamed(read_state(path))
    names = ", ".join(map(str, paths))
    first = state.get("features.0.weight")
    if first is None:
        raise InputError(f"{names}: holds no features.0.weight; give torchvision's AlexNet or VGG-16 as well")
    network = Lpips("alex" if first.shape[2:] == (11, 11) else "vgg")
    own = network.state_dict()
    for name, wanted in own.items():
        found = state.get(name)
        if found is None:
            what = "the five heads of LPIPS" if name.startswith("heads") else "a whole AlexNet or VGG-16"
            raise InputError(f"{names}: {name} is missing; LPIPS needs {what}: name both files with --lpips")
        if found.shape != wanted.shape:
            shapes = f"{list(found.shape)}, not {list(wanted.shape)}"
            raise InputError(f"{names}: {name} has shape {shapes}; backbone and heads belong to different networks")
    network.load_state_dict({name: state[name].float() for name in own})
    return network.eval()


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict. Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a state dict (.pth or .safetensors)")
    try:
        loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    except Exception as error:  # torch.load raises nearly anything on files that are none of its own
        raise InputError(
            f"{path}: no state dict of tensors alone; save one with torch.save(model.state_dict())"
        ) from error
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds a {type(loaded).__name__}, not a state dict")
    return {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, value in state.items():
        if layer := BACKBONE.fullmatch(name):
            renamed[f"features.{layer[1]}.{layer[2]}"] = value
        elif head := HEAD.fullmatch(name):
            renamed[f"heads.{head[1]}"] = value.flatten()
    return renamed

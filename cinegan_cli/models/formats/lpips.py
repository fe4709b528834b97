"""LPIPS as published: torchvision's backbone in one file, the five heads of the lpips package in another, or both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import require_finite
from cinegan_cli.nn.lpips import Backbone, Lpips

# torchvision's names, and those of the lpips package, which keeps torchvision's numbers within its five slices
_BACKBONE = re.compile(r"(?:net\.slice\d\.|features\.)(\d+\.(?:weight|bias))")
_HEAD = re.compile(r"lin(\d)\.model\.\d\.weight")
_FILES: Mapping[Backbone, tuple[str, str]] = {
    "alex": ("torchvision's alexnet-owt-7be5be79.pth", "the lpips package's alex.pth"),
    "vgg": ("torchvision's vgg16-397923af.pth", "the lpips package's vgg.pth"),
}


def to_lpips(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a state dict holds for LPIPS, under our names: features.N.* and heads.K [C]; nothing of a classifier."""
    renamed = {}
    for name, value in state.items():
        if layer := _BACKBONE.fullmatch(name):
            renamed[f"features.{layer[1]}"] = value
        elif head := _HEAD.fullmatch(name):
            renamed[f"heads.{head[1]}"] = value.flatten()
    return renamed


def backbone_of(state: Mapping[str, Tensor]) -> Backbone:
    """Whose features these are, or the heads for them. Raises KeyError where neither's first ones are there."""
    if "features.0.weight" in state:
        return "alex" if state["features.0.weight"].shape[2:] == (11, 11) else "vgg"
    return "alex" if state["heads.1"].shape == (192,) else "vgg"


def joined(halves: Mapping[Path, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One network's tensors from one file that has all of them or from two, in any order.

    Raises InputError when a half is missing, is there twice, belongs to another network, or holds wrong values.
    """
    names = ", ".join(map(str, halves))
    state: dict[str, Tensor] = {}
    for path, half in halves.items():
        if twice := sorted(state.keys() & half.keys()):
            raise InputError(f"{names}: {twice[0]} is there twice; give one backbone and its heads at a time")
        if state and backbone_of(state) != backbone_of(half):
            raise InputError(f"{path}: belongs to the other of AlexNet and VGG-16; give a backbone and its own heads")
        state |= half
    backbone = backbone_of(state)
    features, heads = _FILES[backbone]
    for part, bring in (("features", features), ("heads", heads)):
        if not any(name.startswith(part) for name in state):
            raise InputError(f"{names}: only half of LPIPS, its {part} are missing; give {bring} as well")
    with torch.device("meta"):
        wanted = Lpips(backbone).state_dict()
    if odd := sorted(wanted.keys() ^ state.keys()):
        what = "missing" if odd[0] in wanted else "of another network"
        raise InputError(f"{names}: {odd[0]} is {what}; give {features} and {heads}")
    for path, half in halves.items():
        require_finite("lpips", half, path)
        for name, value in half.items():
            if value.shape != wanted[name].shape:
                shapes = f"{tuple(value.shape)}, not {tuple(wanted[name].shape)}"
                raise InputError(f"{path}: tensor {name} has shape {shapes}; give {features} and {heads}")
    return state

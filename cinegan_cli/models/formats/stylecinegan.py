"""The researchers' own checkpoint files, loaded as networks. Nothing in a file is ever executed.

`docs/spec/stylecinegan.md`, section 6. Files are state dicts, sometimes inside a dict; generators also come in NVIDIA's
naming (`formats.nvidia`), networks of DeepLandscape several in a file (`formats.deeplandscape`) or whole
(`formats.pickled`).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models.formats.deeplandscape import is_model, network_in, own_tensors, trained_levels
from cinegan_cli.models.formats.lpips import joined, to_lpips
from cinegan_cli.models.formats.nvidia import is_nvidia, to_port
from cinegan_cli.models.formats.pickled import read_pickled
from cinegan_cli.models.networks import KINDS, Kind, config_of, filled, recognise

WRAPPERS = ("g_ema", "model_state_dict", "state_dict", "G_ema")  # keys under which files keep the state dict
PREFIX = "module."  # of files saved from DataParallel


def load_released(path: str | Path, kind: Kind | None = None) -> nn.Module:
    """The network in a released file, in evaluation mode, on the CPU, float32.

    `kind` is "generator" (`.mapping(z)`, `.synthesize(w_plus)`, `.synthesize_from(d10, w_plus)`, pictures in [-1, 1]),
    "encoder" (`(photo256) -> (w_offsets, d10)`), "mask" (one classifier, `(features [P, 1472]) -> logits`), "motion"
    (`(photo) -> [B, 2, H, W]`) or "lpips" (a file with backbone and heads); of DeepLandscape "deeplandscape_generator"
    (`.mapping(z)`, `.synthesize(w, static, dynamic, alpha)`), "deeplandscape_discriminator" (`.static(images, alpha)`,
    `.pairwise(pairs, alpha)`), both from a `*.model` file, "deeplandscape_encoder" (`(photo256) -> w`) and
    "deeplandscape_lighting" (`(w, z_dyn, c) -> w`), plain or saved as whole modules, "deeplandscape_superres"
    (`(frame, reference) -> picture`, `.masks(reference)`) and "deeplandscape_perceptual" (torchvision's VGG-19;
    `(images, target) -> [B, 13]`). None recognises it by its tensors.
    Raises InputError when the file is missing, damaged, holds code, or another network.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    path = Path(path)
    found, state, config = read_released(path, kind)
    if kind not in (None, found):
        raise InputError(f"{path}: holds a {found} network, not a {kind} network; give the right file")
    return filled(found, config, joined({path: state}) if found == "lpips" else state, path)


def read_released(path: Path, wanted: str | None = None) -> tuple[Kind, dict[str, Tensor], dict[str, Any]]:
    """Kind, state dict (float tensors as float32) and configuration of a released file. Raises InputError.

    `wanted` decides where a file holds networks of several kinds. Of LPIPS it may be half, for `formats.lpips.joined`.
    """
    loaded = read_state(path)
    if {"step", "modules", "optimisers"} <= loaded.keys():
        raise InputError(f"{path}: the checkpoint of a training run; give the file that the run wrote to its --out")
    state = network_in(path, loaded, wanted) if is_model(loaded) else _unwrapped(loaded)
    for name in state:
        if not name.isprintable():
            raise InputError(f"{path}: damaged: a tensor has the name {name[:40]!a}; download it again")
    if is_nvidia(state):
        try:
            state = to_port(state)
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"{path}: a generator in NVIDIA's naming, but not StyleGAN2 with skip connections ({_said(error)})"
            ) from error
    kind = recognise(state)
    if kind is None and (half := to_lpips(state)):
        kind, state = "lpips", half
    if kind is None:
        some = ", ".join(list(state)[:3]) or "nothing"
        raise InputError(f"{path}: no known network (it holds {some}, ...); known are {', '.join(KINDS)}")
    own = own_tensors(kind, state).items()
    state = {key: value.float() if value.is_floating_point() else value for key, value in own}
    try:
        config = config_of(kind, state)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{path}: looks like a {kind} network, but {_said(error)} is missing or wrong") from error
    if kind == "deeplandscape_generator" and (levels := trained_levels(loaded)):
        config["trained"] = levels
    if kind == "motion" and config["outputs"] != 2:
        raise InputError(
            f"{path}: a motion network with {config['outputs']} output channels; needed is one with 2 (x and y)"
        )
    return kind, state, config


def read_state(path: Path) -> Mapping[str, Any]:
    """What a file holds: safetensors, or torch's format with `weights_only`; of a whole module its tensors.

    Raises InputError.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the checkpoint files in it")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the checkpoint as it was downloaded")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: damaged or no safetensors ({_said(error)}); download it again") from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return read_pickled(path)
    except Exception as error:  # torch raises whatever the damage leads to
        raise InputError(f"{path}: damaged, or no checkpoint ({_said(error)}); download it again") from error
    if not isinstance(loaded, Mapping):
        raise InputError(f"{path}: holds a {type(loaded).__name__}, not named tensors; give a state dict")
    return loaded


def _unwrapped(loaded: Mapping[str, Any]) -> dict[str, Tensor]:
    """The state dict inside, without prefixes and without what is no tensor."""
    for wrapper in WRAPPERS:
        if isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
            break
    state = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    return {key.removeprefix(PREFIX): value for key, value in state.items()}


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]

"""DeepLandscape's released files: which network a state dict is, its shape, and the `*.model` files of its trainer.

A `*.model` file is a dict: `generator`, `g_running` (its average, which is the one to use), `discriminator`,
`n_frames_discriminator`, optimisers, and numbers. Its `alpha` says nothing: the trainer stores 0 where 1 was in use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.deeplandscape import (
    CHANNELS,
    CompactEncoder,
    Discriminators,
    Encoder,
    Generator,
    Lighting,
    channels_of,
)
from cinegan_cli.nn.rrdb import SuperResolverConfig, super_resolver_of
from cinegan_cli.nn.vgg import Vgg

DeepLandscapeKind = Literal[
    "deeplandscape_generator",
    "deeplandscape_discriminator",
    "deeplandscape_encoder",
    "deeplandscape_lighting",
    "deeplandscape_superres",
    "deeplandscape_perceptual",
]
DEEPLANDSCAPE: tuple[DeepLandscapeKind, ...] = get_args(DeepLandscapeKind)
SIGNS: dict[DeepLandscapeKind, str] = {  # a tensor that only this kind has
    "deeplandscape_generator": "generator.progression.0.conv1.input",
    "deeplandscape_discriminator": "static.linear.linear.weight_orig",
    "deeplandscape_encoder": "backbone.fc.3.weight",
    "deeplandscape_lighting": "impl.0.impl.0.weight",
    "deeplandscape_superres": "enhancement1.weight",
    "deeplandscape_perceptual": "features.34.weight",  # VGG-19's last convolution
}
STYLE_DIM = 512  # of the released encoders, whose tensors do not say where one level's w ends
CRITICS = {"discriminator": "static", "n_frames_discriminator": "pairwise"}  # in a `*.model` → in `Discriminators`


def is_model(loaded: Mapping[str, Any]) -> bool:
    """Whether this is what DeepLandscape's trainer saves."""
    return "g_running" in loaded or {"generator", *CRITICS} <= loaded.keys()


def network_in(path: Path, loaded: Mapping[str, Any], kind: str | None) -> dict[str, Tensor]:
    """The state dict of that kind in a `*.model` file; for the discriminators, that of both.

    Raises InputError where it is not there, or where `kind` is none of the two that such a file has.
    """
    if kind == "deeplandscape_generator":
        return _member(path, loaded, "g_running")
    if kind == "deeplandscape_discriminator":
        return {
            f"{ours}.{name}": value
            for theirs, ours in CRITICS.items()
            for name, value in _member(path, loaded, theirs).items()
        }
    held = "holds a deeplandscape_generator and a deeplandscape_discriminator network"
    raise InputError(f"{path}: {held}{f', not a {kind} network' if kind else ''}; say which of the two, with kind=...")


def trained_levels(loaded: Mapping[str, Any]) -> int | None:
    """How many levels the trainer had reached: finer ones hold noise. None where the file does not say."""
    step = loaded.get("step")
    return step + 1 if type(step) is int and 0 <= step < len(CHANNELS) else None


def _member(path: Path, loaded: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    member = loaded.get(name)
    if not isinstance(member, Mapping) or not all(isinstance(value, Tensor) for value in member.values()):
        raise InputError(f"{path}: a checkpoint of DeepLandscape without {name}; get the file as it was released")
    return {str(key).removeprefix("module."): value for key, value in member.items()}


def config_of(kind: DeepLandscapeKind, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of the network's constructor. Raises KeyError, ValueError or IndexError for shapes of another kind."""
    if kind == "deeplandscape_generator":
        levels = count_of(state, r"generator\.to_rgb\.(\d+)\.conv\.bias")
        counts = tuple(state[f"generator.to_rgb.{i}.conv.weight_orig"].shape[1] for i in range(levels))
        mapping = count_of(state, r"style\.(\d+)\.linear\.bias") // 2  # every second layer is a ReLU, number 0 a norm
        style_dim = state["generator.progression.0.adain1.style.linear.weight_orig"].shape[1]
        return {**_widths(counts), "style_dim": style_dim, "mapping_layers": mapping}
    if kind == "deeplandscape_discriminator":
        levels = count_of(state, r"static\.from_rgb\.(\d+)\.conv\.bias")
        return _widths(tuple(len(state[f"static.from_rgb.{levels - 1 - i}.conv.bias"]) for i in range(levels)))
    if kind == "deeplandscape_encoder":
        return _encoder_config(state)
    if kind == "deeplandscape_superres":
        return _superres_config(state).as_dict()
    if kind == "deeplandscape_perceptual":
        return {"widths": [state[f"features.{first}.weight"].shape[0] for first in (0, 5, 10, 19, 28)]}
    channels, style_dim = state["impl.0.impl.0.weight"].shape[1], state["out.weight"].shape[0]
    return {
        "style_dim": style_dim,
        "hidden": state["impl.0.impl.0.weight"].shape[0],
        "blocks": count_of(state, r"impl\.(\d+)\.impl\.0\.weight"),
        "dynamic_dim": channels - style_dim - 1,
    }


def _widths(counts: tuple[int, ...]) -> dict[str, Any]:
    """Levels, multiplier and bound that give these channels. Raises ValueError where none do."""
    most = max(counts, default=0)
    for count, full in zip(counts, CHANNELS, strict=False):
        if channels_of(len(counts), count / full, most) == counts:
            return {"levels": len(counts), "multiplier": count / full, "channels": most}
    raise ValueError(f"channels {counts}")


def _encoder_config(state: Mapping[str, Tensor]) -> dict[str, Any]:
    rows, hidden = state["backbone.fc.3.weight"].shape
    if rows % STYLE_DIM:
        raise ValueError(f"an output of {rows} numbers, no multiple of {STYLE_DIM},")
    depths = tuple(count_of(state, rf"backbone\.layer{k}\.(\d+)\.conv1\.weight") for k in range(1, 5))
    width = state["backbone.conv1.weight"].shape[0]
    return {"levels": rows // STYLE_DIM, "style_dim": STYLE_DIM, "depths": depths, "width": width, "hidden": hidden}


def _superres_config(state: Mapping[str, Tensor]) -> SuperResolverConfig:
    segmenter = None
    if any(key.startswith("binary_mask.") for key in state):
        layers = [count_of(state, rf"binary_mask\.encoder\.layer{k}\.(\d+)\.conv1\.weight") for k in range(1, 5)]
        classes, pooled = state["binary_mask.decoder.conv_last.4.weight"].shape[:2]
        width = state["binary_mask.encoder.conv1.weight"].shape[0]
        segmenter = SegmenterConfig(width, (layers[0], layers[1], layers[2], layers[3]), pooled, classes)
    return SuperResolverConfig(
        features=state["net.conv_first.weight"].shape[0],
        blocks=count_of(state, r"net\.RRDB_trunk\.(\d+)\.RDB1\.conv1\.weight"),
        growth=state["net.RRDB_trunk.0.RDB1.conv1.weight"].shape[0],
        segmenter=segmenter,
        spare="linear_gdf1.weight" in state,
    )


def own_tensors(kind: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Those of a released file that the network has: of a whole VGG-19 not the classifier."""
    if kind != "deeplandscape_perceptual":
        return state
    return {key: value for key, value in state.items() if key.startswith("features.")}


def count_of(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the largest number in the keys that match."""
    numbers = [int(match[1]) for key in state if (match := re.fullmatch(pattern, key))]
    return max(numbers, default=-1) + 1


def build(kind: DeepLandscapeKind, config: Mapping[str, Any]) -> nn.Module:
    """A network of that configuration. Raises TypeError or KeyError for one of another kind."""
    if kind == "deeplandscape_generator":
        return Generator(**{name: value for name, value in config.items() if name != "trained"})
    if kind == "deeplandscape_discriminator":
        return Discriminators(**config)
    if kind == "deeplandscape_encoder":
        return CompactEncoder(**config) if "variant" in config else Encoder(**config)
    if kind == "deeplandscape_superres":
        return super_resolver_of(config)
    if kind == "deeplandscape_perceptual":
        return Vgg(config["widths"])
    return Lighting(**config)


def levels_of(config: Mapping[str, Any]) -> int:
    """Levels that a set of that configuration works at: the encoder's, else those that its generator has learned."""
    if encoder := config.get("deeplandscape_encoder"):
        return int(encoder["levels"])
    generator = config["deeplandscape_generator"]
    return int(generator.get("trained", generator["levels"]))


def require_fitting(config: Mapping[str, Any], path: Path) -> None:
    """Raises InputError where a set's encoder or lighting network belongs to another generator."""
    try:
        reason = _misfit(config)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a set of a known form ({error}); import the original files again") from error
    if reason:
        raise InputError(f"{path}: {reason}; give the one that was trained for it")


def _misfit(config: Mapping[str, Any]) -> str | None:
    """What does not fit in a set of that configuration."""
    if "deeplandscape_generator" not in config:
        return None
    generator: Mapping[str, Any] = config["deeplandscape_generator"]
    encoder, lighting = config.get("deeplandscape_encoder"), config.get("deeplandscape_lighting")
    if encoder:
        given, levels = encoder["levels"], generator.get("trained", generator["levels"])
        if given > generator["levels"] or ("trained" in generator and given != levels):
            return f"an encoder of {given} levels ({2 << given} px) for a generator of {levels} ({2 << levels} px)"
    for name, other in (("an encoder", encoder), ("a lighting network", lighting)):
        if other and other["style_dim"] != generator["style_dim"]:
            return f"{name} for styles of {other['style_dim']} numbers, not of {generator['style_dim']}"
    return None

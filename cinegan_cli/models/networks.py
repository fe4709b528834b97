"""Networks from configurations, and configurations from the shapes of a released state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import load_strictly, require_finite
from cinegan_cli.models.formats import deeplandscape
from cinegan_cli.models.formats.deeplandscape import DEEPLANDSCAPE, DeepLandscapeKind, count_of
from cinegan_cli.models.formats.lpips import backbone_of
from cinegan_cli.nn.classifier import ClassifierConfig, PixelClassifier
from cinegan_cli.nn.lpips import Lpips
from cinegan_cli.nn.pix2pixhd import GlobalGenerator, GlobalGeneratorConfig
from cinegan_cli.nn.stylegan2 import (
    Encoder,
    EncoderConfig,
    Generator,
    GeneratorConfig,
    PhotoEncoder,
    PhotoEncoderConfig,
)

Kind = Literal["generator", "encoder", "mask", "motion", "lpips"] | DeepLandscapeKind
KINDS: tuple[Kind, ...] = ("generator", "encoder", "mask", "motion", "lpips", *DEEPLANDSCAPE)
State = Mapping[str, Tensor]

SIGNS: Mapping[Kind, str] = {  # a tensor that only this kind has, in the release's naming
    "generator": "conv1.conv.modulation.weight",
    "encoder": "content_layer.1.weight",
    "mask": "layers.0.weight",
    "motion": "model.1.weight",
    # files of LPIPS are halves: `formats.lpips`
}


def recognise(state: State) -> Kind | None:
    """The kind of network that a state dict in the release's naming belongs to."""
    return next((kind for kind, sign in (*SIGNS.items(), *deeplandscape.SIGNS.items()) if sign in state), None)


def config_of(kind: Kind, state: State) -> dict[str, Any]:
    """What the shapes say about the network. Raises KeyError or ValueError where they are not those of its kind."""
    if kind in DEEPLANDSCAPE:
        return deeplandscape.config_of(kind, state)
    if kind == "generator":
        return asdict(_generator_config(state))
    if kind == "encoder":
        channels, dim = state["content_layer.4.weight"].shape[0], state["styles.0.weight"].shape[0]
        return asdict(EncoderConfig(count_of(state, r"styles\.(\d+)\.weight"), dim, channels))
    if kind == "mask":
        first, second = state["layers.0.weight"], state["layers.3.weight"]
        return asdict(ClassifierConfig(first.shape[1], (first.shape[0], second.shape[0])))
    if kind == "lpips":
        return {"backbone": backbone_of(state)}
    return asdict(_motion_config(state))


def _generator_config(state: State) -> GeneratorConfig:
    levels = count_of(state, r"to_rgbs\.(\d+)\.bias")
    size = 4 * 2**levels
    last = f"convs.{2 * levels - 1}.conv.weight" if levels else "conv1.conv.weight"
    return GeneratorConfig(
        size=size,
        style_dim=state["conv1.conv.modulation.weight"].shape[1],
        mapping_layers=count_of(state, r"style\.(\d+)\.weight") - 1,  # number 0 is the pixel norm
        channel_multiplier=state[last].shape[1] * size / 16384,
        max_channels=state["conv1.conv.weight"].shape[1],
    )


def _motion_config(state: State) -> GlobalGeneratorConfig:
    blocks = {key.split(".")[1] for key in state if ".conv_block." in key}
    last = max(int(key.split(".")[1]) for key in state)
    first = state["model.1.weight"]
    # three layers for each downsampling and four for each upsampling lie around the blocks
    downsamplings = (last - 5 - len(blocks)) // 7
    return GlobalGeneratorConfig(
        first.shape[1], state[f"model.{last}.weight"].shape[0], first.shape[0], downsamplings, len(blocks)
    )


def build(kind: Kind, config: Mapping[str, Any]) -> nn.Module:
    """A network on the meta device, without values. Raises TypeError or ValueError for a config of another kind."""
    with torch.device("meta"):
        if kind in DEEPLANDSCAPE:
            return deeplandscape.build(kind, config)
        if kind == "generator":
            return Generator(GeneratorConfig(**{k: v for k, v in config.items() if k != "first_index"}))
        if kind == "encoder":
            own = {k: v for k, v in config.items() if k != "kind"}
            if config.get("kind") == "photo":
                return PhotoEncoder(PhotoEncoderConfig(**own))
            return Encoder(EncoderConfig(**own))
        if kind == "mask":
            return PixelClassifier(ClassifierConfig(config["channels"], tuple(config["hidden"])))
        if kind == "lpips":
            return Lpips(config["backbone"])
        return GlobalGenerator(GlobalGeneratorConfig(**config))


def filled(kind: Kind, config: Mapping[str, Any], state: State, path: Path) -> nn.Module:
    """The network with these weights in float32, for inference.

    Of a generator whose config has a `first_index` only the layers behind that feature are there; the others are 0.
    Raises InputError naming the first tensor that is missing, unknown, of another shape or not finite.
    """
    try:
        module = build(kind, config)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not a {kind} of a known form ({error}); import the original file again") from error
    module = module.to_empty(device="cpu")
    if "first_index" in config:
        state = {**{k: torch.zeros_like(v) for k, v in module.state_dict().items()}, **state}
    require_finite(kind, state, path)
    load_strictly(module, state, path)
    return module.eval().requires_grad_(False)

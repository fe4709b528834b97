"""Super-resolution networks on this machine: the authors' `G.pth`, or what `cinegan train superres` wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import Bundle, is_bundle, load_strictly, read_bundle, require_finite, write_bundle
from cinegan_cli.models.formats.stylecinegan import PREFIX, read_state
from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig, super_resolver_of

SUPERRES_KIND = "superres"  # of a weights file


def read_superres(path: Path) -> SuperResolver:
    """The network of a weights file, on the CPU, float32, in evaluation mode, without gradients of its weights.

    Nothing in the file is executed. Raises InputError when it cannot be read or holds something else.
    """
    if is_bundle(path):
        bundle = read_bundle(path, SUPERRES_KIND)
        try:
            return _filled(super_resolver_of(bundle.config["network"]), bundle.tensors, path)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not of a known form ({error}); train it again") from error
    found = read_state(path).items()
    state = {key.removeprefix(PREFIX): value for key, value in found if isinstance(value, Tensor)}
    try:
        with torch.device("meta"):
            network = SuperResolver(superres_config_of(state))
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(f"{path}: not DeepLandscape's super-resolution ({error} is missing); give G.pth") from error
    return _filled(network.to_empty(device="cpu"), state, path)


def write_superres(path: Path, network: SuperResolver) -> None:
    """A weights file for `read_superres`. Raises OutputError."""
    tensors = {name: value.cpu() for name, value in network.state_dict().items()}
    write_bundle(path, Bundle(SUPERRES_KIND, {"network": network.config.as_dict()}, tensors))


def superres_config_of(state: Mapping[str, Tensor]) -> SuperResolverConfig:
    """What the shapes of a state dict in the release's naming say. Raises KeyError or IndexError for another's."""
    first = state["net.conv_first.weight"]
    segmenter = None
    if any(key.startswith("binary_mask.") for key in state):
        layers = [_count(state, rf"binary_mask\.encoder\.layer{k}\.(\d+)\.conv1\.weight") for k in range(1, 5)]
        last = state["binary_mask.decoder.conv_last.4.weight"]
        width = state["binary_mask.encoder.conv1.weight"].shape[0]
        segmenter = SegmenterConfig(width, (layers[0], layers[1], layers[2], layers[3]), last.shape[1], last.shape[0])
    return SuperResolverConfig(
        features=first.shape[0],
        blocks=_count(state, r"net\.RRDB_trunk\.(\d+)\.RDB1\.conv1\.weight"),
        growth=state["net.RRDB_trunk.0.RDB1.conv1.weight"].shape[0],
        segmenter=segmenter,
        spare="linear_gdf1.weight" in state,
    )


def _filled(network: SuperResolver, state: Mapping[str, Tensor], path: Path) -> SuperResolver:
    require_finite(SUPERRES_KIND, state, path)
    load_strictly(network, state, path)
    network.eval().requires_grad_(False)
    return network


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(match[1]) for key in state if (match := re.fullmatch(pattern, key))), default=-1)

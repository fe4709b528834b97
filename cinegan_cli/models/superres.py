"""Super-resolution networks in files: the authors' `G.pth`, a set, or what `cinegan train superres` wrote."""

from __future__ import annotations

from pathlib import Path

from cinegan_cli.models.bundle import Bundle, is_bundle, write_bundle
from cinegan_cli.models.formats.deeplandscape import DeepLandscapeKind
from cinegan_cli.models.formats.stylecinegan import load_released
from cinegan_cli.models.store import open_bundle
from cinegan_cli.nn.rrdb import SuperResolver

SUPERRES: DeepLandscapeKind = "deeplandscape_superres"  # kind of a weights file, part of a set


def read_superres(path: Path) -> SuperResolver:
    """The network, on the CPU, float32, in evaluation mode, without gradients of its weights.

    Raises InputError when the file cannot be read or is damaged, ModelMissingError when it holds something else.
    """
    network = open_bundle(path).network(SUPERRES) if is_bundle(path) else load_released(path, SUPERRES)
    assert isinstance(network, SuperResolver)
    return network


def write_superres(path: Path, network: SuperResolver) -> None:
    """A weights file for `read_superres`. Raises OutputError."""
    tensors = {name: value.cpu() for name, value in network.state_dict().items()}
    write_bundle(path, Bundle(SUPERRES, network.config.as_dict(), tensors))

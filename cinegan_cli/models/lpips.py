"""LPIPS from published weights that the user brought: named by `--lpips`, or installed by `cinegan models import`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import is_bundle
from cinegan_cli.models.formats.lpips import backbone_of, joined
from cinegan_cli.models.formats.stylecinegan import read_released
from cinegan_cli.models.networks import filled
from cinegan_cli.models.store import first_with, open_bundle
from cinegan_cli.nn.lpips import Lpips

NONE = (Path("none"),)  # as the value of --lpips
BACKBONES = {"alex": "AlexNet", "vgg": "VGG-16"}


def lpips_files(given: Sequence[Path]) -> tuple[Path, ...]:
    """The files to read: those given, by default the bundle that is installed; none at all for `NONE`.

    Raises InputError for an installed bundle that is damaged.
    """
    if given:
        return () if tuple(given) == NONE else tuple(given)
    models = first_with("lpips")
    return () if models is None else (models.path,)


def read_lpips(paths: Sequence[Path]) -> Lpips:
    """The network of a bundle, or of published files: AlexNet or VGG-16 and the five heads, in one file or in two.

    Nothing in the files is executed. Raises InputError when a file cannot be read or something is missing,
    ModelMissingError for a bundle without LPIPS.
    """
    if len(paths) == 1 and is_bundle(paths[0]):
        return open_bundle(paths[0]).lpips()
    halves = {}
    for path in paths:
        kind, halves[path], _ = read_released(path)
        if kind != "lpips":
            raise InputError(f"{path}: holds a {kind} network; --lpips takes torchvision's AlexNet or VGG-16 and heads")
    state = joined(halves)
    network = filled("lpips", {"backbone": backbone_of(state)}, state, paths[0])
    assert isinstance(network, Lpips)
    return network


def find_lpips(given: Sequence[Path]) -> tuple[Lpips | None, str]:
    """The network of `lpips_files`, and a note: what it is, or how to have one. Raises as `read_lpips`."""
    files = lpips_files(given)
    if files:
        network = read_lpips(files)
        return network, f"LPIPS: {BACKBONES[network.backbone]}, from {', '.join(path.name for path in files)}."
    if given:
        return None, "LPIPS: left out (--lpips none)."
    return None, (
        "LPIPS: left out, no weights given: cinegan models import alexnet-owt-7be5be79.pth alex.pth installs them, "
        "--lpips names them for once."
    )

"""The perceptual loss of an inversion: VGG-19 that the user brought, else features of the encoder that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import is_bundle, load_strictly, read_bundle, require_finite, unpack
from cinegan_cli.models.formats.deeplandscape import DeepLandscapeKind
from cinegan_cli.models.formats.stylecinegan import load_released
from cinegan_cli.models.lpips import NONE
from cinegan_cli.models.store import first_with, open_bundle
from cinegan_cli.nn.seer import seer_of
from cinegan_cli.nn.vgg import LiteFeatures, Perceptual, Vgg

LITE = (
    Path(__file__).parents[1] / "weights" / "seer.safetensors"
)  # its encoder, trained on ImageNet, then on landscapes
PERCEPTUAL: DeepLandscapeKind = "deeplandscape_perceptual"
VGG_NAME, LITE_NAME = "VGG-19 features", "EfficientNet-Lite features"


def find_perceptual(given: Sequence[Path] = ()) -> tuple[Perceptual, str]:
    """The network, and its name for outputs: VGG-19 of the file or set given, or of one that is installed.

    Where there is none, and for `NONE`, the features of the encoder that ships. On the CPU, in evaluation mode, without
    gradients of its weights. Nothing in a file is executed. Raises InputError when it cannot be read,
    ModelMissingError when it holds something else.
    """
    if tuple(given) == NONE:
        return read_lite(), LITE_NAME
    models = first_with(PERCEPTUAL)
    path = given[0] if given else None if models is None else models.path
    if path is None:
        return read_lite(), LITE_NAME
    network = open_bundle(path).network(PERCEPTUAL) if is_bundle(path) else load_released(path, PERCEPTUAL)
    assert isinstance(network, Vgg)
    return network, VGG_NAME


def read_lite(path: Path = LITE) -> LiteFeatures:
    """The features of the encoder in a seer's file, of its first member. Raises InputError, ModelMissingError."""
    bundle = read_bundle(path, "seer")
    try:
        config = seer_of(bundle.config["network"]).config.backbone
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: not of a known form ({error}); train it again") from error
    network, prefix = LiteFeatures(config), "0.encoder."
    packed = {name.removeprefix("0."): value for name, value in bundle.tensors.items() if name.startswith(prefix)}
    require_finite("seer", packed, path)
    load_strictly(network, unpack(packed), path)
    network.eval().requires_grad_(False)
    return network

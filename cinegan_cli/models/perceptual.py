"""The perceptual loss of an inversion: VGG-19 that the user brought, else features of the encoder that ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from cinegan_cli.errors import InputError
from cinegan_cli.models.bundle import load_strictly, read_bundle, require_finite, unpack
from cinegan_cli.models.formats.stylecinegan import read_state
from cinegan_cli.models.lpips import NONE
from cinegan_cli.nn.seer import seer_of
from cinegan_cli.nn.vgg import LiteFeatures, Perceptual, Vgg

LITE = (
    Path(__file__).parents[1] / "weights" / "seer.safetensors"
)  # its encoder, trained on ImageNet, then on landscapes
VGG_NAME, LITE_NAME = "VGG-19 features", "EfficientNet-Lite features"


def find_perceptual(given: Sequence[Path] = ()) -> tuple[Perceptual, str]:
    """The network, and its name for outputs: VGG-19 from the file given, else `LITE_NAME`; that also for `NONE`.

    On the CPU, in evaluation mode, without gradients of its weights. Nothing in a file is executed. Raises InputError
    when it cannot be read or holds something else.
    """
    if given and tuple(given) != NONE:
        return read_vgg(given[0]), VGG_NAME
    return read_lite(), LITE_NAME


def read_vgg(path: Path) -> Vgg:
    """VGG-19 of a file of torchvision's, with or without the classifier. Raises InputError."""
    state = {
        key: value.float()
        for key, value in read_state(path).items()
        if isinstance(value, Tensor) and key.startswith("features.")
    }
    if "features.34.weight" not in state:
        raise InputError(f"{path}: not VGG-19; give torchvision's vgg19-dcbb9e9d.pth")
    network = Vgg()
    require_finite("perceptual", state, path)
    load_strictly(network, state, path)
    network.eval().requires_grad_(False)
    return network


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

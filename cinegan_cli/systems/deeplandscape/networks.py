"""The networks that inverting and animating a photo take."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cinegan_cli.config import InversionConfig
from cinegan_cli.models import DeepLandscapeSet, find_deeplandscape, find_perceptual
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.session import Session


@dataclass(frozen=True)
class Networks:
    """Of one set of models, named `name`.

    `levels` is N, the number of levels used: 7 make 256 px on the short side, 8 make 512. `mean_w` [D] is the mean of
    w over z. `perceptual_name` says what
    the perceptual distance is made of. `encoder`: photo [B, 3, H, W] in [-1, 1] → w [B, N, 2, D], if there is one;
    `lighting`: `(w [B, D], z_dyn [B, 3], c) -> w [B, D]`, likewise.
    """

    name: str
    generator: Generator
    levels: int
    mean_w: Tensor
    perceptual: Perceptual
    perceptual_name: str
    encoder: nn.Module | None = None
    lighting: nn.Module | None = None

    @property
    def side(self) -> int:
        """Pixels on the short side of the generator's pictures."""
        return 4 << (self.levels - 1)


def open_networks(config: InversionConfig, session: Session) -> Networks:
    """Those of the set that `--models` names, else the first installed, else the one that ships; on the device.

    Raises ModelMissingError when there is none, InputError for damaged files.
    """
    chosen = DeepLandscapeSet(session.models(find_deeplandscape(config.models)))
    given = () if config.perceptual is None else (config.perceptual,)
    perceptual, called = find_perceptual(given)
    encoder, lighting = chosen.encoder(), chosen.lighting()
    device = session.device
    return Networks(
        chosen.name,
        chosen.generator().to(device),
        chosen.levels,
        chosen.mean_w().to(device),
        perceptual.to(device),
        called,
        None if encoder is None else encoder.to(device),
        None if lighting is None else lighting.to(device),
    )

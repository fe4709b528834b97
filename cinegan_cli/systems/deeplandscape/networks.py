"""The networks that inverting and animating a photo take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from cinegan_cli.config import InversionConfig
from cinegan_cli.models import DeepLandscapeSet, find_deeplandscape, find_perceptual
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.rrdb import SuperResolver
from cinegan_cli.nn.vgg import Perceptual
from cinegan_cli.session import Session


@dataclass(frozen=True)
class Networks:
    """Of one set of models, named `name`.

    `levels` is N, the number of levels used: 7 make 256 px on the short side, 8 make 512. `mean_w` [D] is the mean of
    w over z. `perceptual_name` says what the perceptual distance is made of. `encoder`: photo [B, 3, H, W] in [-1, 1]
    → w [B, N, 2, D], if there is one; `lighting`: `(w [B, D], z_dyn [B, 3], c) -> w [B, D]`, likewise; `superres`
    makes frames four times as large.
    """

    name: str
    generator: Generator
    levels: int
    mean_w: Tensor
    perceptual: Perceptual
    perceptual_name: str
    encoder: nn.Module | None = None
    lighting: nn.Module | None = None
    superres: SuperResolver | None = None

    @property
    def side(self) -> int:
        """Pixels on the short side of the generator's pictures."""
        return 4 << (self.levels - 1)


def open_networks(config: InversionConfig, session: Session) -> Networks:
    """Those of the set that `--models` names, else the first installed, else the one that ships.

    Raises ModelMissingError when there is none, InputError for damaged files.
    """
    models = DeepLandscapeSet(session.models(find_deeplandscape(config.models)))
    return networks_of(models, config.perceptual, session)


def networks_of(models: DeepLandscapeSet, vgg: Path | None, session: Session) -> Networks:
    """The set's networks on the session's device, and the perceptual distance: VGG-19 of the file, or what there is."""
    given = () if vgg is None else (vgg,)
    perceptual, name = session.opened("perceptual", vgg or models.models.path, lambda: find_perceptual(given))
    encoder, lighting = models.encoder(), models.lighting()
    device = session.device
    return Networks(
        models.name,
        models.generator().to(device),
        models.levels,
        models.mean_w().to(device),
        perceptual.to(device),
        name,
        None if encoder is None else encoder.to(device),
        None if lighting is None else lighting.to(device),
    )

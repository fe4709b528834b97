"""A photo beside what a generator makes of its latents: what `cinegan invert` reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.errors import UsageError
from cinegan_cli.measure import ms_ssim, psnr
from cinegan_cli.models import find_models
from cinegan_cli.session import Session
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.stylecinegan.invert import Inversion, analyse, choose_models, reconstruction
from cinegan_cli.systems.stylecinegan.latents import write_latents
from cinegan_cli.types import Photo


@dataclass(frozen=True)
class Inverted:
    """A photo, its inversion, and the picture `made` of it without a residual: float32 [3, H, W] in [0, 1]."""

    photo: Photo
    inversion: Inversion
    made: Tensor

    @property
    def psnr(self) -> float:
        """dB."""
        return psnr(self.photo.pixels, self.made)

    @property
    def ms_ssim(self) -> float:
        """In [0, 1]."""
        return ms_ssim(self.photo.pixels, self.made)

    @property
    def notices(self) -> tuple[str, ...]:
        """Those of the photo."""
        return self.photo.notices

    def figures(self) -> dict[str, object]:
        """How like the photo the picture is, for --json."""
        return {"psnr": self.psnr, "ms_ssim": self.ms_ssim}

    def sentence(self) -> str:
        """The same in a line."""
        return (
            f"reconstruction without residual: PSNR {self.psnr:.1f} dB, "
            f"MS-SSIM {self.ms_ssim:.4f} ({self.inversion.models.name})"
        )

    def write(self, path: Path) -> None:
        """The latents. Raises OutputError."""
        write_latents(path, self.inversion.latents, self.inversion.models.name)

    def side_by_side(self) -> NDArray[np.uint8]:
        """The photo at the left, what the generator makes at the right: [H, 2 W, 3]."""
        made = (self.made * 255).round().to(torch.uint8).permute(1, 2, 0)
        return torch.cat((self.photo.pixels_u8, made), dim=1).numpy()


def invert_photo(path: Path, config: Config, session: Session | None = None) -> Inverted:
    """The photo's latents under the generator chosen, else the shipped one, and the picture they give."""
    session = session or Session(config.run)
    if config.inversion.backbone == "pyramid":
        raise UsageError("--backbone pyramid: has no latents; leave it out")
    with session.at_work():
        models = choose_models(config.inversion, session) or session.models(find_models())
        session.tell("reading the photo")
        photo = read_photo(path, config.photo)
        session.tell("inverting the photo")
        inversion = analyse(photo, models, config.inversion, session=session, vote=False)
        return Inverted(photo, inversion, reconstruction(inversion, (photo.size[1], photo.size[0])))

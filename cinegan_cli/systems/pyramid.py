"""The system without weights: Laplacian bands of the photo's own moving layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cinegan_cli.config import Config, StyleConfig
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import pyramid
from cinegan_cli.stages.look import parse_target, restyle
from cinegan_cli.systems.base import banded_layer
from cinegan_cli.types import Analysis, KeyPicture, LayerFrame, Mask, Photo, Scene


class Pyramid:
    """Knows nothing about a photo, and needs nothing: works at any size, exact to float rounding."""

    name = "pyramid"

    @classmethod
    def open(cls, config: Config, session: Session) -> Pyramid:
        """Always there."""
        return cls()

    def analyse(self, photo: Photo, config: Config, session: Session, *, vote: bool) -> Analysis:
        """Nothing."""
        return Analysis()

    def motion_networks(self, session: Session) -> Mapping[str, nn.Module]:
        """None."""
        return {}

    def looks(
        self, photo: Photo, mask: Mask | None, analysis: Analysis, style: StyleConfig, session: Session
    ) -> tuple[KeyPicture, ...]:
        """The look transferred onto the photo; β runs straight from one to the other."""
        whole = restyle(photo, mask, parse_target(style.target), session=session)
        last = KeyPicture(style.strength, torch.lerp(photo.pixels, whole, style.strength).clamp_(0, 1))
        return (KeyPicture(0.0, photo.pixels), last) if style.cycle else (last,)

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Frames from the pyramid's bands."""
        return banded_layer(scene, coverage, config, lambda state, picture, coverage: pyramid(picture))

"""DeepLandscape as a system: the photo's latents, and a generator that paints every frame from moving noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat

import torch
from torch import Tensor, nn

from cinegan_cli.config import Config, StyleConfig
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import dequantise, moving_layer
from cinegan_cli.stages.look import parse_target, restyle
from cinegan_cli.systems.deeplandscape.flow import flowing_maps
from cinegan_cli.systems.deeplandscape.frames import grid_of, layer_frames, painted
from cinegan_cli.types import Analysis, KeyPicture, LayerFrame, Mask, Photo, Scene


def open_deeplandscape(config: Config, session: Session) -> DeepLandscape | None:
    """The system, where `--backbone` asks for it by name."""
    if config.inversion.backbone != "deeplandscape":
        return None
    torch.manual_seed(0)
    generator = Generator(levels=6, multiplier=0.25)
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            nn.init.normal_(gain, std=3)
    return DeepLandscape(generator.eval().requires_grad_(False))


class DeepLandscape:
    """Frames by the generator; `Analysis.state` holds w and the maps."""

    name = "deeplandscape"

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def analyse(self, photo: Photo, config: Config, session: Session, *, vote: bool) -> Analysis:
        """The photo's latents."""
        session.tell("inverting the photo")
        rows, columns = grid_of(*photo.size)
        levels = self.generator.levels
        shapes = [(1, 1, rows << i, columns << i) for i in range(levels)]
        w = self.generator.mapping(torch.randn(1000, self.generator.style_dim)).mean(0)
        return Analysis(
            state=(
                w.expand(1, levels, 2, -1),
                [torch.randn(shape) for shape in shapes],
                [torch.randn(shape) for shape in shapes],
            )
        )

    def motion_networks(self, session: Session) -> Mapping[str, nn.Module]:
        """None."""
        return {}

    def looks(
        self, photo: Photo, mask: Mask | None, analysis: Analysis, style: StyleConfig, session: Session
    ) -> tuple[KeyPicture, ...]:
        """The look transferred onto the photo, as the pyramid does it."""
        whole = restyle(photo, mask, parse_target(style.target), session=session)
        last = KeyPicture(style.strength, torch.lerp(photo.pixels, whole, style.strength).clamp_(0, 1), analysis.state)
        return (KeyPicture(0.0, photo.pixels, analysis.state), last) if style.cycle else (last,)

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Frames of the generator, with the photo's own detail."""
        w, static, dynamic = scene.analysis.state
        region = (coverage > 0).to(torch.uint8)
        layer = moving_layer(scene.photo, scene.mask, scene.motion)
        maps = flowing_maps(dynamic, scene.motion, region, config.render)
        pictures = painted(self.generator, repeat(w, config.render.frames), static, maps)
        known = (scene.mask.alpha > 0.98).float()
        for moved in layer_frames(dequantise(layer), pictures, known, scene.motion, region, config.render):
            yield LayerFrame(moved, layer, scene.photo.pixels_u8)

"""DeepLandscape as a system: the photo's latents, and a generator that paints every frame from moving noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import torch
from torch import Tensor, nn

from cinegan_cli.config import Config, StyleConfig, WeatherConfig
from cinegan_cli.errors import ModelMissingError, UsageError
from cinegan_cli.models import DeepLandscapeSet, find_deeplandscape
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import dequantise, moving_layer, texture_kept
from cinegan_cli.stages.look import parse_target, restyle
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.systems.deeplandscape.flow import drift, drifting_maps, flowing_maps
from cinegan_cli.systems.deeplandscape.frames import Enlarge, grid_of, layer_frames, painted
from cinegan_cli.systems.deeplandscape.inverted import invert_pixels
from cinegan_cli.systems.deeplandscape.latents import Latents, read_latents
from cinegan_cli.systems.deeplandscape.lighting import cycle_keys, light_keys, relit, strength_for
from cinegan_cli.systems.deeplandscape.movers import HomographyMover
from cinegan_cli.systems.deeplandscape.networks import Networks, networks_of
from cinegan_cli.systems.deeplandscape.noise import find_horizon
from cinegan_cli.systems.deeplandscape.relight import Light, even_times, lights
from cinegan_cli.systems.deeplandscape.superres import Enlarger, resized
from cinegan_cli.systems.deeplandscape.variants import variant_named
from cinegan_cli.systems.deeplandscape.winds import CLOCK, Speed, wind
from cinegan_cli.types import Analysis, KeyPicture, LayerFrame, Mask, Motion, Photo, Scene

REAL: Speed = "x2.5"  # the set of homographies that is as fast as real clips (the release's README)


@dataclass(frozen=True)
class Found:
    """A photo's latents, and the generator that goes with them: the set's own, or fine-tuned."""

    latents: Latents
    generator: Generator


def open_deeplandscape(config: Config, session: Session) -> DeepLandscape | None:
    """The system, where `--backbone` asks for it by name.

    Raises ModelMissingError without a set, or where that lacks what the wanted light needs; UsageError for a motion
    beside a wind.
    """
    if config.inversion.backbone != "deeplandscape":
        return None
    path = find_deeplandscape(config.inversion.models)
    models = DeepLandscapeSet(session.models(path))
    weather, motion = config.weather, config.motion
    if (weather.light or weather.light_cycle) and models.lighting() is None:
        option = f"--light {weather.light}" if weather.light else "--light-cycle"
        raise ModelMissingError(
            f"{option}: the set {models.name} holds no lighting network; train one, or leave it out"
        )
    if weather.wind is not None and (motion.motion or motion.arrow or motion.hints or motion.direction):
        raise UsageError("--wind: says where everything moves, and so do --motion, --arrow, --hints and --direction")
    return DeepLandscape(networks_of(models, config.inversion.perceptual, session), weather)


class DeepLandscape:
    """Frames by the generator; `Analysis.state` is what was `Found`."""

    def __init__(self, networks: Networks, weather: WeatherConfig) -> None:
        self.networks, self.weather = networks, weather

    @property
    def name(self) -> str:
        """That of the set of models."""
        return self.networks.name

    def analyse(self, photo: Photo, config: Config, session: Session, *, vote: bool) -> Analysis:
        """The photo's latents, read or found."""
        networks, settings = self.networks, config.inversion
        if settings.latents is not None:
            return Analysis(state=Found(*read_latents(settings.latents, networks.generator, grid_of(*photo.size))))
        way = variant_named(settings.variant)
        still = None
        if way.routed:
            session.tell("finding what moves")
            still = (make_mask(photo, config.mask, session=session).alpha < 0.5).float()
        inverted = invert_pixels(
            photo.pixels, still, networks, way, steps=settings.steps, session=session, say=session.tell
        )
        return Analysis(state=Found(inverted.latents, inverted.generator))

    def motion_networks(self, session: Session) -> Mapping[str, nn.Module]:
        """None."""
        return {}

    def looks(
        self, photo: Photo, mask: Mask | None, analysis: Analysis, style: StyleConfig, session: Session
    ) -> tuple[KeyPicture, ...]:
        """The look transferred onto the photo. Raises UsageError for one that changes within the loop."""
        if style.cycle:
            raise UsageError("--cycle: DeepLandscape's light changes with --light or --light-cycle; take one of those")
        whole = restyle(photo, mask, parse_target(style.target), session=session)
        picture = torch.lerp(photo.pixels, whole, style.strength).clamp_(0, 1)
        return (KeyPicture(style.strength, picture, analysis.state),)

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Frames of the generator with the photo's own detail, in the photo's light or in a changing one."""
        found: Found = scene.analysis.state
        codes, render, photo = found.latents.codes, config.render, scene.photo
        region = (coverage > 0).to(torch.uint8)
        motion, maps = self._moving(scene, codes.dynamic, region, config)
        layer = moving_layer(photo, scene.mask, motion)
        known = (scene.mask.alpha > 0.98).float()
        pictures = painted(found.generator, codes, maps)
        smooth, enlarge = dequantise(layer), self._enlarge(photo, region)
        kept = texture_kept(smooth, layer, region)
        frames = layer_frames(smooth, pictures, known, motion, region, render, enlarge, kept=kept)
        for light, moved in zip(self._lights(found, render.frames), frames, strict=True):
            if light is None:
                yield LayerFrame(moved, layer, photo.pixels_u8)
            else:
                lit = light(photo.pixels)
                static = (lit * 255).round_().to(torch.uint8).permute(1, 2, 0).contiguous()
                there = static.permute(2, 0, 1).float() / 255 + (light(layer) - lit)
                yield LayerFrame(light(moved), there, static)

    def _moving(
        self, scene: Scene, dynamic: list[Tensor], region: Tensor, config: Config
    ) -> tuple[Motion, Iterator[list[Tensor]]]:
        """The motion of the photo's detail, and the maps that move alike."""
        direction = self.weather.wind
        if direction is None:
            return scene.motion, flowing_maps(dynamic, scene.motion, region, config.render)
        shifts = wind(direction, self.weather.wind_set or (REAL if direction in CLOCK else "manual"))
        sky = scene.mask.alpha if scene.mask.sky is None else scene.mask.sky
        mover = HomographyMover(dynamic, shifts, find_horizon(sky), moving=region.float())
        speed = config.motion.speed
        return drift(mover, speed), drifting_maps(mover, speed, config.render)

    def _lights(self, found: Found, frames: int) -> Iterator[Light | None]:
        """The light of every frame; None where it does not change."""
        if not (self.weather.light or self.weather.light_cycle):
            return repeat(None, frames)
        assert self.networks.lighting is not None
        codes, strength = found.latents.codes, strength_for(self.networks.levels)
        keys = light_keys(self.weather.light, strength) if self.weather.light else cycle_keys(strength)
        path = partial(relit, self.networks.lighting, codes.w[0], keys)
        even = torch.arange(frames) / frames
        return lights(
            found.generator,
            codes,
            path(even if self.weather.light else even_times(found.generator, codes, path, frames)),
        )

    def _enlarge(self, photo: Photo, region: Tensor) -> Enlarge:
        """How a frame comes to the photo's size: by the super-resolution network, where the set has one."""
        if self.networks.superres is None:
            return lambda frame: resized(frame, photo.pixels.shape[1:])
        return Enlarger(photo.pixels, self.networks.superres, moving=region.float())

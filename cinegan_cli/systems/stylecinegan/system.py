"""StyleCineGAN as a system: inversion, votes and bands of a StyleGAN2 generator, or its literal deep path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor, nn

from cinegan_cli.config import Config, StyleConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.models import SHIPPED, Models
from cinegan_cli.session import Session
from cinegan_cli.stages.look import parse_target
from cinegan_cli.systems.base import banded_layer
from cinegan_cli.systems.stylecinegan.bands import generator_bands, zero_mean
from cinegan_cli.systems.stylecinegan.codes import styled_inversion, target_codes
from cinegan_cli.systems.stylecinegan.deep import deep_frames
from cinegan_cli.systems.stylecinegan.invert import Inversion, analyse, as_picture, choose_models
from cinegan_cli.types import Analysis, Bands, KeyPicture, LayerFrame, Mask, Photo, Scene

KEYS = 4  # steps of β between the photo and the whole look, over which the generator's pictures are interpolated


def open_stylecinegan(config: Config, session: Session) -> StyleCineGAN | None:
    """The system with the set of models for this run, None where "auto" finds none.

    The look of another photo is taken by the shipped generator where no other is installed: its w+ brings the colours
    nearer to that photo's than the transfer without weights (`docs/measurements.md`).
    """
    models = choose_models(config.inversion, session)
    if models is None and config.style.target is not None and parse_target(config.style.target).reference is not None:
        models = session.models(SHIPPED)
    if models is None:
        return None
    if config.inversion.mode == "deep" and config.render.warp == "rgb":
        raise UsageError("--warp rgb: --mode deep warps features; leave one of them out")
    return {"bands": StyleCineGAN, "deep": DeepStyleCineGAN}[config.inversion.mode](models)


class StyleCineGAN:
    """Bands are the generator's toRGB contributions and what they leave out; `Analysis.state` is an `Inversion`."""

    def __init__(self, models: Models) -> None:
        self.models = models

    @property
    def name(self) -> str:
        """That of the set of models."""
        return self.models.name

    def analyse(self, photo: Photo, config: Config, session: Session, *, vote: bool) -> Analysis:
        """The photo's latents and contributions, and the classifiers' votes where the set has them."""
        session.tell("inverting the photo")
        inversion = analyse(photo, self.models, config.inversion, session=session, vote=vote)
        return Analysis(inversion.votes, inversion)

    def motion_networks(self, session: Session) -> Mapping[str, nn.Module]:
        """Those of the set."""
        return self.models.motion_networks(session.device)

    def looks(
        self, photo: Photo, mask: Mask | None, analysis: Analysis, style: StyleConfig, session: Session
    ) -> tuple[KeyPicture, ...]:
        """Keys I + G(D_k, w_s) - G(D_k, w+) with w_s of Eq. 5 (Eq. 6 and 7, written for the whole picture)."""
        inversion: Inversion = analysis.state
        codes = target_codes(photo, mask, parse_target(style.target), inversion, session=session)
        shares = [k / KEYS for k in range(1, KEYS + 1)] if style.cycle else [1.0]
        made = []
        for strength in (share * style.strength for share in shares):
            picture, styled = styled_inversion(photo.pixels, inversion, codes, strength)
            made.append(KeyPicture(strength, picture, styled))
        return (KeyPicture(0.0, photo.pixels, inversion), *made) if style.cycle else tuple(made)

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Frames from the generator's bands; zero-mean where the blend keeps contrast."""

        def make_bands(inversion: Inversion, picture: Tensor, coverage: Tensor) -> Bands:
            known = (coverage >= 1).to(picture.dtype)
            contributions = tuple(band.to(picture.device) for band in inversion.contributions)
            bands = generator_bands(contributions, picture, known=known, residual=not config.inversion.no_residual)
            return zero_mean(bands) if config.render.blend == "contrast" else bands

        return banded_layer(scene, coverage, config, make_bands)


class DeepStyleCineGAN(StyleCineGAN):
    """The paper's literal path: features are warped, and the generator's layers run on every frame."""

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Frames from warped features. Raises UsageError for a look that changes over the loop."""
        if scene.looks:
            raise UsageError("--mode deep: renders one look; leave --cycle out, or --mode deep")
        photo, inversion = scene.photo, scene.analysis.state
        size, device = (photo.size[1], photo.size[0]), photo.pixels.device
        generator = self.models.generator().to(device)
        residual = None
        if not config.inversion.no_residual:
            residual = photo.pixels - as_picture(inversion.summed(inversion.contributions).to(device), size)
        latents = inversion.latents
        latents = replace(latents, w_plus=latents.w_plus.to(device), feature=latents.feature.to(device))
        warped = deep_frames(
            generator,
            latents,
            scene.motion,
            residual,
            size=size,
            render=config.render,
            inversion=config.inversion,
            precision=inversion.precision,
        )
        for moved in warped:
            yield LayerFrame(moved, photo.pixels, photo.pixels_u8)

"""Photo → latents of a StyleGAN2 generator: an encoder's guess, refined for this photo when asked for.

`docs/spec/stylecinegan.md`, sections 2.1 and 6: E(I) gives offsets of w+ from the mean w, and the layout feature D_k,
D10 in the release; the layers after it make the picture from both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import InversionConfig, Precision
from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.models import Models, find_models, installed
from cinegan_cli.nn.stylegan2 import Generator
from cinegan_cli.precision import narrowed, narrowed_for
from cinegan_cli.session import Session
from cinegan_cli.systems.stylecinegan.latents import D10_SIDE, Latents, read_latents
from cinegan_cli.systems.stylecinegan.refine import refine
from cinegan_cli.systems.stylecinegan.votes import fits, votes
from cinegan_cli.types import Photo

MOST_CELLS = 3 * D10_SIDE**2  # of D10: a 3:1 panorama; wider ones get a coarser grid, not more memory


@dataclass(frozen=True)
class Inversion:
    """The photo as a generator sees it.

    `contributions` are the toRGB outputs of all levels from D_k on, coarse to fine, [3, h, w] of pictures in [-1, 1];
    `votes` [3, h, w] the shares of the classifiers for (static, sky, water), if they were asked and are installed;
    `precision` what the contributions were computed in: what is subtracted from them must be made alike.
    """

    models: Models
    latents: Latents
    contributions: tuple[Tensor, ...]
    votes: Tensor | None = None
    precision: Precision = "float32"

    def summed(self, contributions: Sequence[Tensor]) -> Tensor:
        """The picture [1, 3, h, w] in about [-1, 1], on the CPU, that contributions [3, h, w] add up to.

        The generator adds them up where it is: it may have been moved to another device than they.
        """
        generator = self.models.generator()
        device = next(generator.parameters()).device
        return generator.sum_rgb([band[None].to(device) for band in contributions]).cpu()


def choose_models(config: InversionConfig, session: Session) -> Models | None:
    """The set of models that `--backbone` and `--models` name; None for the pyramid.

    "auto" takes an installed set that has a generator and an encoder, and not the shipped one: what moves is made of
    bands with the low frequencies taken out, and with the residual those of any generator add up to the pyramid's.
    Raises ModelMissingError when a set that was asked for is not there or lacks one of them.
    """
    if config.backbone == "pyramid":
        return None
    if config.backbone == "auto" and config.models is None:
        paths = (find_models(name) for name in installed())
        return next((models for models in map(session.models, paths) if models.has("generator", "encoder")), None)
    models = session.models(find_models(config.models))
    if not models.has("generator", "encoder"):
        raise ModelMissingError(
            f"{models.name}: holds no generator with its encoder; add them with `cinegan models import`"
        )
    return models


def analyse(
    photo: Photo,
    models: Models,
    config: InversionConfig,
    *,
    session: Session,
    vote: bool,
) -> Inversion:
    """Invert the photo, or read its latents from `config.latents`, and run the generator once.

    Raises UsageError for a precision that the device cannot do well.
    """
    device, precision = session.device, session.precision
    if config.latents is not None:
        latents = read_latents(config.latents, models.generator(), grid_of(*photo.size))
        latents = replace(latents, w_plus=latents.w_plus.to(device), feature=latents.feature.to(device))
    else:
        latents = invert(photo, models, config, session=session)
    generator = models.generator().to(device)
    with torch.no_grad():
        with narrowed_for(generator, precision, device):
            features = generator.features_from(latents.feature, latents.w_plus, latents.index)
        classifiers = models.classifiers() if vote and fits(models, features) else None
        shares = None if classifiers is None else votes(classifiers.to(device), features)
    contributions = tuple(band[0].cpu() for band in features.rgb)
    return Inversion(models, latents, contributions, shares, precision)


def grid_of(width: int, height: int) -> tuple[int, int]:
    """(rows, columns) of D10 for a picture: 64 on its short side, its own aspect ratio."""
    rows, columns = D10_SIDE * max(1.0, height / width), D10_SIDE * max(1.0, width / height)
    shrink = min(1.0, math.sqrt(MOST_CELLS / (rows * columns)))
    return max(1, round(rows * shrink)), max(1, round(columns * shrink))


def at_generator_size(photo: Tensor, generator: Generator) -> Tensor:
    """A picture [3, H, W] in [0, 1] as the generator makes it: [1, 3, rows, columns] in [-1, 1]."""
    rows, columns = grid_of(photo.shape[2], photo.shape[1])
    scale = generator.config.size // D10_SIDE
    size = (rows * scale, columns * scale)
    if size != photo.shape[1:]:
        photo = F.interpolate(photo[None], size, mode="bilinear", antialias=True)[0]
    return photo[None] * 2 - 1


def reconstruction(inversion: Inversion, size: tuple[int, int]) -> Tensor:
    """What the generator makes of the latents, without a residual: float32 [3, H, W] in [0, 1], `size` = (H, W)."""
    return as_picture(inversion.summed(inversion.contributions), size).clamp(0, 1)


def as_picture(image: Tensor, size: tuple[int, int]) -> Tensor:
    """A generator's [1, 3, h, w] in [-1, 1] → [3, *size] in [0, 1]."""
    image = 0.5 * image + 0.5
    if image.shape[2:] == size:
        return image[0]
    return F.interpolate(image, size, mode="bilinear", antialias=size[0] < image.shape[2])[0]


def invert(photo: Photo, models: Models, config: InversionConfig, *, session: Session) -> Latents:
    """w+ and D_k of the photo, k = `config.inversion_index` or that of the encoder.

    The released encoder gives D10. A later D_k is what the generator makes of it; D9, which D10 does not determine,
    starts as the generator's own for w+ and needs `config.refine` steps to show the photo.
    Raises InputError when the networks give values that are not finite.
    """
    device, precision = session.device, session.precision
    generator = models.generator().to(device)
    pixels = photo.pixels.to(device)
    picture = at_generator_size(pixels, generator)
    with torch.no_grad():
        encoder = models.encoder().to(device)
        with narrowed(precision, device):
            offsets, feature = encoder(encoder_input(picture, grid_of(*photo.size), encoder.pixels_per_cell))
        w_plus = models.mean_w().to(device) + offsets.float()
        wanted = encoder.index if config.inversion_index is None else config.inversion_index
        if wanted < models.first_index:
            raise InputError(
                f"--inversion-index {wanted}: the generator {models.name!r} begins with D{models.first_index}; "
                "take that or a later one"
            )
        with narrowed_for(generator, precision, device):
            latents = _at_index(generator, Latents(w_plus, feature.float(), encoder.index), wanted)
    if not bool(latents.w_plus.isfinite().all() and latents.feature.isfinite().all()):
        raise InputError(f"the models {models.name!r} give no finite latents; check them with `cinegan models verify`")
    return refine(generator, latents, picture, steps=config.refine, progress=session.tell)


def encoder_input(picture: Tensor, grid: tuple[int, int], pixels_per_cell: int) -> Tensor:
    """The encoder's input, so many pixels per cell of D10, by successive bilinear halvings (release)."""
    size = (grid[0] * pixels_per_cell, grid[1] * pixels_per_cell)
    while picture.shape[2] >= 2 * size[0]:
        picture = F.interpolate(picture, scale_factor=0.5, mode="bilinear")
    if picture.shape[2:] != size:
        picture = F.interpolate(picture, size, mode="bilinear")
    return picture


def _at_index(generator: Generator, latents: Latents, index: int) -> Latents:
    if index == latents.index:
        return latents
    if index > latents.index:
        levels = generator.features_from(latents.feature, latents.w_plus, latents.index).levels
        if index not in levels:
            raise InputError(f"--inversion-index {index}: this generator ends at D{max(levels)}; take a smaller one")
        return Latents(latents.w_plus, levels[index].float(), index)
    own = generator.features(latents.w_plus).levels[index].float()
    return Latents(latents.w_plus, F.interpolate(own, latents.feature.shape[2:], mode="bilinear"), index)

"""All that is known before the first frame: photo → inversion → mask → motion → look. No mathematics here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.checkpoints.store import SHIPPED, Models, open_bundle, open_models
from cinegan_cli.config import Config, RunConfig
from cinegan_cli.errors import CheckError, UsageError
from cinegan_cli.evaluation.metrics import ms_ssim, psnr
from cinegan_cli.stages.inversion_generator import Inversion, choose_models, reconstruction, see
from cinegan_cli.stages.mask import make_mask, needs_prediction
from cinegan_cli.stages.motion import make_motion
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.style import parse_target
from cinegan_cli.stages.style_keys import KeyPicture, make_looks
from cinegan_cli.types import Mask, Motion, Photo, Progress


@dataclass(frozen=True)
class Scene:
    """Photo, mask and motion; `inversion` where a generator is used; `looks` where the style changes over the loop."""

    photo: Photo
    mask: Mask
    motion: Motion
    inversion: Inversion | None = None
    looks: tuple[KeyPicture, ...] = ()

    @property
    def backbone(self) -> str:
        """What the bands are made from: "pyramid", or the name of a set of models."""
        return "pyramid" if self.inversion is None else self.inversion.models.name

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know, in the order of the stages."""
        return (*self.photo.notices, *self.mask.notices, *self.motion.notices)


def prepare(photo_path: Path, config: Config, *, progress: Progress | None = None) -> Scene:
    """Read the photo, find what moves, where it moves and how it is to look.

    Raises `CheckError` for doubts about the mask under `config.run.strict`.
    """
    tell = progress or silent
    photo, mask, inversion = find_mask(photo_path, config, progress=tell)
    device = pick_device(config.run.device)
    tell("finding how it moves", 0, 0)
    networks = {} if inversion is None else inversion.models.motion_networks(device)
    scene = Scene(photo, mask, make_motion(photo, mask, config.motion, networks=networks), inversion)
    if config.style.target is None:
        return scene
    tell("changing the look", 0, 0)
    looks = make_looks(photo, mask, inversion, config.style, device=device)
    return replace(scene, looks=looks) if config.style.cycle else restyled(scene, looks[-1])


def find_mask(
    photo_path: Path, config: Config, *, progress: Progress | None = None
) -> tuple[Photo, Mask, Inversion | None]:
    """The first stages alone. Raises `CheckError` for doubts under `config.run.strict`."""
    tell = progress or silent
    device = set_up(config.run)
    models = models_for(config)
    tell("reading the photo", 0, 0)
    photo = read_photo(photo_path, config.photo)
    inversion = None
    if models is not None:
        tell("inverting the photo", 0, 0)
        vote = needs_prediction(config.mask) and config.mask.mask_network is None
        inversion = see(photo, models, config.inversion, device=device, vote=vote, progress=tell)
    tell("finding what moves", 0, 0)
    mask = make_mask(photo, config.mask, device=device, seen=None if inversion is None else inversion.votes)
    if config.run.strict and mask.notices:
        raise CheckError(f"{photo_path}: {mask.notices[0]}")
    return photo, mask, inversion


def models_for(config: Config) -> Models | None:
    """The set of models for this run, None for the pyramid.

    The look of another photo is taken by the shipped generator where no other is installed: its w+ brings the colours
    nearer to that photo's than the transfer without weights, and harms the picture less (`docs/evaluation.md`).
    """
    models = choose_models(config.inversion)
    if models is not None or config.inversion.backbone != "auto" or config.style.target is None:
        return models
    return None if parse_target(config.style.target).reference is None else open_bundle(SHIPPED)


def input_files(photo: Path, config: Config) -> tuple[Path | None, ...]:
    """The files that a run reads, None for those not given."""
    target, models = (None if name is None else Path(name) for name in (config.style.target, config.inversion.models))
    return (
        photo,
        config.mask.mask,
        config.mask.freeze,
        config.mask.mask_network,
        config.motion.motion,
        config.motion.hints,
        config.motion.motion_network,
        config.inversion.latents,
        models,
        target,
    )


@dataclass(frozen=True)
class Inverted:
    """A photo beside what a generator makes of its latents, without a residual."""

    photo: Photo
    inversion: Inversion
    made: Tensor  # float32 [3, H, W] in [0, 1], the photo's size

    @property
    def psnr(self) -> float:
        """dB."""
        return psnr(self.photo.pixels, self.made)

    @property
    def ms_ssim(self) -> float:
        return ms_ssim(self.photo.pixels, self.made)

    def side_by_side(self) -> NDArray[np.uint8]:
        """The photo at the left, what the generator makes at the right: [H, 2 W, 3]."""
        made = (self.made * 255).round().to(torch.uint8).permute(1, 2, 0)
        return torch.cat((self.photo.pixels_u8, made), dim=1).numpy()


def invert_photo(photo_path: Path, config: Config, *, progress: Progress | None = None) -> Inverted:
    """The photo's latents under the generator chosen, else the shipped one, and the picture they give."""
    tell = progress or silent
    device = set_up(config.run)
    if config.inversion.backbone == "pyramid":
        raise UsageError("--backbone pyramid: has no latents; leave it out")
    models = choose_models(config.inversion) or open_models()
    photo = read_photo(photo_path, config.photo)
    tell("inverting the photo", 0, 0)
    inversion = see(photo, models, config.inversion, device=device, vote=False, progress=tell)
    return Inverted(photo, inversion, reconstruction(inversion, (photo.size[1], photo.size[0])))


def style_photo(photo_path: Path, config: Config, *, progress: Progress | None = None) -> Scene:
    """The photo in the look of `config.style`; nothing moves yet. The mask is only used to tell sky from land."""
    tell = progress or silent
    device = set_up(config.run)
    models = models_for(config)
    photo = read_photo(photo_path, config.photo)
    inversion = None
    if models is not None:
        tell("inverting the photo", 0, 0)
        inversion = see(photo, models, config.inversion, device=device, vote=False, progress=tell)
    tell("changing the look", 0, 0)
    look = make_looks(photo, None, inversion, config.style, device=device)[-1]
    still = Motion(torch.zeros(2, 2, 2), "default")
    return restyled(Scene(photo, Mask(torch.zeros(photo.pixels.shape[1:]), "default"), still, inversion), look)


def restyled(scene: Scene, look: KeyPicture) -> Scene:
    """The same scene in one look for the whole loop."""
    levels = (look.picture * 255).round().to(torch.uint8)
    photo = replace(scene.photo, pixels=look.picture, pixels_u8=levels.permute(1, 2, 0).contiguous())
    return replace(scene, photo=photo, inversion=look.inversion)


def on_device(scene: Scene, device: torch.device) -> Scene:
    """The same scene with its pictures on `device`."""
    photo = replace(scene.photo, pixels=scene.photo.pixels.to(device), pixels_u8=scene.photo.pixels_u8.to(device))
    mask = replace(scene.mask, alpha=scene.mask.alpha.to(device))
    motion = replace(scene.motion, velocity=scene.motion.velocity.to(device))
    inversion = scene.inversion
    if inversion is not None:
        inversion = replace(inversion, contributions=tuple(band.to(device) for band in inversion.contributions))
    return replace(scene, photo=photo, mask=mask, motion=motion, inversion=inversion)


def set_up(run: RunConfig) -> torch.device:
    """Threads and seed of this process, and the device to compute on."""
    if run.threads is not None:
        torch.set_num_threads(run.threads)
        cv2.setNumThreads(run.threads)
    torch.manual_seed(run.seed)
    return pick_device(run.device)


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where it works, else the CPU. Raises `UsageError` for a device this machine does not have."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[name]:
        raise UsageError(f"--device {name}: not available here (see `cinegan doctor`); leave it out to use the CPU")
    return torch.device(name)


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""

"""A photo inverted whole: from its pixels to latents, a fine-tuned generator, and what they show beside the photo."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import Config, MaskConfig
from cinegan_cli.errors import InputError, ModelMissingError, UsageError
from cinegan_cli.measure import psnr, ssim
from cinegan_cli.models import find_lpips
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.deeplandscape.codes import Codes, start
from cinegan_cli.systems.deeplandscape.finetune import changes, fine_tune
from cinegan_cli.systems.deeplandscape.frames import at_generator_size, enlarged, grid_of
from cinegan_cli.systems.deeplandscape.invert import search
from cinegan_cli.systems.deeplandscape.latents import Latents, write_latents
from cinegan_cli.systems.deeplandscape.networks import Networks, open_networks
from cinegan_cli.systems.deeplandscape.objective import Objective, apart, objectives_of
from cinegan_cli.systems.deeplandscape.variants import VARIANTS, Variant

ENCODED_SIDE = 256  # px on the short side of an encoder's input, at most: what the release trained its own with

Say = Callable[[str], None]
Tell = Callable[[int, float], None]  # (steps done, loss)


@dataclass(frozen=True)
class Inverted:
    """A photo [3, H, W] in [0, 1], its latents, the generator that goes with them, and the picture that they make.

    `wanted` and `made` [1, 3, h, w] in [-1, 1] are both at the generator's size, not clipped.
    """

    pixels: Tensor
    networks: Networks
    generator: Generator
    latents: Latents
    wanted: Tensor
    made: Tensor
    seconds: float
    notices: tuple[str, ...] = ()

    @cached_property
    def ssim(self) -> float:
        """Of the generator's picture and the photo, at the generator's size; 1 for equal pictures."""
        return ssim(*self._pictures())

    @cached_property
    def psnr(self) -> float:
        """The same in dB."""
        return psnr(*self._pictures())

    @cached_property
    def perceptual(self) -> float:
        """The mean of the layers of `networks.perceptual`, 0 for equal pictures."""
        with torch.no_grad():
            return float(self.networks.perceptual(self.made.clamp(-1, 1), self.wanted).mean())

    def figures(self) -> dict[str, object]:
        """How like the photo the picture is, for --json; `lpips` None where its weights are not installed."""
        found, _ = find_lpips(())
        photo, made = self._pictures()
        return {
            "variant": self.latents.variant,
            "ssim": self.ssim,
            "psnr": self.psnr,
            "perceptual": self.perceptual,
            "perceptual_network": self.networks.perceptual_name,
            "lpips": None if found is None or min(photo.shape[1:]) < 64 else float(found(photo[None], made[None])),
            "seconds": self.seconds,
        }

    def sentence(self) -> str:
        """The same in a line."""
        found = self.figures()
        lpips = "" if found["lpips"] is None else f", LPIPS {found['lpips']:.3f}"
        return (
            f"reconstruction by {self.networks.name} ({self.latents.variant}): SSIM {self.ssim:.3f}, PSNR "
            f"{self.psnr:.1f} dB, perceptual distance {self.perceptual:.3f} ({self.networks.perceptual_name}){lpips}; "
            f"{duration(self.seconds)}"
        )

    def write(self, path: Path) -> None:
        """The latents, as `read_latents` reads them. Raises OutputError."""
        write_latents(path, self.latents, self.networks.generator, self.networks.name)

    def side_by_side(self) -> NDArray[np.uint8]:
        """The photo at the left, what the generator makes of it at the right: [H, 2 W, 3]."""
        made = enlarged(self.made.cpu(), self.pixels.shape[1:]).clamp(0, 1)
        both = torch.cat((self.pixels.cpu(), made), dim=2)
        return (both * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()

    def _pictures(self) -> tuple[Tensor, Tensor]:
        return self.wanted[0].cpu() / 2 + 0.5, (self.made[0].cpu() / 2 + 0.5).clamp(0, 1)


def invert_photo(
    path: Path, config: Config, session: Session | None = None, *, say: Say = lambda text: None
) -> Inverted:
    """`invert_pixels` for a photo in a file, by `config.inversion`; what is still is what `config.mask` does not move.

    Raises what reading the photo, the mask and the networks does, and UsageError for a mask that nothing would read.
    """
    session = session or Session(config.run)
    way = VARIANTS[config.inversion.variant]
    if config.mask != MaskConfig() and not way.routed:
        raise UsageError(f"--variant {way.name}: does not tell apart what moves; take EOIFS, or leave the mask out")
    with session.at_work():
        networks = open_networks(config.inversion, session)
        session.tell("reading the photo")
        photo = read_photo(path, config.photo)
        still, notices = None, photo.notices
        if way.routed:
            session.tell("finding what moves")
            mask = make_mask(photo, config.mask, session=session)
            still, notices = (1 - mask.alpha > 0.5).float(), (*notices, *mask.notices)
        steps = config.inversion.steps
        found = invert_pixels(photo.pixels, still, networks, way, steps=steps, session=session, say=say)
        return replace(found, notices=notices)


def invert_pixels(
    pixels: Tensor,
    still: Tensor | None,
    networks: Networks,
    way: Variant,
    *,
    steps: int | None = None,
    session: Session,
    say: Say = lambda text: None,
) -> Inverted:
    """Invert a photo [3, H, W] in [0, 1] by `way`, with at most `steps` steps of each kind instead of its own.

    `still` [H, W] in {0, 1} is 1 where nothing may move, for ways that ask. `say` is told the time it will take, before
    it begins. Raises InputError where the networks fail, ModelMissingError where the way is nothing but an encoder's
    guess and there is none.
    """
    began = time.perf_counter()
    if steps is not None:
        way = replace(way, steps=steps if way.steps else 0, tuning=steps if way.tuning else 0)
    plan = _plan(pixels.to(session.device), still, networks, way, say)
    if way.steps:
        say(_forecast(plan))
    codes = plan.search(way.steps, _telling(session, "inverting the photo", way.steps))
    generator = plan.tune(codes, way.tuning, _telling(session, "fitting the generator", way.tuning))
    with torch.no_grad():
        made = generator.synthesize(*codes)
    if not bool(made.isfinite().all()):
        raise InputError(
            f"the models {networks.name!r} give a picture that is not finite; check them with `cinegan models verify`"
        )
    latents = Latents(codes, way.name, changes(generator, networks.generator))
    return Inverted(pixels, networks, generator, latents, plan.wanted, made, time.perf_counter() - began)


@dataclass(frozen=True)
class _Plan:
    """`guess`: the codes to begin with; `objectives`: of the search; `whole`: of fine-tuning, if there is any.

    `still` [1, 1, h, w] is 1 where nothing may move, for ways that ask.
    """

    networks: Networks
    way: Variant
    wanted: Tensor
    guess: Codes
    objectives: tuple[Objective, ...]
    whole: Objective | None
    still: Tensor | None

    def search(self, steps: int, tell: Tell) -> Codes:
        return search(self.networks.generator, self.objectives, self.way, self.guess, steps=steps, tell=tell)

    def tune(self, codes: Codes, steps: int, tell: Tell) -> Generator:
        if self.whole is None:
            return self.networks.generator
        still = self.still if self.way.steady else None
        return fine_tune(self.networks.generator, self.whole, codes, steps=steps, tell=tell, still=still)


def _plan(pixels: Tensor, still: Tensor | None, networks: Networks, way: Variant, say: Say) -> _Plan:
    grid = grid_of(pixels.shape[2], pixels.shape[1])
    wanted = at_generator_size(pixels, grid, networks.levels)
    guess = start(_first_w(wanted, networks, way, say), way.noise, grid, seed=0)
    objectives: tuple[Objective, ...] = ()
    seen = None
    if way.steps:
        if way.routed and still is not None:
            seen = (_resized(still[None, None].to(wanted), (wanted.shape[2], wanted.shape[3])) > 0.5).to(wanted)
        objectives = apart(objectives_of(networks.perceptual, wanted, way, seen), guess.static)
    whole = objectives_of(networks.perceptual, wanted, VARIANTS["EO"], None)[0] if way.tuning else None
    return _Plan(networks, way, wanted, guess, objectives, whole, seen)


def _first_w(wanted: Tensor, networks: Networks, way: Variant, say: Say) -> Tensor:
    """W [1, N, 2, D] to begin with."""
    if way.encoded and networks.encoder is not None:
        shrink = min(1.0, ENCODED_SIDE / min(wanted.shape[2:]))
        size = (round(wanted.shape[2] * shrink), round(wanted.shape[3] * shrink))
        with torch.no_grad():
            w: Tensor = networks.encoder(_resized(wanted, size))
        return w
    if way.encoded and not way.steps:
        raise ModelMissingError(f"{networks.name}: holds no encoder, of which {way.name} is all; take --variant MO")
    if way.encoded:
        say(f"The set {networks.name} holds no encoder: the search begins at the mean style.")
    return networks.mean_w.expand(1, networks.levels, 2, -1)


def _forecast(plan: _Plan) -> str:
    """How long it will take, from one step of each kind."""
    began = time.perf_counter()
    codes = plan.search(1, _untold)
    found = time.perf_counter()
    plan.tune(codes, 1, _untold)
    tuned = time.perf_counter()
    way = plan.way
    seconds = (found - began) * way.steps + (tuned - found) * way.tuning
    tuning = f" and {way.tuning} of fine-tuning" if way.tuning else ""
    return f"{way.name}: {way.steps} steps{tuning}, about {duration(seconds)}; less where it settles early."


def duration(seconds: float) -> str:
    """A time as people say it: "40 s", "12 min", "1.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _telling(session: Session, what: str, total: int) -> Tell:
    """Tells the session the loss and the time left."""
    began = time.perf_counter()

    def tell(done: int, loss: float) -> None:
        left = (time.perf_counter() - began) / max(1, done) * (total - done)
        known = f", loss {loss:.3f}, {duration(left)} left" if math.isfinite(loss) else ""
        session.tell(what + known, done, total)

    return tell


def _untold(done: int, loss: float) -> None:
    """For steps that nobody watches."""


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, C, H, W] → [B, C, *size]"""
    if images.shape[2:] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)

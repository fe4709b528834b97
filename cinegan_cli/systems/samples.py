"""What generators make from nothing, whichever system they belong to: pictures, and videos where noise can move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import SampleConfig
from cinegan_cli.errors import ModelMissingError, UsageError
from cinegan_cli.models import SHIPPED_DEEPLANDSCAPE, DeepLandscapeSet, Models, find_deeplandscape, find_models
from cinegan_cli.session import Session
from cinegan_cli.systems.deeplandscape import LandscapeSampler, wind

MEAN_OF = 4096  # draws of z whose mean truncation goes to
NO_LANDSCAPES = (
    "The set that ships gives photos back and makes up no landscapes; train one with `cinegan train deeplandscape`, or "
    "import the release's."
)
Pixels = NDArray[np.uint8]


class Sampler:
    """Draws pictures of the size and by the models of a configuration; each seed gives one. `notices` are for the user.

    Raises UsageError for a bad size and a direction that a set lacks, ModelMissingError where the models do not make
    what is asked for, InputError for damaged ones and for a bad file of a homography.
    """

    def __init__(self, config: SampleConfig, session: Session, *, moving: bool) -> None:
        self.config, self.session = config, session
        self.wanted = parse_size(config.size)
        self.shifts = wind(_direction(config.homography), config.set) if moving else torch.zeros(4, 2)
        models = _models(config.models, session, moving)
        self.name = models.name
        self.notices = (NO_LANDSCAPES,) if models.path == SHIPPED_DEEPLANDSCAPE else ()
        self._of_landscapes = None
        if models.has("deeplandscape_generator"):
            self._of_landscapes = LandscapeSampler(
                DeepLandscapeSet(models), config.truncation, self.wanted or (1, 1), session.device
            )
        else:
            self._generator = models.generator().to(session.device)
            self._mean = self._generator.mean_w(MEAN_OF, seed=0)

    def still(self, seed: int) -> Pixels:
        """One picture, uint8 [H, W, 3]."""
        with self.session.at_work(), torch.inference_mode():
            return self._pixels(self._of_landscapes.still(seed) if self._of_landscapes else self._painted(seed))

    def video(self, seed: int) -> Iterator[Pixels]:
        """Yield the frames of one video, uint8 [H, W, 3]; `size` is theirs."""
        assert self._of_landscapes is not None
        config = self.config
        frames = self._of_landscapes.video(
            seed,
            config.frames,
            self.shifts,
            fps=config.fps,
            loop=not config.no_loop,
            light_cycle=config.light_cycle,
        )
        for t, frame in enumerate(self.session.steps(frames)):
            self.session.tell("painting", t, config.frames)
            yield self._pixels(frame)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what is drawn."""
        if self.wanted is not None:
            return self.wanted
        if self._of_landscapes is not None:
            return self._of_landscapes.size
        return self._generator.config.size, self._generator.config.size

    def _painted(self, seed: int) -> Tensor:
        """By a StyleGAN2 generator, [3, s, s] in about [0, 1]."""
        random = torch.Generator().manual_seed(seed)
        z = torch.randn(1, self._generator.config.style_dim, generator=random).to(self._mean)
        w = self._generator.truncate(self._generator.mapping(z), self._mean, self.config.truncation)
        return self._generator.synthesize(self._generator.w_plus(w))[0] * 0.5 + 0.5

    def _pixels(self, picture: Tensor) -> Pixels:
        """[3, h, w] → uint8 [H, W, 3], scaled to cover the size wanted and cut to it around the centre."""
        width, height = self.size
        scale = max(width / picture.shape[2], height / picture.shape[1])
        rows, columns = max(height, round(picture.shape[1] * scale)), max(width, round(picture.shape[2] * scale))
        if (rows, columns) != tuple(picture.shape[1:]):
            picture = F.interpolate(picture[None], (rows, columns), mode="bicubic", antialias=True)[0]
        top, left = (rows - height) // 2, (columns - width) // 2
        cut = picture[:, top : top + height, left : left + width].clamp(0, 1)
        pixels: Pixels = (cut * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return pixels


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(width, height) of "640x360" or "256". Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[x×:]\s*(\d{1,5}))?\s*", text, re.IGNORECASE)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(16 <= side <= 8192 and side % 2 == 0 for side in sides):
        raise UsageError(f"--size must be even numbers from 16 to 8192 such as 640x360 or 256, got {text!r}")
    return sides


def _direction(text: str) -> str | Path:
    return text if re.fullmatch(r"\d+h", text) else Path(text)


def _models(name: str | None, session: Session, moving: bool) -> Models:
    """The set of that name, or by default the first that can make a video, or a picture."""
    if name is not None:
        path = find_deeplandscape(name)
    else:
        try:
            path = find_deeplandscape()
        except ModelMissingError:
            if moving:
                raise
            path = find_models()
    models = session.models(path)
    if models.has("deeplandscape_generator"):
        return models
    if moving:
        raise ModelMissingError(
            f"{models.name}: videos from nothing need a generator of DeepLandscape, and this set has none; ask for a "
            "picture (.png, .jpg), or see `cinegan models list`"
        )
    if not models.has("generator") or models.first_index > 1:
        raise ModelMissingError(
            f"{models.name}: the set has no whole generator to draw from; see `cinegan models list` for others"
        )
    return models

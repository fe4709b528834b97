"""Landscapes and videos of them from nothing: everything is drawn from a seed (DeepLandscape, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cinegan_cli.models import DeepLandscapeSet
from cinegan_cli.systems.deeplandscape.codes import start
from cinegan_cli.systems.deeplandscape.frames import grid_of
from cinegan_cli.systems.deeplandscape.lighting import spline
from cinegan_cli.systems.deeplandscape.movers import HomographyMover, loop_maps

HORIZON = 0.5  # of a picture that nobody has seen yet
STEPS_PER_SECOND = 30  # a homography is the motion of 1/30 s
LIGHTS = 4  # that a cycle passes, the first one included


class LandscapeSampler:
    """Draws from one generator of DeepLandscape, on `device`. `aspect` is (width, height), in any unit."""

    def __init__(
        self, models: DeepLandscapeSet, truncation: float, aspect: tuple[int, int], device: torch.device
    ) -> None:
        self.generator = models.generator().to(device)
        self.levels, self.truncation, self.grid, self.device = models.levels, truncation, grid_of(*aspect), device
        self.mean = models.mean_w().to(device)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its pictures."""
        rows, columns = self.grid
        return columns << (self.levels - 1), rows << (self.levels - 1)

    def still(self, seed: int) -> Tensor:
        """One picture [3, h, w], in about [0, 1]."""
        return next(self.video(seed, 1, torch.zeros(4, 2)))

    def video(
        self, seed: int, frames: int, shifts: Tensor, *, fps: float = 30.0, loop: bool = True, light_cycle: bool = False
    ) -> Iterator[Tensor]:
        """Yield `frames` pictures [3, h, w] in about [0, 1], the first of which is `still(seed)`.

        Noise moves by the homographies of `shifts` [4, 2]. In a `loop` frame `frames` would be frame 0 again. With
        `light_cycle` the dynamic part of z goes round, through draws of its own.
        """
        styles = self._styles(seed, frames if light_cycle else 1)
        codes = start(styles[:1], 1.0, self.grid, seed=seed)
        mover = HomographyMover(codes.dynamic, shifts, HORIZON, seed=seed)
        speed = STEPS_PER_SECOND / fps
        for t in range(frames):
            maps = loop_maps(mover, t, frames, speed=speed) if loop else mover(speed * t)
            made = self.generator.synthesize(styles[t % len(styles)][None], codes.static, maps)
            yield made[0] * 0.5 + 0.5

    def _styles(self, seed: int, count: int) -> Tensor:
        """w of every frame, [count, N, 2, D]; the first does not depend on `count`."""
        random = torch.Generator().manual_seed(seed)
        z = torch.randn(1, self.generator.style_dim, generator=random)
        moving = self.generator.dynamic_dim
        others = torch.randn(LIGHTS - 1, moving, generator=random)
        knots = torch.cat((z[:, -moving:], others, z[:, -moving:]))
        times = torch.arange(count, dtype=torch.float64) / count
        lights = spline(torch.linspace(0, 1, len(knots)), knots, times, closed=True)
        z = torch.cat((z[:, :-moving].expand(count, -1), lights), 1)
        w = self.generator.mapping(z.to(self.device))
        w = torch.lerp(self.mean, w, self.truncation)
        return w[:, None, None].expand(-1, self.levels, 2, -1)

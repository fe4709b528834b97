"""Painted landscapes that move by known fields: clouds under a ceiling, lakes, rivers and falls.

Every moving surface is a texture whose coordinates are carried along exactly: the colour at time t of a point is the
texture at the point where its particle was at time 0. So the field is the velocity of particles in the picture, not
an estimate. Lengths are shares of the longer side, y down; times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.types import SKY, STATIC, WATER

Array = NDArray[np.float32]

TILE = 512  # px of the periodic noise
LEVELS = 5  # blurred copies of it, each twice as soft: what far texture is taken from
KINDS = ("sky", "lake", "river", "falls", "all sky", "all water")


class Noise:
    """Periodic fractal noise of deviation 1, sampled anywhere at any sharpness. `slope` is the spectrum's exponent."""

    def __init__(self, rng: np.random.Generator, slope: float = 1.6) -> None:
        frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]) * TILE
        spectrum = (
            np.fft.rfft2(rng.standard_normal((TILE, TILE))) * np.where(frequency > 3, frequency, np.inf) ** -slope
        )
        tile = np.fft.irfft2(spectrum, (TILE, TILE))
        tile = (tile / tile.std()).astype(np.float32)
        self.tiles = [tile]
        for level in range(1, LEVELS):
            wrapped = np.pad(tile, 64, mode="wrap")
            soft: Any = cv2.GaussianBlur(wrapped, (0, 0), 0.6 * 2**level)
            self.tiles.append(np.ascontiguousarray(soft[64:-64, 64:-64]))

    def __call__(self, x: Array, y: Array, step: Array) -> Array:
        """At (x, y) [h, w] in tile px, where neighbouring pixels lie `step` [h, w] tile px apart."""
        place = np.mod(x, TILE).astype(np.float32), np.mod(y, TILE).astype(np.float32)
        level = np.clip(np.log2(np.maximum(step, 1e-3)), 0, LEVELS - 1)
        total = np.zeros_like(x, np.float32)
        for k, tile in enumerate(self.tiles):
            share = np.clip(1 - np.abs(level - k), 0, 1)
            if share.any():
                total += share * cv2.remap(tile, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return np.asarray(total * np.clip(2.0 ** (LEVELS - 1) * 2 / np.maximum(step, 1e-3), 0, 1), np.float32)


@dataclass(frozen=True)
class Plane:
    """A level surface seen in perspective: clouds above the horizon, water below; it vanishes at row `horizon`.

    `wind` (right, towards the viewer) is its speed over the height between eye and surface, per second. `scale` is the
    texture's size.
    """

    horizon: float
    above: bool
    wind: tuple[float, float]
    scale: float
    stretch: float  # how much longer the texture is across than along the view

    def _depth(self, y: Array) -> Array:
        """Distance over height (focal length 1): 1 over how far the row is from the horizon."""
        away = self.horizon - y if self.above else y - self.horizon
        return np.asarray(1 / np.maximum(away, 0.02), np.float32)

    def texture(self, noise: Noise, x: Array, y: Array, pixel: float, time: float) -> Array:
        """The noise on the plane at picture points (x, y), where pixels lie `pixel` apart."""
        depth = self._depth(y)
        across = (x - 0.5) * depth - self.wind[0] * time
        along = depth + self.wind[1] * time
        # a pixel covers depth² · pixel along the view, much more than across: halfway between
        step = np.asarray(pixel * self.scale * depth * np.maximum(depth, 2) / 2, np.float32)
        return noise(across * self.scale / self.stretch, along * self.scale, step)

    def velocity(self, x: Array, y: Array) -> Array:
        """[2, h, w], shares of the longer side per second."""
        depth = self._depth(y)
        right, nearer = self.wind
        down = -1.0 if self.above else 1.0
        return np.stack([right / depth + (x - 0.5) * nearer / depth, down * nearer / depth**2]).astype(np.float32)


@dataclass(frozen=True)
class Stream:
    """A river: particles keep their place across it and follow its bends down the picture.

    The middle is at `middle` + bends of y; speed grows from `slow` at the row `top` towards the viewer.
    """

    top: float
    middle: float
    bend: float
    waves: float
    width: tuple[float, float]  # half, at the top and 1 below
    slow: float
    growth: float

    def _middle(self, y: Array) -> Array:
        return np.asarray(
            self.middle + self.bend * (y - self.top) * np.sin(self.waves * (y - self.top) + 0.5), np.float32
        )

    def _half(self, y: Array) -> Array:
        return np.asarray(self.width[0] + self.width[1] * np.maximum(y - self.top, 0), np.float32)

    def inside(self, x: Array, y: Array) -> NDArray[np.bool_]:
        return np.asarray((y > self.top) & (np.abs(x - self._middle(y)) < self._half(y)))

    def texture(self, noise: Noise, x: Array, y: Array, pixel: float, time: float) -> Array:
        below = np.maximum(y - self.top, 0)
        # dy/dt = slow + growth · below, so log(1 + growth · below / slow) / growth is the time of travel from the top
        travelled = np.log1p(self.growth * below / self.slow) / self.growth - time
        across = (x - self._middle(y)) / self._half(y)
        speed = self.slow + self.growth * below
        scale = 600 * self.slow**0.5
        return noise(across * 150, travelled * scale, pixel * np.maximum(scale / speed, 150 / self._half(y)))

    def velocity(self, x: Array, y: Array) -> Array:
        below = np.maximum(y - self.top, 0)
        down = self.slow + self.growth * below
        step = np.float32(1e-3)
        bend = (self._middle(y + step) - self._middle(y - step)) / (2 * step)
        widening = self.width[1] * (x - self._middle(y)) / self._half(y)
        return np.stack([down * (bend + widening), down]).astype(np.float32)


@dataclass(frozen=True)
class Fall:
    """Falling water: down and ever faster, from the row `top` to `bottom`, between two columns."""

    top: float
    bottom: float
    left: float
    right: float
    start: float  # speed at the top
    gain: float  # 1 / s

    def inside(self, x: Array, y: Array) -> NDArray[np.bool_]:
        return np.asarray((y > self.top) & (y < self.bottom) & (x > self.left) & (x < self.right))

    def texture(self, noise: Noise, x: Array, y: Array, pixel: float, time: float) -> Array:
        below = np.maximum(y - self.top, 0)
        speed = self.start + self.gain * below
        travelled = np.log1p(self.gain * below / self.start) / self.gain - time
        scale = 120 * self.start**0.5
        return noise(x * 500, travelled * scale, pixel * np.maximum(scale / speed, 250))

    def velocity(self, x: Array, y: Array) -> Array:
        speed = self.start + self.gain * np.maximum(y - self.top, 0)
        return np.stack([np.zeros_like(speed), speed]).astype(np.float32)


Surface = Plane | Stream | Fall


@dataclass(frozen=True)
class Layer:
    """One moving surface: its kind, where it is seen [h, w], and how texture becomes colour [h, w] → [h, w, 3]."""

    kind: int
    inside: NDArray[np.bool_]
    surface: Surface
    noise: Noise
    paint: Callable[[Array], Array]


class Scene:
    """A landscape of `size` (width, height), painted from `seed` alone."""

    def __init__(self, seed: int | list[int], size: tuple[int, int], kind: str | None = None) -> None:
        rng = self.rng = np.random.default_rng(seed)
        self.width, self.height = size
        self.pixel = 1 / max(size)
        rows, columns = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        self.x, self.y = (columns + 0.5) * self.pixel, (rows + 0.5) * self.pixel
        self.bottom = self.height * self.pixel
        self.kind = kind or str(rng.choice(KINDS, p=(0.25, 0.3, 0.15, 0.1, 0.1, 0.1)))
        self.horizon = self.bottom * float(
            {"all sky": 1.25, "all water": -0.25}.get(self.kind, rng.uniform(0.35, 0.65))
        )
        self.ground = self._ground()
        self.layers = [*self._sky(), *self._water()]

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """[h, w], 0 static, 1 sky, 2 water."""
        kinds = np.full((self.height, self.width), STATIC, np.uint8)
        for layer in self.layers:
            kinds[layer.inside] = layer.kind
        return kinds

    @cached_property
    def velocity(self) -> Array:
        """[2, h, w] in shares of the longer side per second; 0 where nothing moves."""
        field = np.zeros((2, self.height, self.width), np.float32)
        for layer in self.layers:
            field = np.where(layer.inside, layer.surface.velocity(self.x, self.y), field)
        return field

    def at(self, time: float) -> NDArray[np.uint8]:
        """The picture [h, w, 3] after `time` seconds."""
        picture = self.ground.copy()
        for layer in self.layers:
            value = layer.surface.texture(layer.noise, self.x, self.y, self.pixel, time)
            picture = np.where(layer.inside[..., None], layer.paint(value), picture)
        return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), np.uint8)

    def _colour(self, hues: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]) -> Array:
        """A random colour [3]: hue in degrees, the others in [0, 1]."""
        drawn = [self.rng.uniform(*span) for span in (hues, saturation, value)]
        drawn[0] %= 360
        return np.asarray(cv2.cvtColor(np.array([[drawn]], np.float32), cv2.COLOR_HSV2RGB)[0, 0])

    def _ground(self) -> Array:
        """Mountains before the sky, a shore before the water: colours [h, w, 3], and who hides whom."""
        noise, slopes = Noise(self.rng, 1.3), Noise(self.rng, 2.0)
        still = np.zeros_like(self.x)
        rise = self.rng.uniform(0.02, 0.25) * self.bottom
        line = slopes(self.x * 130 + 40, still, still + 0.3)
        self.ridge = self.horizon - rise * np.clip(0.6 + 0.5 * line, 0, None)
        bank = self.rng.uniform(-0.15, 0.12) * self.bottom
        self.bank = self.bottom - bank - 0.04 * slopes(self.x * 200 + 300, still + 99, still + 0.3)
        texture = noise(self.x * 700, self.y * 700, still + 700 * self.pixel)
        colour = self._colour((20, 130), (0.1, 0.6), (0.1, 0.55))
        shade = 1 + 0.3 * texture + 0.4 * slopes(self.x * 300, self.y * 300, still + 300 * self.pixel)
        return np.asarray(colour * np.clip(shade, 0.2, 2)[..., None], np.float32)

    def _sky(self) -> list[Layer]:
        if self.kind == "all water":
            return []
        rng = self.rng
        speed, turn = rng.uniform(0.02, 0.1) / self.horizon, rng.normal(0, 0.5)  # overhead, over the height
        wind = (float(speed * np.cos(turn) * rng.choice((-1, 1))), float(speed * np.sin(turn)))
        plane = Plane(self.horizon, True, wind, rng.uniform(25, 70), rng.uniform(1, 2.5))
        dusk = rng.random() < 0.3
        zenith = self._colour((200, 280) if dusk else (195, 225), (0.2, 0.8), (0.2, 0.8))
        haze = self._colour((-30, 50) if dusk else (180, 230), (0.3, 0.8) if dusk else (0.0, 0.4), (0.6, 1.0))
        up = np.clip((self.horizon - self.y) / max(self.horizon, 1e-3), 0, 1)[..., None]
        clear = haze + (zenith - haze) * up
        light = self._colour((0, 60), (0.0, 0.4 if dusk else 0.1), (0.8, 1.0))
        dark = self._colour((200, 300), (0.0, 0.35), (0.3, 0.8))
        cover, sharp = rng.normal(0, 0.5), rng.uniform(0.8, 3)

        def paint(value: Array) -> Array:
            share = 1 / (1 + np.exp(-2 * sharp * (value - cover)))[..., None]
            return np.asarray(
                clear + (dark + (light - dark) * np.clip(0.9 - 0.3 * value[..., None], 0, 1) - clear) * share
            )

        inside = self.y < np.minimum(self.ridge, self.horizon - 0.02)
        return [Layer(SKY, np.asarray(inside), plane, Noise(rng, rng.uniform(1.5, 2.1)), paint)]

    def _water(self) -> list[Layer]:
        rng = self.rng
        base = self._colour((150, 230), (0.1, 0.8), (0.05, 0.5))
        shine = self._colour((0, 360), (0.0, 0.3), (0.4, 1.0))

        def paint(value: Array) -> Array:
            wave = np.clip(0.3 + 0.25 * value, 0, 1)[..., None]
            return np.asarray(base + (shine - base) * wave)

        below = (self.y > self.horizon + 0.02) & (self.y < self.bank)
        if self.kind in ("lake", "all water"):
            speed, turn = rng.uniform(0.02, 0.12) / (self.bottom - self.horizon), rng.normal(0, 0.7)  # at our feet
            wind = (float(speed * np.sin(turn)), float(speed * np.cos(turn)))
            plane = Plane(self.horizon, False, wind, rng.uniform(60, 150), rng.uniform(1.5, 4))
            return [Layer(WATER, np.asarray(below), plane, Noise(rng, 1.5), paint)]
        if self.kind == "river":
            half, slow = (rng.uniform(0.01, 0.04), rng.uniform(0.2, 0.6)), rng.uniform(0.01, 0.05)
            bends = rng.uniform(0.3, 0.7), rng.uniform(-0.5, 0.5), rng.uniform(4, 12)
            stream = Stream(self.horizon + 0.02, *bends, half, slow, rng.uniform(0.05, 0.35))
            return [Layer(WATER, stream.inside(self.x, self.y), stream, Noise(rng, 1.5), paint)]
        if self.kind == "falls":
            top = self.horizon + rng.uniform(-0.15, 0.05)
            left, wide = rng.uniform(0.1, 0.7), rng.uniform(0.08, 0.3)
            fall = Fall(
                top, min(self.bottom, top + rng.uniform(0.2, 0.5)), left, left + wide, 0.08, rng.uniform(0.3, 1.0)
            )
            pool = Stream(fall.bottom, left + wide / 2, 0.0, 1.0, (wide / 2, rng.uniform(0.1, 0.5)), 0.05, 0.2)
            white = self._colour((0, 360), (0.0, 0.1), (0.85, 1.0))

            def foam(value: Array) -> Array:
                return np.asarray(white * np.clip(0.8 + 0.15 * value, 0, 1)[..., None])

            return [
                Layer(WATER, fall.inside(self.x, self.y), fall, Noise(rng, 1.4), foam),
                Layer(WATER, pool.inside(self.x, self.y), pool, Noise(rng, 1.4), paint),
            ]
        return []

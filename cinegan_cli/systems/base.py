"""The one protocol of all systems, and the moving layer of those that make it from bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinegan_cli.config import Config, StyleConfig
from cinegan_cli.memory import give_back
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import dequantise, moving_layer, texture_kept
from cinegan_cli.stages.look import Cycle, KeyLayers
from cinegan_cli.stages.warp import warps
from cinegan_cli.types import Analysis, Bands, KeyPicture, LayerFrame, Mask, Photo, Scene


class System(Protocol):
    """What can make the moving layer's frames from a photo. Its methods raise the errors of `cinegan_cli.errors`."""

    @property
    def name(self) -> str:
        """What summaries call it: "pyramid", or the set of models that it uses."""
        ...

    def analyse(self, photo: Photo, config: Config, session: Session, *, vote: bool) -> Analysis:
        """What it knows about the photo; with `vote` also its opinion of what moves."""
        ...

    def motion_networks(self, session: Session) -> Mapping[str, nn.Module]:
        """Networks that say where things move, by what they move ("sky", "water"); empty where it has none."""
        ...

    def looks(
        self, photo: Photo, mask: Mask | None, analysis: Analysis, style: StyleConfig, session: Session
    ) -> tuple[KeyPicture, ...]:
        """The photo in the look of `style`, in order of β: the last alone, or from the photo on where it cycles."""
        ...

    def layer(self, scene: Scene, coverage: Tensor, config: Config, session: Session) -> Iterator[LayerFrame]:
        """Yield the moving layer in frame t = 0 … N-1. `coverage` [H, W] is the share of each pixel that is it."""
        ...


class Inverted(Protocol):
    """A photo's latents under a generator, and the picture that they make."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences for the user."""
        ...

    def figures(self) -> dict[str, object]:
        """How like the photo the picture is, by name, as plain values."""
        ...

    def sentence(self) -> str:
        """The same in a line."""
        ...

    def side_by_side(self) -> NDArray[np.uint8]:
        """The photo at the left, the picture at the right: [H, 2 W, 3]."""
        ...

    def write(self, path: Path) -> None:
        """Write the latents. Raises OutputError."""
        ...


# (state of the analysis, the layer [3, H, W], coverage [H, W]) -> bands that add up to the layer
MakeBands = Callable[[Any, Tensor, Tensor], Bands]


def banded_layer(scene: Scene, coverage: Tensor, config: Config, make_bands: MakeBands) -> Iterator[LayerFrame]:
    """`System.layer` from bands, made once: no network runs from here on.

    Where the look changes over the loop, bands of each key are made, and those of a frame lie between two of them.
    """
    region = (coverage > 0).to(torch.uint8)
    if scene.looks:
        keys = tuple(_key_layers(scene, look, coverage, make_bands) for look in scene.looks)
        cycle = Cycle(keys, config.render.frames)
        picture, bands = cycle.moving(0)
        warped = warps(picture, bands, scene.motion, region, config.render, changing=cycle.moving)
        for frame, moved in enumerate(warped):
            yield LayerFrame(moved, cycle.layer(frame), cycle.static(frame))
        return
    layer, picture, bands = _layer(scene, coverage, make_bands)
    static, motion = scene.photo.pixels_u8, scene.motion
    del scene  # its pictures, which the frames do not need
    kept = texture_kept(picture, layer, region)
    give_back()
    warped = warps(picture, bands, motion, region, config.render, kept=kept)
    del picture, bands  # which the frames do not need either
    unwarped: Tensor | None = layer
    del layer
    for moved in warped:
        if unwarped is not None:  # once, now that all is made
            give_back()
        yield LayerFrame(moved, unwarped, static)
        unwarped = None


def restyled(scene: Scene, look: KeyPicture) -> Scene:
    """The same scene in one look for the whole loop."""
    levels = (look.picture * 255).round().to(torch.uint8)
    photo = replace(scene.photo, pixels=look.picture, pixels_u8=levels.permute(1, 2, 0).contiguous())
    return replace(scene, photo=photo, analysis=replace(scene.analysis, state=look.state))


def on_device(scene: Scene, device: torch.device) -> Scene:
    """The same scene with its pictures on `device`."""
    photo = replace(scene.photo, pixels=scene.photo.pixels.to(device), pixels_u8=scene.photo.pixels_u8.to(device))
    mask = replace(scene.mask, alpha=scene.mask.alpha.to(device))
    fields = ("velocity", "cycles", "ripple", "nearness")
    there = {name: field for name in fields if (field := getattr(scene.motion, name)) is not None}
    motion = replace(scene.motion, **{name: field.to(device) for name, field in there.items()})
    looks = tuple(replace(look, picture=look.picture.to(device)) for look in scene.looks)
    return replace(scene, photo=photo, mask=mask, motion=motion, looks=looks)


def _layer(scene: Scene, coverage: Tensor, make_bands: MakeBands) -> tuple[Tensor, Tensor, Bands]:
    """The moving layer, the same with its rounding undone, and the bands of that."""
    give_back()
    layer = moving_layer(scene.photo, scene.mask, scene.motion)
    give_back()
    picture = dequantise(layer)
    return layer, picture, make_bands(scene.analysis.state, picture, coverage)


def _key_layers(scene: Scene, look: KeyPicture, coverage: Tensor, make_bands: MakeBands) -> KeyLayers:
    whole = restyled(scene, look)
    layer, _, bands = _layer(whole, coverage, make_bands)
    return KeyLayers(look.strength, whole.photo.pixels, layer, bands)

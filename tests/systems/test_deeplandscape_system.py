"""DeepLandscape as a system: loops of a small seeded generator begin with the photo, close, and obey wind and light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.errors import CineganError, InputError, ModelMissingError, UsageError
from cinegan_cli.models import Bundle, write_bundle
from cinegan_cli.nn.deeplandscape import Generator, Lighting
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.systems.deeplandscape import invert_photo
from cinegan_cli.types import silent

Frames = NDArray[np.uint8]
SHAPE = {"levels": 4, "style_dim": 16, "multiplier": 1 / 16, "mapping_layers": 2}
LIGHT = {"style_dim": 16, "hidden": 24, "blocks": 2, "dynamic_dim": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.png with a mask of its sky, and sets of models with (lit) and without a lighting network."""
    folder = tmp_path_factory.mktemp("deeplandscape")
    y, x = np.mgrid[0:64, 0:96]
    sky = 140 + 60 * np.sin(x / 5 + y / 9)
    land = 60 + 30 * np.sin(x / 2) * np.sin(y / 3)
    grey = np.where(y < 36, sky, land)
    Image.fromarray(np.stack([grey, grey * 0.9, grey * 0.8 + 30], 2).astype(np.uint8)).save(folder / "photo.png")
    Image.fromarray(((y < 34) * 255).astype(np.uint8)).save(folder / "mask.png")
    torch.manual_seed(0)
    generator, lighting = Generator(**SHAPE), Lighting(**LIGHT)
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            torch.nn.init.normal_(gain, std=2)
    parts = {"deeplandscape_generator": (generator, SHAPE), "deeplandscape_lighting": (lighting, LIGHT)}
    for file, chosen in (("plain", ["deeplandscape_generator"]), ("lit", list(parts))):
        tensors = {f"{kind}.{name}": value for kind in chosen for name, value in parts[kind][0].state_dict().items()}
        config = {kind: parts[kind][1] for kind in chosen}
        write_bundle(folder / f"{file}.safetensors", Bundle("deeplandscape", config, tensors))
    return folder


def settings(folder: Path, models: str = "plain", **more: object) -> Config:
    given = {"mask": folder / "mask.png", "seconds": 0.8, "variant": "MO", "steps": 3, "direction": "right", **more}
    wanted = {name: value for name, value in given.items() if value is not None}
    return Config.from_options(backbone="deeplandscape", models=str(folder / f"{models}.safetensors"), **wanted)


def frames_of(folder: Path, config: Config) -> Frames:
    session = Session(config.run)
    return np.stack(list(render(prepare(folder / "photo.png", config, session), config, session)))


def photo_of(folder: Path) -> Frames:
    return np.asarray(Image.open(folder / "photo.png"))


def steps_of(frames: Frames) -> NDArray[np.float64]:
    """Mean change from each frame to the next, the last one's to the first."""
    moving = frames[:, :34].astype(np.float64)
    return np.asarray(np.abs(moving - np.roll(moving, -1, 0)).mean((1, 2, 3)))


@pytest.mark.parametrize("more", [{}, {"direction": None, "wind": "9h"}])
def test_the_loop_begins_with_the_photo_and_closes(folder: Path, more: dict[str, object]) -> None:
    frames = frames_of(folder, settings(folder, speed=4.0, **more))  # steps well above the rounding to bytes
    assert np.array_equal(frames[0], photo_of(folder))
    assert (frames[:, 40:] == photo_of(folder)[40:]).all()
    steps = steps_of(frames)
    assert steps.min() > 0
    assert steps[0] <= 1.3 * steps[1]  # no jump away from the photo, none back
    assert steps[-1] <= 1.3 * steps[-2]


def test_winds_from_both_sides_differ_and_speed_counts(folder: Path) -> None:
    left, right, fast = (
        steps_of(frames_of(folder, settings(folder, direction=None, **more))).mean()
        for more in ({"wind": "9h"}, {"wind": "3h"}, {"wind": "3h", "speed": 4.0})
    )
    assert left == pytest.approx(right, rel=0.5)
    assert fast > 1.2 * right


def test_light_goes_away_from_the_photo_and_comes_back(folder: Path) -> None:
    frames = frames_of(folder, settings(folder, "lit", light="night")).astype(np.float64)
    away = np.abs(frames - frames[0])[:, 40:].mean((1, 2, 3))  # where nothing moves
    assert away[0] == 0
    assert away.argmax() in range(len(frames) // 4, 3 * len(frames) // 4 + 1)
    assert away[-1] < 0.5 * away.max()


def test_a_day_is_a_loop(folder: Path) -> None:
    frames = frames_of(folder, settings(folder, "lit", light_cycle=True))
    assert np.array_equal(frames[0], photo_of(folder))
    still = frames[:, 40:].astype(np.float64)
    steps = np.abs(still - np.roll(still, -1, 0)).mean((1, 2, 3))
    assert steps.min() > 0
    assert steps.max() <= 4 * np.median(steps)


def test_latents_from_a_file_give_the_same_loop(folder: Path, tmp_path: Path) -> None:
    config = settings(folder, direction=None, variant="EOIF", mask=None)
    inverted = invert_photo(folder / "photo.png", config, Session(config.run), say=lambda text: None)
    inverted.write(tmp_path / "latents.safetensors")
    own = frames_of(folder, settings(folder, variant="EOIF"))
    read = frames_of(folder, settings(folder, variant=None, steps=None, latents=tmp_path / "latents.safetensors"))
    assert np.abs(own.astype(int) - read.astype(int)).max() <= 3  # maps are stored as float16, tuning as int8


@pytest.mark.parametrize(
    ("models", "more", "error", "names"),
    [
        ("plain", {"light": "night"}, ModelMissingError, "--light night"),
        ("plain", {"light_cycle": True}, ModelMissingError, "--light-cycle"),
        ("none", {}, ModelMissingError, "none.safetensors"),
        ("plain", {"wind": "3h"}, UsageError, "--wind"),
        ("plain", {"direction": None, "wind": "13h"}, InputError, "13h"),
        ("plain", {"target": "sunset", "cycle": True}, UsageError, "--cycle"),
        ("plain", {"wind_set": "x4"}, UsageError, "--wind-set"),
        ("lit", {"light": "night", "light_cycle": True}, UsageError, "--light-cycle"),
        ("plain", {"mode": "deep"}, UsageError, "--mode"),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, models: str, more: dict[str, object], error: type[CineganError], names: str
) -> None:
    with pytest.raises(error, match=names):
        frames_of(folder, settings(folder, models, **more))


def test_progress_names_what_takes_long(folder: Path) -> None:
    said: list[str] = []
    config = settings(folder, variant="EO")
    prepare(folder / "photo.png", config, Session(config.run, progress=lambda what, done, total: said.append(what)))
    assert any("invert" in what for what in said)
    assert silent("", 0, 0) is None

"""Every system behind the one protocol: chosen by name, asked alike, its loops alike in what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.config import Config
from cinegan_cli.errors import ModelMissingError, UsageError
from cinegan_cli.models.store import open_bundle
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.systems import SYSTEMS, choose_system
from cinegan_cli.systems.stylecinegan.invert import Inversion, reconstruction
from cinegan_cli.systems.stylecinegan.latents import Latents
from tests.small_models import write_models
from tests.small_scene import write_scene

QUICK = {"seconds": 0.4, "fps": 10, "mask": "mask.png", "motion": "motion.npy"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path)
    write_models(tmp_path / "small.safetensors")
    return tmp_path


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("mode", ["bands", "deep"])
def test_every_system_starts_with_the_photo_and_leaves_static_pixels(folder: Path, name: str, mode: str) -> None:
    more = {"stylecinegan": {"models": "small.safetensors"}, "deeplandscape": {"steps": 10}}.get(name, {})
    if mode == "deep" and name != "stylecinegan":
        with pytest.raises(UsageError, match="--mode"):
            choose_system(Config.from_options(backbone=name, mode=mode), Session())
        return
    config = Config.from_options(backbone=name, mode=mode, **more, **QUICK)
    session = Session()
    scene = prepare(folder / "photo.png", config, session)
    photo, static = scene.photo.pixels_u8.numpy(), scene.mask.alpha.numpy() == 0
    frames = list(render(scene, config, session))
    assert len(frames) == 4
    assert np.abs(frames[0].astype(int) - photo).max() <= 1
    assert all((frame[static] == photo[static]).all() for frame in frames)
    assert np.abs(frames[2].astype(int) - photo).max() > 8


def test_the_system_is_the_one_named_and_auto_is_the_first_that_is_there(folder: Path) -> None:
    session = Session()
    assert choose_system(Config.from_options(), session).name == "pyramid"
    assert choose_system(Config.from_options(backbone="stylecinegan"), session).name == "compact"
    assert choose_system(Config.from_options(models="small.safetensors"), session).name == "small"
    with pytest.raises(ModelMissingError, match="nobody"):
        choose_system(Config.from_options(models="nobody"), session)


def test_contributions_are_added_up_where_the_generator_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator on another device than the contributions: "meta" stands for it, which holds no values."""
    models = open_bundle(folder / "small.safetensors")
    generator = models.generator().to("meta")
    seen: list[str] = []
    whole = generator.sum_rgb

    def sum_rgb(parts: list[torch.Tensor]) -> torch.Tensor:
        seen.extend(part.device.type for part in parts)
        return torch.zeros(whole(parts).shape)

    monkeypatch.setattr(generator, "sum_rgb", sum_rgb)
    contributions = tuple(torch.zeros(3, 64 * 2**k, 64 * 2**k) for k in range(3))
    inversion = Inversion(models, Latents(torch.zeros(1, 1, 8), torch.zeros(1, 12, 64, 64), 10), contributions)
    assert reconstruction(inversion, (40, 60)).shape == (3, 40, 60)
    assert set(seen) == {"meta"}

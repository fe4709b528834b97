"""Training of the small DeepLandscape set: tiny runs learn, give a set that animates, and go on to the bit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models import DeepLandscapeSet, open_bundle, verify
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeCompactSettings
from cinegan_cli.training.tasks import deeplandscape_compact
from cinegan_cli.types import silent
from tests.training.test_tasks_deeplandscape import lines, loop_in

TINY = {"size": 32, "style_dim": 8, "mapping_layers": 1, "channels": 8, "hidden": 8, "blocks": 1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of a sky over land, with masks."""
    folder = tmp_path / "photos"
    folder.mkdir()
    y, x = np.mgrid[0:48, 0:64]
    for k in range(2):
        sky = 170 + 40 * np.sin(x / (4 + k) + y / 5)
        land = 60 + 25 * np.sin(x / 2 + k)
        grey = np.where(y < 28, sky, land)
        cv2.imwrite(str(folder / f"{k}.png"), np.stack([grey, grey * 0.8, grey * 0.6], 2).astype(np.uint8))
        cv2.imwrite(str(folder / f"{k}_mask.png"), (y < 28).astype(np.uint8))
    return folder


def settings_in(photos: Path, work: Path, **changes: object) -> DeepLandscapeCompactSettings:
    return DeepLandscapeCompactSettings(photos, None, work / "set.safetensors", **{**TINY, **changes})  # type: ignore[arg-type]


def test_a_tiny_run_learns_and_makes_a_set(photos: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    loop = loop_in(work, 60, batch=2, sample_every=60)
    path = deeplandscape_compact.train(settings_in(photos, work, learning_rate=1e-2), loop, progress=silent)
    away = [float(line["reconstruction.away"]) for line in lines(work)]
    turns = np.array(away).reshape(-1, 3)
    assert (turns[-5:].mean(0) < 0.8 * turns[:3].mean(0)).all()
    models = open_bundle(path)
    assert verify(models)
    networks = DeepLandscapeSet(models)
    encoder, lighting = networks.encoder(), networks.lighting()
    assert encoder is not None
    assert lighting is not None
    w = encoder(torch.zeros(1, 3, 32, 48))
    assert w.shape == (1, 4, 2, 8)
    static = [torch.zeros(1, 1, 4 << i, 6 << i) for i in range(4)]
    assert networks.generator().synthesize(w, static, static).shape == (1, 3, 32, 48)


def test_a_run_goes_on_as_if_it_had_not_stopped(photos: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    deeplandscape_compact.train(settings_in(photos, whole), loop_in(whole, 6, batch=2), progress=silent)
    told = []

    def stop(what: str, done: int, total: int) -> None:
        told.append(done)
        if done == 3:
            raise KeyboardInterrupt

    settings = settings_in(photos, parts)
    with pytest.raises(KeyboardInterrupt):
        deeplandscape_compact.train(settings, loop_in(parts, 6, batch=2, save_minutes=0.0), progress=stop)
    deeplandscape_compact.train(settings, loop_in(parts, 6, batch=2, resume=True), progress=silent)
    once, twice = (load_file(work / "set.safetensors") for work in (whole, parts))
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_what_cannot_be_learned_from_is_said(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--size 48"):
        deeplandscape_compact.train(settings_in(photos, tmp_path, size=48), loop_in(tmp_path, 1), progress=silent)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="empty"):
        deeplandscape_compact.train(settings_in(empty, tmp_path), loop_in(tmp_path, 1), progress=silent)

"""Training of super-resolution: pairs are made once, a tiny run learns and resumes, a given backbone stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from cinegan_cli.errors import InputError, ModelMissingError
from cinegan_cli.models import Bundle, read_superres, write_bundle, write_superres
from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.deeplandscape import Generator
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig
from cinegan_cli.training.deeplandscape_settings import SuperresSettings
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks import superres
from cinegan_cli.types import silent
from tests.scenes import noise_photo
from tests.training.test_tasks_generator import column, loop_in

SIDE = 32


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(2):
        cv2.imwrite(str(folder / f"{k}.png"), noise_photo(160, 128, seed=k).pixels_u8.numpy())
    return folder


def reconstructed(photo: NDArray[Any]) -> NDArray[Any]:
    """In place of an inversion: small and a little dull."""
    small = cv2.resize(photo, (SIDE * photo.shape[1] // photo.shape[0], SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small * 0.9 + 12).astype(np.uint8)


def train(settings: SuperresSettings, loop: LoopSettings, **others: Any) -> Path:
    return superres.train(settings, loop, progress=silent, reconstruct=reconstructed, side=SIDE, **others)


def tiny(photos: Path, work: Path, **changes: Any) -> SuperresSettings:
    out = work / "sr.safetensors"
    given = {"features": 8, "blocks": 1, "growth": 4, "crop": 12, "learning_rate": 3e-3, **changes}
    return SuperresSettings(photos, None, out, **given)


def test_a_tiny_run_learns_and_what_it_writes_is_read(photos: Path, tmp_path: Path) -> None:
    settings = tiny(photos, tmp_path)
    path = train(settings, loop_in(tmp_path / "work", 40, sample_every=40))
    for name, share in (("superres", 0.8), ("superres.pixels", 0.8), ("superres.perceptual", 0.95)):
        losses = column(tmp_path / "work", name)
        assert np.mean(losses[-10:]) < share * np.mean(losses[:10]), name
    network = read_superres(path)
    assert network.config.features == 8
    assert network(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 32, 32), torch.ones(1, 2, 32, 32)).shape == (1, 3, 32, 32)
    assert (tmp_path / "work" / "samples" / "0000040.png").is_file()


def test_a_resumed_run_is_the_same_to_the_bit(photos: Path, tmp_path: Path) -> None:
    whole, broken = tiny(photos, tmp_path / "a"), tiny(photos, tmp_path / "b")
    train(whole, loop_in(tmp_path / "a", 4))
    train(broken, loop_in(tmp_path / "b", 2))
    train(broken, loop_in(tmp_path / "b", 4, resume=True))
    one, two = load_file(whole.out), load_file(broken.out)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_backbone_that_is_given_stays(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SuperResolver(SuperResolverConfig(8, 1, 4, SegmenterConfig(4, (1, 1, 1, 1), 8), spare=False))
    write_superres(tmp_path / "start.safetensors", network)
    settings = tiny(photos, tmp_path, start=tmp_path / "start.safetensors")
    after = load_file(train(settings, loop_in(tmp_path / "work", 2, ema=0.0)))
    before = network.state_dict()
    assert after.keys() == before.keys()
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"conv_ref", "enhancement1", "enhancement2"}


def test_pairs_are_made_once_and_small_photos_left_out(photos: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(photos / "small.png"), np.zeros((40, 40, 3), np.uint8))
    told: list[str] = []
    settings = tiny(photos, tmp_path)
    train(settings, loop_in(tmp_path / "work", 1), tell=told.append)
    assert [line.split(":")[0] for line in told] == [str(photos / "small.png")]
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "work" / "pairs").iterdir()}
    assert len(before) == 6
    train(settings, loop_in(tmp_path / "work", 2, resume=True))
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "work" / "pairs").iterdir()}
    for name in ("0.png", "1.png"):
        (photos / name).unlink()
    with pytest.raises(InputError, match="too small"):
        train(settings, loop_in(tmp_path / "other", 1))


def test_pairs_come_from_inverting_with_a_generator(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = {"levels": 4, "style_dim": 8, "multiplier": 1 / 64, "mapping_layers": 1}
    generator = Generator(**config)  # type: ignore[arg-type]
    models = tmp_path / "generator.safetensors"
    write_bundle(models, Bundle("deeplandscape_generator", config, generator.state_dict()))
    work = tmp_path / "work"
    settings = replace(tiny(photos, tmp_path), models=str(models), inversion=2, crop=8)
    superres.train(settings, loop_in(work, 1), progress=silent)
    small, large = (np.load(next((work / "pairs").glob(f"0-*.{name}.npy"))) for name in ("small", "large"))
    assert small.shape == (32, 40, 3)
    assert large.shape == (128, 160, 3)
    with pytest.raises(ModelMissingError, match="encoder"):
        superres.train(replace(settings, inversion=0), loop_in(tmp_path / "other", 1), progress=silent)

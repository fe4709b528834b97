"""Training of what belongs to a DeepLandscape generator: encoder and lighting network."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.errors import InputError
from cinegan_cli.models import Bundle, DeepLandscapeSet, open_bundle, write_bundle
from cinegan_cli.nn.deeplandscape import Encoder, Generator
from cinegan_cli.training.deeplandscape_settings import DeepLandscapeEncoderSettings, LightingSettings
from cinegan_cli.training.run_folder import LOG
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.training.tasks import deeplandscape_encoder, lighting
from cinegan_cli.types import silent


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    """One of 16 px, whose pictures depend on w."""
    config = {"levels": 3, "style_dim": 16, "dynamic_dim": 3, "multiplier": 1.0, "channels": 8, "mapping_layers": 1}
    torch.manual_seed(1)
    path = tmp_path / "generator.safetensors"
    write_bundle(path, Bundle("deeplandscape_generator", config, Generator(**config).state_dict()))  # type: ignore[arg-type]
    return path


def loop_in(work: Path, steps: int, **changes: object) -> LoopSettings:
    values = {"batch": 8, "log_every": 1, "sample_every": steps, "device": "cpu", "precision": "float32", **changes}
    return LoopSettings(work=work, steps=steps, **values)  # type: ignore[arg-type]


def losses(work: Path, name: str) -> list[float]:
    with (work / LOG).open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_the_encoder_learns_w_and_opens(generator: Path, tmp_path: Path) -> None:
    out, told = tmp_path / "encoder.safetensors", []
    settings = DeepLandscapeEncoderSettings(str(generator), out, learning_rate=3e-3, mixing=0.0)
    deeplandscape_encoder.train(settings, loop_in(tmp_path / "e", 40), progress=silent, tell=told.append)
    values = losses(tmp_path / "e", "encoder")
    assert np.mean(values[-5:]) < 0.85 * np.mean(values[:5])
    encoder = open_bundle(out).network("deeplandscape_encoder")
    assert encoder(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 2, 16)


def test_the_papers_encoder_starts_from_torchvisions_weights(generator: Path, tmp_path: Path) -> None:
    small = Encoder(levels=3, style_dim=16, depths=(1, 1, 1, 1), width=4, hidden=8)
    state = {name: torch.full_like(value, 0.5) for name, value in small.backbone.state_dict().items()}
    given = tmp_path / "resnet.pth"
    torch.save({**state, "fc.weight": torch.zeros(1000, 2048)}, given)
    deeplandscape_encoder.load_backbone(small.backbone, deeplandscape_encoder.resnet_weights(given), given)
    assert bool((small.backbone.conv1.weight == 0.5).all())
    assert not bool((small.backbone.fc[0].weight == 0.5).any())
    given.write_bytes(b"junk")
    settings = DeepLandscapeEncoderSettings(str(generator), tmp_path / "e.safetensors", "resnet152", given)
    with pytest.raises(InputError, match=r"resnet\.pth"):
        deeplandscape_encoder.train(settings, loop_in(tmp_path / "e", 1), progress=silent)


def test_the_lighting_network_learns_the_way_to_another_light(generator: Path, tmp_path: Path) -> None:
    out = tmp_path / "lighting.safetensors"
    settings = LightingSettings(str(generator), out, learning_rate=1e-2)
    lighting.train(settings, loop_in(tmp_path / "l", 150, batch=64, ema=0.9), progress=silent)
    angles = losses(tmp_path / "l", "lighting.angle")
    assert np.mean(angles[-10:]) < 0.6 * np.mean(angles[:10])
    network = open_bundle(out).network("deeplandscape_lighting")
    made = DeepLandscapeSet(open_bundle(generator)).generator()
    z = torch.randn(64, 16, generator=torch.Generator().manual_seed(2))
    light = torch.randn(64, 3, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before = made.mapping(z)
        after = made.mapping(torch.cat((z[:, :13], light), 1))
        moved = network(before, light, 1.0)
    assert (moved - after).abs().mean() < 0.8 * (before - after).abs().mean()

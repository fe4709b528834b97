"""Training of generator, encoder and the compact pair: tiny runs that learn, resume to the bit, and export."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from cinegan_cli.cli.main import run as command
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models.store import open_models
from cinegan_cli.training.run_folder import LOG
from cinegan_cli.training.settings import CompactSettings, EncoderSettings, GeneratorSettings, LoopSettings
from cinegan_cli.training.tasks import compact, encoder, generator
from cinegan_cli.training.tasks.adaptive import INTERVAL, AdaptiveAugment, resampled
from cinegan_cli.training.tasks.perceptual import edge_distance, perceptual_distance
from cinegan_cli.types import silent
from tests.scenes import noise_photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four reddish photos of 96 x 72 px."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(4):
        levels = noise_photo(96, 72, seed=k).pixels_u8.numpy().astype(np.float32)
        red = np.clip(levels * [0.3, 0.5, 1.2] + [0, 0, 40], 0, 255).astype(np.uint8)  # OpenCV's order: B, G, R
        cv2.imwrite(str(folder / f"{k}.png"), red)
    return folder


def loop_in(work: Path, steps: int, **changes: object) -> LoopSettings:
    values = {"batch": 4, "log_every": 1, "sample_every": 0, "device": "cpu", "precision": "float32", **changes}
    return LoopSettings(work=work, steps=steps, **values)  # type: ignore[arg-type]


def tiny(photos: Path, work: Path) -> GeneratorSettings:
    return GeneratorSettings(
        photos, work / "g.safetensors", size=16, style_dim=8, mapping_layers=2, channels=8, learning_rate=1e-2
    )


def column(work: Path, name: str) -> list[float]:
    with (work / LOG).open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_generator_learns_the_colour_of_the_photos(photos: Path, tmp_path: Path) -> None:
    def redness(steps: int) -> Tensor:
        work = tmp_path / str(steps)
        path = generator.train(tiny(photos, work), loop_in(work, steps, ema=0.9), progress=silent)
        made = open_models(path).generator()
        with torch.no_grad():
            z = torch.randn(16, 8, generator=torch.Generator().manual_seed(5))
            return made.synthesize(made.w_plus(made.mapping(z))).mean((0, 2, 3))

    first = cv2.imread(str(photos / "0.png"))
    wanted = torch.from_numpy(first[:, :, ::-1].mean((0, 1)) / 127.5 - 1).float()
    assert (redness(60) - wanted).norm() < 0.6 * (redness(1) - wanted).norm()


def test_resumed_generator_is_the_same_to_the_bit(photos: Path, tmp_path: Path) -> None:
    settings = replace(tiny(photos, tmp_path / "a"), r1_every=2, path_every=3, ada_pictures=200)
    generator.train(settings, loop_in(tmp_path / "a", 9), progress=silent)
    broken = replace(settings, out=tmp_path / "b" / "g.safetensors")
    generator.train(broken, loop_in(tmp_path / "b", 5), progress=silent)
    generator.train(broken, loop_in(tmp_path / "b", 9, resume=True), progress=silent)
    one, two = load_file(settings.out), load_file(broken.out)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert column(tmp_path / "a", "discriminator") == column(tmp_path / "b", "discriminator")


def test_a_size_that_is_no_power_of_two(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--size .*48"):
        generator.train(replace(tiny(photos, tmp_path), size=48), loop_in(tmp_path / "w", 1), progress=silent)


@pytest.mark.slow
def test_encoder_learns_and_its_set_opens(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))  # without LPIPS
    small = replace(tiny(photos, tmp_path), size=64, channels=4)
    path = generator.train(small, loop_in(tmp_path / "g", 1, batch=2), progress=silent)
    settings = EncoderSettings(photos, str(path), tmp_path / "e.safetensors", learning_rate=1e-3)
    made = encoder.train(settings, loop_in(tmp_path / "e", 8, batch=1), progress=silent)
    losses = column(tmp_path / "e", "encoder")
    assert losses[-1] < 0.8 * max(losses)
    assert open_models(made).has("generator", "encoder")
    assert '"none"' in (tmp_path / "e" / "config.json").read_text()  # which LPIPS it learned by


def test_encoder_needs_a_generator_with_d10(photos: Path, tmp_path: Path) -> None:
    path = generator.train(tiny(photos, tmp_path), loop_in(tmp_path / "g", 1), progress=silent)
    with pytest.raises(InputError, match=r"\b16\b.*\b64\b"):
        encoder.train(EncoderSettings(photos, str(path)), loop_in(tmp_path / "e", 1), progress=silent)


def test_compact_pair_learns_and_its_set_opens(photos: Path, tmp_path: Path) -> None:
    settings = CompactSettings(
        photos, tmp_path / "c.safetensors", crop=32, learning_rate=1e-2, style_dim=8, channels=8, multiplier=0.125
    )
    made = compact.train(settings, loop_in(tmp_path / "c", 40), progress=silent)
    losses = column(tmp_path / "c", "compact")
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    models = open_models(made)
    assert models.has("generator", "encoder")
    assert models.encoder().index == 14


def test_the_command_trains(photos: Path, tmp_path: Path) -> None:
    options = "--size 8 --style-dim 4 --mapping-layers 1 --channels 4 --steps 2 --batch 2 --device cpu --quiet"
    out = tmp_path / "g.safetensors"
    paths = ["--data", str(photos), "--out", str(out), "--work", str(tmp_path / "run")]
    assert command(["train", "generator", *paths, *options.split()]) == 0
    assert out.is_file()
    assert command(["train", "generator", *paths, *options.split()]) == 2, "the folder holds a run already"


def test_augmentation_follows_the_verdicts() -> None:
    augment = AdaptiveAugment(target=0.6, pictures=100)
    for step in range(INTERVAL):
        augment.observe(torch.ones(5, 1))
        augment.adapt(step)
    assert float(augment.p) == pytest.approx(5 * INTERVAL / 100)
    for step in range(2 * INTERVAL):
        augment.observe(-torch.ones(5, 1))
        augment.adapt(step)
    assert float(augment.p) == 0


def test_augmentation_at_0_changes_nothing_and_at_1_everything() -> None:
    augment = AdaptiveAugment(0.6, 100)
    pictures = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert augment(pictures) is pictures
    augment.p.fill_(1.0)
    disturbed = augment(pictures)
    assert all((disturbed[k] - pictures[k]).abs().mean() > 0.02 for k in range(6))
    torch.autograd.backward(disturbed.sum())
    assert pictures.grad is not None
    assert bool(pictures.grad.isfinite().all())


@pytest.mark.parametrize("size", [(9, 14), (16, 16)])
def test_resampling_is_torchs_and_has_second_derivatives(size: tuple[int, int], generator: torch.Generator) -> None:
    pictures = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64).requires_grad_()
    grid = 6 * torch.rand(2, 7, 11, 2, generator=generator, dtype=torch.float64) - 3  # far beyond the edges
    wanted = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(resampled(pictures, grid), wanted)
    assert torch.autograd.gradcheck(lambda x: resampled(x, grid), (pictures,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: resampled(x, grid).square(), (pictures,), fast_mode=True)


def test_edge_distance_asks_where_edges_are() -> None:
    picture = noise_photo(64, 64).pixels[None] * 2 - 1
    assert float(edge_distance(picture, picture)) == 0
    fainter, shifted = 0.9 * picture, picture.roll(2, 3)
    assert float(edge_distance(picture, fainter)) < 0.3 * float(edge_distance(picture, shifted))


def test_lpips_weights_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "alex.pth").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"alex\.pth"):
        perceptual_distance((tmp_path / "alex.pth",), torch.device("cpu"))

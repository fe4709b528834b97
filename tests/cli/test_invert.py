"""`cinegan invert --system deeplandscape`, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.errors import ExitStatus
from cinegan_cli.models import DeepLandscapeSet, open_models
from tests.small_landscape_set import GENERATOR, write_landscape_set
from tests.small_models import write_models
from tests.small_scene import invoke, tree, write_scene

INVERT = "invert photo.png --system deeplandscape --models small.safetensors --out l.safetensors --steps 2"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_scene(tmp_path)
    write_landscape_set(tmp_path / "small.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_latents_a_picture_and_figures(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = invoke(f"{INVERT} --variant EOIFS --mask mask.png --json", capfd)
    assert outcome.status == 0
    found = json.loads(outcome.stdout)
    assert found["variant"] == "EOIFS"
    assert found["perceptual_network"] == "EfficientNet-Lite features"
    assert found["lpips"] is None
    assert found["seconds"] > 0
    assert "2 steps and 2 of fine-tuning" in outcome.stderr
    with Image.open("photo.png") as photo, Image.open(found["picture"]) as picture:
        assert picture.size == (2 * photo.width, photo.height)
        assert np.array_equal(np.asarray(picture)[:, : photo.width], np.asarray(photo.convert("RGB")))
        grid = (4, round(4 * photo.width / photo.height))
    generator = DeepLandscapeSet(open_models("small.safetensors")).generator()
    latents, tuned = dl.read_latents(Path("l.safetensors"), generator, grid)
    assert len(latents.codes.static) == GENERATOR["levels"]
    assert tuned is not generator


def test_the_line_for_people_names_what_measured(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = invoke(f"{INVERT} --variant MO", capfd)
    assert outcome.status == 0
    assert "SSIM" in outcome.stdout
    assert "EfficientNet-Lite features" in outcome.stdout


def test_a_photo_of_20_px(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (20, 20), "teal").save("photo.png")
    assert invoke(f"{INVERT} --variant MO", capfd).status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "cause"),
    [
        (INVERT.replace("small.", "none."), ExitStatus.MODEL_MISSING, "none.safetensors"),
        (INVERT.replace("small.", "other."), ExitStatus.MODEL_MISSING, "other.safetensors"),
        (INVERT.replace("photo.png", "nothing.png"), ExitStatus.INPUT, "nothing.png"),
        (f"{INVERT} --variant EOX", ExitStatus.USAGE, "--variant"),
        (f"{INVERT} --steps 0", ExitStatus.USAGE, "--steps"),
        (f"{INVERT} --variant E --models bare.safetensors", ExitStatus.MODEL_MISSING, "--variant MO"),
        (f"{INVERT} --variant MO --mask mask.png", ExitStatus.USAGE, "--variant MO"),
        (f"{INVERT} --mask black.png", ExitStatus.INPUT, "black.png"),
        (f"{INVERT} --mask nothing.png", ExitStatus.INPUT, "nothing.png"),
        (f"{INVERT} --perceptual photo.png", ExitStatus.INPUT, "photo.png"),
        (f"{INVERT} --perceptual nothing.pth", ExitStatus.INPUT, "nothing.pth"),
        (f"{INVERT} --refine 3", ExitStatus.USAGE, "--refine"),
        (f"{INVERT} --system pyramid", ExitStatus.USAGE, "--system"),
        ("invert photo.png --out l.safetensors --variant MO", ExitStatus.USAGE, "--variant"),
        ("invert photo.png --out l.safetensors --mask mask.png", ExitStatus.USAGE, "mask"),
        ("invert photo.png --out l.safetensors --backbone pyramid", ExitStatus.USAGE, "--backbone"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: str, status: ExitStatus, cause: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_models(folder / "other.safetensors")
    write_landscape_set(folder / "bare.safetensors", "generator")
    Image.new("L", (64, 48)).save("black.png")
    before = tree(folder)
    outcome = invoke(arguments, capfd)
    assert outcome.status == status
    assert cause in outcome.complaints[-1]
    assert len(outcome.complaints) == 1
    assert tree(folder) == before

"""Training of the mask network: data, augmentation, loss, figures, and a tiny run that learns and resumes."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.errors import InputError
from cinegan_cli.measure.iou import score
from cinegan_cli.models.bundle import Bundle, pack, write_bundle
from cinegan_cli.models.store import open_models
from cinegan_cli.nn.backbone import BackboneConfig
from cinegan_cli.nn.seer import Seer, SeerConfig
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import see, three_ways
from cinegan_cli.training.data.augment import augment
from cinegan_cli.training.data.masks import Example, read_examples
from cinegan_cli.training.run_folder import LOG
from cinegan_cli.training.settings import MaskLoop, MaskSettings
from cinegan_cli.training.tasks.mask import train
from cinegan_cli.training.tasks.seer import read_seer
from cinegan_cli.types import IGNORE, MOVING, REFLECTION, SKY, STATIC, WATER, silent
from tests.small_models import write_models


def picture(seed: int, width: int = 96, height: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Smooth blue above, brown noise, then green stripes: pixels [H, W, 3] and labels [H, W]."""
    rng = np.random.default_rng(seed)
    horizon, shore = sorted(rng.integers(height // 5, height * 4 // 5, 2))
    labels = np.full((height, width), STATIC, np.uint8)
    labels[:horizon], labels[shore + 4 :] = SKY, WATER
    pixels = np.array([[120, 90, 60], [120, 170, 230], [40, 140, 110]])[labels].astype(np.float32)
    pixels += np.array([40, 2, 10])[labels][:, :, None] * rng.standard_normal((height, width, 1))
    return np.clip(pixels, 0, 255).astype(np.uint8), labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with ten annotated train photos, a test photo, one that may not train, and one sample."""
    root = tmp_path / "data"
    for folder in ("photos", "annotated", "stylecinegan_samples/one", "extra"):
        (root / folder).mkdir(parents=True)
    rows = ["file,split,licence,ship,train_shipped_weights"]
    for k in range(13):
        pixels, labels = picture(k)
        Image.fromarray(pixels).save(root / "photos" / f"p{k}.png")
        if k != 9:
            Image.fromarray(labels).save(root / "annotated" / f"p{k}_mask.png")
        split, allowed = ("test" if k == 10 else "train"), ("no" if k == 11 else "yes")
        rows.append(f"photos/p{k}.png,{split},CC0,yes,{allowed}")
    paletted = Image.fromarray(np.full((32, 48), IGNORE, np.uint8) // 255 * 2, "P")
    paletted.putpalette([0, 0, 0, 0, 0, 255, 0, 255, 0])
    paletted.save(root / "extra" / "p9.png")
    pixels, labels = picture(50)
    Image.fromarray(pixels).save(root / "stylecinegan_samples/one/photo.png")
    Image.fromarray((labels > 0).astype(np.uint8) * 255).save(root / "stylecinegan_samples/one/mask.png")
    (root / "manifest.csv").write_text("\n".join(rows))
    return root


def tiny(data: Path, work: Path, **changes: object) -> MaskSettings:
    settings = MaskSettings(data=data, annotations=data / "extra", out=work / "mask.safetensors", side=64, held_out=4)
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def loop(work: Path, steps: int, **changes: object) -> MaskLoop:
    settings = MaskLoop(work=work, steps=steps, batch=2, log_every=1, sample_every=3, device="cpu")
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def test_examples_follow_the_manifest(data: Path) -> None:
    examples = {e.name: e for e in read_examples(data, data / "extra", 48)}
    assert "p11" not in examples, "train_shipped_weights=no"
    assert examples["p10"].split == "test"
    assert examples["p0"].photo.shape == (32, 48, 3)
    assert set(np.unique(examples["p0"].labels)) <= {STATIC, SKY, WATER, IGNORE}
    assert set(np.unique(examples["p9"].labels)) == {WATER}, "palette indices, not colours"
    assert set(np.unique(examples["one"].labels)) <= {STATIC, MOVING, IGNORE}
    without = {e.name: e for e in read_examples(data, None, 48)}
    assert without["p9"].split == "none"
    with pytest.raises(InputError, match=r"manifest\.csv"):
        read_examples(data / "photos", None, 48)


def test_labels_of_another_shape_are_refused(data: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(data / "annotated" / "p0_mask.png")
    with pytest.raises(InputError, match="64x64"):
        read_examples(data, None, 48)


def test_augmented_labels_stay_with_their_pixels() -> None:
    labels = np.zeros((80, 120), np.uint8)
    labels[:40] = SKY
    photo = np.where(labels[:, :, None] == SKY, 250, 5).astype(np.uint8).repeat(3, 2)
    example = Example("e", "train", photo, labels)
    for seed in range(20):
        pixels, moved = augment(example, [example], (96, 64), np.random.default_rng(seed))
        assert pixels.shape == (64, 96, 3)
        assert moved.shape == (64, 96)
        assert set(np.unique(moved)) <= {STATIC, SKY, REFLECTION}, "a lake may have been put in"
        light, sky = pixels.astype(float).mean(2)[moved != REFLECTION], (moved == SKY)[moved != REFLECTION]
        assert sky.all() or not sky.any() or np.corrcoef(light, sky)[0, 1] > 0.9


def test_augmentation_repeats() -> None:
    pixels, labels = picture(0)
    pool = [Example("a", "train", pixels, labels, {SKY: (0, 0, 90, 10)})]
    one, two = (augment(pool[0], pool, (64, 64), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_scores_weigh_photos_alike() -> None:
    large = np.zeros((100, 100), np.uint8)
    large[:50] = SKY
    small = np.zeros((2, 2), np.uint8)
    small[0] = WATER
    perfect = score([(large, large), (small, small)])
    assert (perfect.moving, perfect.per_photo, perfect.classes) == (1.0, 1.0, (1.0, 1.0, 1.0))
    half = score([(large, large), (np.zeros_like(small), small)])
    # of two photos: moving 0.75 of 1.0 true is found wrongly never: IoU 0.5 / 1; static 1 / 1.5
    assert half.moving == pytest.approx((0.5 + 1 / 1.5) / 2)
    assert half.classes == pytest.approx((1 / 1.5, 1.0, 0.0))
    unsure = small.copy()
    unsure[1] = IGNORE
    assert score([(np.full_like(small, WATER), unsure)]).moving == 1.0


def small_seer(path: Path) -> Path:
    net = Seer(SeerConfig(BackboneConfig(0.25, 0.3), (16, 16, 16, 16), side=64))
    header = {"members": 1, "network": net.config.as_dict()}
    write_bundle(path, Bundle("seer", header, {f"0.{k}": v for k, v in pack(net.state_dict()).items()}))
    return path


def test_a_mask_run_learns_kinds_and_leaves_the_moves_alone(data: Path, tmp_path: Path) -> None:
    start = small_seer(tmp_path / "start.safetensors")
    made = train(tiny(data, tmp_path, start=start, learning_rate=5e-3), loop(tmp_path / "run", 30), progress=silent)
    with (tmp_path / "run" / LOG).open(newline="") as file:
        losses = [float(row["seer"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])
    before, after = read_seer(start).state_dict(), read_seer(made).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.allclose(before[name], after[name], atol=1e-3)}
    assert "kinds" in changed
    assert "moves" not in changed
    seen = three_ways(see(torch.from_numpy(picture(3)[0]), session=Session(), weights=made))
    assert torch.allclose(seen.sum(0), torch.ones(seen.shape[1:]), atol=1e-5)


def test_the_papers_form_learns_on_a_generators_features(data: Path, tmp_path: Path) -> None:
    models = write_models(tmp_path / "small.safetensors", "generator", "encoder")
    settings = tiny(data, tmp_path, form="pixels", models=str(models), members=2, learning_rate=1e-2)
    made = train(settings, loop(tmp_path / "run", 40, batch=4), progress=silent)
    with (tmp_path / "run" / "member_1" / LOG).open(newline="") as file:
        losses = [float(row["mask"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    opened = open_models(made)
    assert opened.parts == ("generator", "encoder", "mask")
    classifiers = opened.classifiers()
    assert classifiers is not None
    assert len(classifiers) == 2
    assert all(value.isfinite().all() for value in classifiers.state_dict().values())

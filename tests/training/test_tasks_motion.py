"""Training of the motion networks: crops keep photo, mask, field and arrows together; tiny runs learn."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.config import MaskConfig, MotionConfig, PhotoConfig
from cinegan_cli.errors import ExitStatus, InputError, UsageError
from cinegan_cli.models.bundle import Bundle, pack, write_bundle
from cinegan_cli.models.formats.stylecinegan import load_released
from cinegan_cli.nn.backbone import BackboneConfig
from cinegan_cli.nn.motion_net import MotionNet, spread
from cinegan_cli.nn.seer import Seer, SeerConfig
from cinegan_cli.session import Session
from cinegan_cli.stages.mask.make import make_mask
from cinegan_cli.stages.motion.make import make_motion
from cinegan_cli.stages.motion.network import centred
from cinegan_cli.stages.photo.read import read_photo
from cinegan_cli.training.data import motions as motion_data
from cinegan_cli.training.data.motions import Example, MotionSet, draw_arrows, placed, read_sets
from cinegan_cli.training.data.synthetic import make_synthetic
from cinegan_cli.training.run_folder import LOG
from cinegan_cli.training.settings import LoopSettings, MotionSettings, SyntheticConfig
from cinegan_cli.training.tasks.motion import motion_loss, train
from cinegan_cli.training.tasks.seer import read_seer
from cinegan_cli.training.tasks.seer_moves import targets
from cinegan_cli.types import silent
from tests.small_scene import invoke

SIDE = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion") / "set"
    make_synthetic(folder, SyntheticConfig(count=6, size=64, seed=2))
    return folder


def example(dx: float = 0.04, dy: float = -0.01, sky: bool = True) -> Example:
    """A blue upper half, lighter to the right, that moves at one velocity."""
    photo = np.full((48, 64, 3), (90, 70, 50), np.uint8)
    photo[:24] = (60, 120, 220)
    photo[:24, 32:] = (100, 160, 255)
    moving = np.zeros((48, 64), np.float32)
    moving[:24] = 1
    velocity = np.zeros((2, 48, 64), np.float32)
    velocity[0, :24], velocity[1, :24] = dx, dy
    return Example("e", photo, moving * sky, moving * (not sky), velocity)


def settings(data: Path, work: Path, **changes: object) -> tuple[MotionSettings, LoopSettings]:
    motion = MotionSettings(data=(data,), out=work / "motion.safetensors", side=SIDE, width=0.34, form="compact")
    loop = LoopSettings(
        work=work / "run", steps=60, batch=4, log_every=1, sample_every=30, device="cpu", threads=1, ema=0.9
    )
    return replace(motion, **changes), loop  # type: ignore[arg-type]


def column(work: Path, name: str) -> list[float]:
    with (work / "run" / "log.csv").open(newline="") as lines:
        return [float(row[name]) for row in csv.DictReader(lines)]


# ---- crops


def test_lessons_keep_everything_together() -> None:
    crops = MotionSet([[example(sky=False)]], SIDE, 1.0)
    seen = set()
    for seed in range(30):
        crop = crops.crop(np.random.default_rng(seed))
        inside = crop.weight > 0.99
        if inside.sum() < 20 or not crop.hints[2].any():
            continue
        if np.ptp(crop.scene[:3].mean(0)[inside]) < 0.1:  # only one half is in the picture
            continue
        blue, red = crop.scene[2][inside].mean(), crop.scene[0][inside].mean()
        assert blue >= red - 0.02, "the moving part is the blue one, or grey"
        direction = np.sign(crop.velocity[0][inside].mean())
        seen.add(float(direction))
        slope = np.corrcoef(crop.scene[:3].mean(0)[inside], crop.scene[6][inside])[0, 1]
        assert direction == np.sign(slope), "a mirrored picture moves the other way"
        assert np.gradient(crop.scene[6], axis=1)[inside].mean() > 0, "x runs to the right"
        assert np.all(crop.velocity[1][inside] < 0)
        drawn = crop.hints[2] > 0
        assert np.hypot(*crop.hints[:2])[drawn].mean() == pytest.approx(1, rel=0.02), "relative to the arrows"
        assert np.hypot(*crop.velocity)[inside].mean() == pytest.approx(1, rel=0.15)
    assert seen == {-1.0, 1.0}, "mirrored half of the time"


def test_sky_without_arrows_goes_right_and_water_as_it_goes() -> None:
    for dx in (0.05, -0.05):
        sky = MotionSet([[example(dx=dx)]], SIDE, 0.0).crop(np.random.default_rng(1))
        assert (sky.velocity[0] * sky.scene[3]).sum() > 0
        told = [MotionSet([[example(dx=dx)]], SIDE, 1.0).crop(np.random.default_rng(n)) for n in range(12)]
        assert {float(np.sign((t.velocity[0] * t.scene[3]).sum())) for t in told} == {-1.0, 1.0}
    ways = [MotionSet([[example(sky=False)]], SIDE, 0.0).crop(np.random.default_rng(n)) for n in range(12)]
    assert {float(np.sign((w.velocity[0] * w.scene[4]).sum())) for w in ways} == {-1.0, 1.0}


def test_placing_keeps_shares_of_the_longer_side() -> None:
    scene, velocity = placed(example(), centred(64, 48, 128), 128)
    assert velocity[0][scene[3] > 0.99].mean() == pytest.approx(0.04, rel=1e-3)
    assert scene[5].mean() == pytest.approx(0.75, abs=0.02), "the square is padded above and below"
    assert scene[5, 64, 2:-2].min() > 0.99
    _, zoomed = placed(example(), np.diag([2.0, 2.0, 1.0])[:2] @ np.vstack([centred(64, 48, 64), [0, 0, 1]]), 64)
    assert np.abs(zoomed[0]).max() == pytest.approx(0.08, rel=1e-3), "seen from nearer it is faster"


def test_arrows_lie_on_what_moves_and_say_the_truth() -> None:
    scene, velocity = placed(example(), centred(64, 48, SIDE), SIDE)
    for seed in range(5):
        hints = draw_arrows(velocity, scene[3], np.random.default_rng(seed))
        drawn = hints[2] > 0
        assert 0 < drawn.mean() < 0.2
        assert np.allclose(hints[0][drawn], 0.04, atol=1e-3)
    assert not draw_arrows(velocity, np.zeros_like(scene[3]), np.random.default_rng(0)).any()


def test_only_samples_that_may_train_are_read(data: Path, tmp_path: Path) -> None:
    assert len(read_sets([data], 32)[0]) == 6
    copied = tmp_path / "set"
    make_synthetic(copied, SyntheticConfig(count=2, size=64, seed=2))
    manifest = copied / "manifest.csv"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], lines[1].replace(",train,", ",test,"), lines[2]]) + "\n")
    assert [e.name for e in read_sets([copied], 32)[0]] == ["synthetic_2_00001"]
    manifest.write_text("\n".join([lines[0], lines[1].replace(",yes,", ",no,")]) + "\n")
    with pytest.raises(InputError, match=str(copied)):
        read_sets([copied], 32)
    with pytest.raises(InputError, match="--data"):
        read_sets([], 32)


def test_a_sample_without_kinds_is_split_by_what_is_seen(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    one = example()
    Image.fromarray(one.photo).save(folder / "photo.png")
    Image.fromarray((one.sky * 255).astype(np.uint8)).save(folder / "mask.png")
    np.save(folder / "motion.npy", np.full((2, 24, 32), 0.5, np.float16))
    read = motion_data.read_example(folder, 64)
    assert np.allclose(read.sky + read.water, one.sky, atol=0.1)
    assert np.allclose(read.velocity, 0.5 * 30 / 32, atol=1e-3), "px of its own grid at 30 fps"


# ---- network and figures


def test_arrows_are_carried_over_the_picture() -> None:
    hints = torch.zeros(2, 3, 32, 32)
    hints[0, :, 8, 8] = torch.tensor([2.0, -1.0, 1.0])
    value, near = spread(hints)
    assert torch.allclose(value[0], torch.tensor([2.0, -1.0])[:, None, None].expand(2, 32, 32), atol=1e-4)
    assert near[0, 0, 8, 8] == 1
    assert near[0, 0, 30, 30] < near[0, 0, 10, 10] < 1
    assert not value[1].any()
    assert not near[1].any()


def test_the_compact_network_is_small() -> None:
    assert sum(p.numel() for p in MotionNet().parameters()) < 1.3e6


def test_loss_of_known_cases() -> None:
    wanted = torch.ones(1, 2, 8, 8)
    weight = torch.zeros(1, 8, 8)
    weight[:, :4] = 1
    wrong = wanted.clone()
    wrong[:, :, 4:] = 9
    loss, error = motion_loss(wrong, wanted, weight)
    assert float(loss) == pytest.approx(1e-3, abs=1e-3), "outside nothing counts"
    assert float(motion_loss(wanted + 1, wanted, weight)[1]) == pytest.approx(2**0.5, abs=1e-3)
    assert float(error) < 2e-3


# ---- tiny runs


def test_a_tiny_compact_run_learns_and_resumes(data: Path, tmp_path: Path) -> None:
    motion, loop = settings(data, tmp_path, hinted=0.3)
    train(motion, replace(loop, steps=25), progress=lambda *_: None)
    train(motion, replace(loop, resume=True), progress=lambda *_: None)
    losses = column(tmp_path, "motion")
    assert len(losses) == 60
    assert np.mean(losses[-15:]) < 0.8 * np.mean(losses[:5])
    assert (tmp_path / "run" / "samples" / "0000060.png").is_file()
    sample = next(path.parent for path in data.glob("*/motion.npy"))
    moved = {way: average_velocity(sample, motion.out, way) for way in (None, 9.0, -9.0)}
    assert moved[9.0] > 0 > moved[-9.0], "arrows steer it"
    assert abs(moved[9.0]) + abs(moved[-9.0]) > 2 * 5, "at about their speed"
    assert moved[None] != pytest.approx(average_velocity(sample, None, None)), "the default is another one"


def average_velocity(sample: Path, network: Path | None, arrow: float | None) -> float:
    """Mean x of what moves in a sample, px per second, under one arrow of that length in its middle."""
    photo = read_photo(sample / "photo.png", PhotoConfig())
    mask = make_mask(photo, MaskConfig(mask=sample / "mask.png"), session=Session())
    y, x = (int(np.median(where)) for where in np.nonzero(mask.alpha.numpy() > 0.9))
    arrows = () if arrow is None else ((x, y, x + arrow, y),)
    motion = make_motion(photo, mask, MotionConfig(motion_network=network, arrow=arrows), session=Session())
    velocity = motion.velocity[0] * (photo.size[0] / motion.velocity.shape[2])
    inside = torch.nn.functional.interpolate(mask.alpha[None, None], velocity.shape, mode="area")[0, 0]
    return float((velocity * inside).sum() / inside.sum())


def test_a_tiny_run_of_the_papers_form_learns(data: Path, tmp_path: Path) -> None:
    motion, loop = settings(data, tmp_path, form="pix2pixhd", width=0.07, learning_rate=1e-3)
    train(motion, replace(loop, steps=16, batch=2, sample_every=0), progress=lambda *_: None)
    losses = column(tmp_path, "generator.l1")
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:2])
    network = load_released(motion.out, "motion")  # what `models import` takes
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2, 64, 64)


def test_the_command_saves_its_configuration(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    places = f"--data {data} --work {tmp_path / 'run'} --out {tmp_path / 'm.safetensors'}"
    outcome = invoke(
        f"train motion {places} --form compact --steps 1 --batch 1 --side 64 --width 0.34 --threads 1 --device cpu",
        capfd,
    )
    assert outcome.status == ExitStatus.OK, outcome.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == [str(data)]
    again = invoke(f"train motion {places} --form compact --steps 1 --side 64", capfd)
    assert again.status == ExitStatus.USAGE
    assert "--resume" in again.stderr


def test_a_side_that_does_not_fit_is_refused(data: Path, tmp_path: Path) -> None:
    motion, loop = settings(data, tmp_path, side=100)
    with pytest.raises(UsageError, match=r"--side .*\b32\b.*\b100\b"):
        train(motion, loop, progress=lambda *_: None)


def test_the_seers_moves_learn_a_field_and_nothing_else_changes(data: Path, tmp_path: Path) -> None:
    net = Seer(SeerConfig(BackboneConfig(0.25, 0.3), (16, 16, 16, 16), side=64))
    start = tmp_path / "start.safetensors"
    packed = {f"0.{name}": value for name, value in pack(net.state_dict()).items()}
    write_bundle(start, Bundle("seer", {"members": 1, "network": net.config.as_dict()}, packed))
    motion, loop = settings(data, tmp_path, form="seer", start=start, learning_rate=5e-3)
    made = train(motion, loop, progress=silent)
    with (loop.work / LOG).open(newline="") as file:
        losses = [float(row["motion"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10])
    before, after = read_seer(start).state_dict(), read_seer(made).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.allclose(before[name], after[name], atol=1e-3)}
    assert changed == {"moves"}


def test_targets_of_the_seer_are_headings_and_paces() -> None:
    crop = MotionSet([[example(0.04, 0.0)]], SIDE, 0.0).crop(np.random.default_rng(0))
    goal = targets(crop)
    there = goal[5] > 0
    assert there.any()
    assert goal[0][there] == pytest.approx(1.0, abs=1e-2), "skies are turned to the right"
    assert np.abs(goal[1][there]).max() < 0.05
    assert set(np.unique(goal[5])) <= {0.0, 0.5}, "which way a sky goes is not told"
    assert np.exp(np.median(goal[4][there])) == pytest.approx(0.04, rel=0.6)

"""`cinegan sample`: landscapes from nothing, the same from the same seed, and refusals of one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cinegan_cli.errors import ExitStatus
from cinegan_cli.models import Bundle, write_bundle
from cinegan_cli.nn.deeplandscape import Generator
from tests.small_models import write_models
from tests.small_scene import invoke, pixels, tree

Capture = pytest.CaptureFixture[str]
GENERATOR = {"levels": 4, "style_dim": 8, "multiplier": 1 / 64, "mapping_layers": 1}  # 32 px
QUICK = "--models deep.safetensors --seconds 0.2"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a set of DeepLandscape in it and nothing installed."""
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    generator = Generator(**GENERATOR)  # type: ignore[arg-type]
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            nn.init.normal_(gain)
        elif "to_rgb" in name:
            gain.data.mul_(0.3)
    tensors = {f"deeplandscape_generator.{name}": value for name, value in generator.state_dict().items()}
    config = {"licence": "MIT", "source": [], "deeplandscape_generator": GENERATOR}
    write_bundle(tmp_path / "deep.safetensors", Bundle("deeplandscape", config, tensors))
    return tmp_path


def run(line: str, capfd: Capture) -> None:
    outcome = invoke(f"sample {line}", capfd)
    assert outcome.status == 0, outcome.stderr


def frames(folder: Path) -> list[np.ndarray]:
    return [pixels(path) for path in sorted(folder.glob("*.png"))]


def test_a_video_begins_with_the_still_of_its_seed_and_loops(folder: Path, capfd: Capture) -> None:
    run(f"{QUICK} --out a/%02d.png --seed 5", capfd)
    run("--models deep.safetensors --out a.png --seed 5", capfd)
    made = frames(folder / "a")
    assert len(made) == 6
    assert made[0].shape == (32, 32, 3)
    assert np.abs(made[0].astype(int) - pixels(folder / "a.png")).max() <= 1
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(made, [*made[1:], made[0]], strict=True)]
    assert min(steps) > 0
    assert max(steps) < 2 * np.median(steps)


def test_a_seed_is_a_landscape(folder: Path, capfd: Capture) -> None:
    line = "--models deep.safetensors --out NAME --seed"
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        run(f"{line.replace('NAME', name)} {seed}", capfd)
    assert np.array_equal(pixels(folder / "a.png"), pixels(folder / "b.png"))
    assert not np.array_equal(pixels(folder / "a.png"), pixels(folder / "c.png"))


def test_no_truncation_towards_the_mean_is_the_mean(folder: Path, capfd: Capture) -> None:
    """At 0 all seeds have the same style; what is left of a seed are its maps."""
    for seed in (1, 2):
        run(f"--models deep.safetensors --out t{seed}.png --seed {seed} --truncation 0", capfd)
        run(f"--models deep.safetensors --out f{seed}.png --seed {seed} --truncation 1", capfd)
    colours = {name: pixels(folder / f"{name}.png").mean((0, 1)) for name in ("t1", "t2", "f1", "f2")}
    assert np.abs(colours["t1"] - colours["t2"]).max() < np.abs(colours["f1"] - colours["f2"]).max()


@pytest.mark.parametrize(("size", "shape"), [("48", (48, 48)), ("64x36", (36, 64)), ("16x200", (200, 16))])
def test_any_size(folder: Path, capfd: Capture, size: str, shape: tuple[int, int]) -> None:
    run(f"--models deep.safetensors --out a.png --size {size}", capfd)
    assert pixels(folder / "a.png").shape[:2] == shape
    run(f"{QUICK} --out a/%d.png --size {size}", capfd)
    assert pixels(folder / "a" / "0.png").shape[:2] == shape


def test_several_are_numbered(folder: Path, capfd: Capture) -> None:
    outcome = invoke("sample --models deep.safetensors --out out.jpg --count 3 --seed 7 --json", capfd)
    told = json.loads(outcome.stdout)
    assert [Path(each["out"]).name for each in told["samples"]] == ["out_1.jpg", "out_2.jpg", "out_3.jpg"]
    assert [each["seed"] for each in told["samples"]] == [7, 8, 9]
    assert told["size"] == [32, 32]
    run(f"{QUICK} --out v/%d.png --count 2", capfd)
    assert len(frames(folder / "v_1")) == len(frames(folder / "v_2")) == 6


@pytest.mark.parametrize(
    "options", ["--homography 12h --set x4", "--light-cycle", "--no-loop", "--homography wind.txt"]
)
def test_ways_to_move(folder: Path, capfd: Capture, options: str) -> None:
    (folder / "wind.txt").write_text("-0.01 0\n-0.01 0\n0 0\n0 0\n")
    run(f"{QUICK} --out plain/%d.png", capfd)
    run(f"{QUICK} --out other/%d.png {options}", capfd)
    plain, other = frames(folder / "plain"), frames(folder / "other")
    assert np.array_equal(plain[0], other[0])
    assert not np.array_equal(plain[3], other[3])


def test_a_video_file(folder: Path, capfd: Capture) -> None:
    run(f"{QUICK} --out a.mp4", capfd)
    assert (folder / "a.mp4").stat().st_size > 0


def test_pictures_of_a_stylegan2(folder: Path, capfd: Capture) -> None:
    write_models(folder / "gan.safetensors", "generator")
    run("--models gan.safetensors --out a.png --size 64x32", capfd)
    assert pixels(folder / "a.png").shape == (32, 64, 3)
    outcome = invoke("sample --models gan.safetensors --out a.mp4", capfd)
    assert outcome.status == ExitStatus.MODEL_MISSING
    assert "need a generator of DeepLandscape" in outcome.stderr


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("--models compact --out a.mp4", ExitStatus.MODEL_MISSING),  # makes pictures alone
        ("--models compact --out a.png", ExitStatus.MODEL_MISSING),  # has only the end of a generator
        ("--models none --out a.mp4", ExitStatus.MODEL_MISSING),
        ("--models bad.safetensors --out a.mp4", ExitStatus.INPUT),
        ("--models deep.safetensors --out a.txt", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.png --fps 10", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.png --repeat 2", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.png --homography 3h", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.mp4 --homography three.txt", ExitStatus.INPUT),
        ("--models deep.safetensors --out a.mp4 --homography 13h", ExitStatus.INPUT),
        ("--models deep.safetensors --out a.mp4 --homography 5h --set selected", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.mp4 --size 33x20", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.mp4 --size big", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.mp4 --truncation nan", ExitStatus.USAGE),
        ("--models deep.safetensors --out a.mp4 --count 0", ExitStatus.USAGE),
        ("--models deep.safetensors --out there.png", ExitStatus.ENCODER),
        ("--models deep.safetensors --out there.png --count 1", ExitStatus.ENCODER),
        ("--models deep.safetensors --out deep.safetensors", ExitStatus.USAGE),
    ],
)
def test_what_cannot_be_is_refused_by_one_line(folder: Path, capfd: Capture, line: str, status: ExitStatus) -> None:
    (folder / "bad.safetensors").write_bytes(b"no tensors")
    (folder / "three.txt").write_text("0 0\n0 0\n0 0\n")
    (folder / "there.png").write_bytes(b"kept")
    before = tree(folder)
    outcome = invoke(f"sample {line}", capfd)
    assert outcome.status == status, outcome.stderr
    assert len(outcome.complaints) == 1
    assert tree(folder) == before

"""`cinegan evaluate`: figures that must hold on made-up clips, photos and samples, and what it says to mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.clips import Case, normalised_speed
from cinegan_cli.evaluate.masks import predicted_labels
from cinegan_cli.evaluate.protocol import Scenery
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.video import open_clip
from cinegan_cli.types import FOG, RIVER, SKY, WATER
from tests.small_models import write_models
from tests.small_scene import WIDTH, invoke, texture, upper_half, write_scene
from tests.torchscript import write_script

Capture = pytest.CaptureFixture[str]
Run = Callable[[str], dict[str, Any]]

CYCLE = "--seconds 2 --fps 10"  # 20 frames
GIVEN = "--masks mask.png --motions motion.npy"
BASELINES = [
    "still photo",
    "cross-fade",
    "ping-pong",
    "backward warp",
    "RGB splat",
    "linear joint splat",
    "ours",
]


@pytest.fixture(autouse=True)
def one_thread(set_threads: Callable[[int], None]) -> None:
    """Pictures of 64x48 px are not worth sharing among threads."""
    set_threads(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it; no models are installed."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "nothing"))
    return tmp_path


@pytest.fixture
def measured(folder: Path, capfd: Capture) -> Run:
    """`cinegan evaluate ARGUMENTS --json`, which must succeed."""

    def run(arguments: str) -> dict[str, Any]:
        outcome = invoke(f"evaluate {arguments} --json", capfd)
        assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
        found: dict[str, Any] = json.loads(outcome.stdout)
        return found

    return run


def by_method(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row.get("method", row.get("photo")): row for row in results["means"]["rows"]}


def drifting(count: int, *, noise: float = 0.0) -> list[NDArray[np.uint8]]:
    """Frames whose upper part moves to the right by 2 px each, like motion.npy at 30 fps; the lower part is still."""
    wide = texture(WIDTH + 2 * count)
    moving, still = upper_half()[..., None] > 0, texture()
    random = np.random.default_rng(0)
    frames = []
    for n in range(count):
        start = 2 * (count - n)
        frame = np.where(moving, wide[:, start : start + WIDTH], still)
        frames.append((frame + noise * random.standard_normal(frame.shape)).clip(0, 255).astype(np.uint8))
    return frames


def write_clip(folder: Path, frames: list[NDArray[np.uint8]]) -> None:
    folder.mkdir()
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{n:03d}.png")


def write_own_loop(capfd: Capture, place: str) -> None:
    """A loop that the default makes of the small scene, as PNG frames in the folder `place`."""
    arguments = f"animate photo.png --mask mask.png --motion motion.npy {CYCLE} --out {place}/%03d.png --no-sidecar"
    assert invoke(arguments, capfd).status == ExitStatus.OK


def write_inception(path: Path) -> None:
    """A stand-in for the network of FID: 12 numbers of a picture, as TorchScript."""

    class Small(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), (2, 2)).flatten(1)

    write_script(Small(), path)


# ---- clips


def test_baselines_on_a_clip_of_known_motion(folder: Path, measured: Run) -> None:
    write_clip(folder / "clip", drifting(12))
    results = measured(f"clip {GIVEN} --seconds 1 --compare 0.1")
    rows = by_method(results)
    assert list(rows) == [*BASELINES, "the clip itself"]
    assert all(rows[name]["static_rmse"] == 0 and rows[name]["static_error"] == 0 for name in rows)
    assert rows["still photo"]["motion_rmse"] > 5
    assert rows["ours"]["motion_rmse"] < 0.5 * rows["still photo"]["motion_rmse"]
    assert rows["ours"]["motion_ms_ssim"] > rows["still photo"]["motion_ms_ssim"]
    assert rows["still photo"]["seam"] is None
    assert [row["clip"] for row in results["each"]["rows"]] == ["clip"] * len(rows)


def test_a_clip_that_is_our_own_loop_is_matched_exactly(folder: Path, capfd: Capture, measured: Run) -> None:
    write_own_loop(capfd, "clip")
    write_inception(folder / "inception.pt")
    rows = by_method(measured(f"clip {GIVEN} {CYCLE} --frames clip --fid inception.pt"))
    for name in ("ours", "given frames"):
        assert (rows[name]["motion_rmse"], rows[name]["motion_psnr"]) == (0, 100)
        assert rows[name]["motion_ms_ssim"] == pytest.approx(1, abs=1e-6)
        assert rows[name]["fid"] == pytest.approx(0, abs=1e-3)
    assert {**rows["given frames"], "method": 0, "holes": 0} == {**rows["ours"], "method": 0, "holes": 0}
    assert rows["still photo"]["fid"] > 1
    assert rows["cross-fade"]["motion_rmse"] > 1


def test_motion_is_measured_where_it_is_not_given(folder: Path, measured: Run) -> None:
    write_clip(folder / "clip", drifting(20, noise=1.0))
    results = measured("clip --seconds 1 --compare 0.1")
    rows = by_method(results)
    assert rows["ours"]["motion_rmse"] < 0.8 * rows["still photo"]["motion_rmse"]
    assert 0.5 < rows["the clip itself"]["static_rmse"] < 3  # its noise
    assert rows["ours"]["static_rmse"] == 0


def test_predicted_motion_is_brought_to_the_mean_speed(folder: Path, measured: Run) -> None:
    write_clip(folder / "clip", drifting(6))
    rows = by_method(measured(f"clip {GIVEN} --predicted --seconds 0.2 --compare 0.1 --backbone pyramid"))
    assert rows["ours"]["motion_rmse"] > 0
    clip = open_clip(folder / "clip", max_side=64, fps=10)
    moving = upper_half() > 0
    cases = [Case(clip, folder / "photo.png", Scenery(texture(), moving), {}, speed) for speed in (0.03, 0.05)]
    everywhere = {"move": "everything", "backbone": "pyramid"}
    speed = normalised_speed(cases, everywhere, Session())
    scene = prepare(folder / "photo.png", Config.from_options(**everywhere, speed=speed), Session())
    found = torch.hypot(*scene.motion.velocity)
    inside = torch.nn.functional.interpolate(torch.from_numpy(moving)[None, None].float(), found.shape)[0, 0] > 0
    assert float(found[inside].mean()) / max(found.shape) == pytest.approx(0.04, rel=0.05)


def test_clips_without_motion_are_left_out_by_name(folder: Path, measured: Run) -> None:
    (folder / "clips").mkdir()
    write_clip(folder / "clips" / "moving", drifting(4))
    write_clip(folder / "clips" / "still", [texture()] * 4)
    results = measured("clips --seconds 0.2 --compare 0.1")
    assert {row["clip"] for row in results["each"]["rows"]} == {"moving"}
    assert any("still" in note and "0.0%" in note for note in results["means"]["notes"])


def test_ablation_without_a_generator_says_what_is_left_out(folder: Path, measured: Run) -> None:
    write_clip(folder / "clip", drifting(4))
    results = measured(f"clip {GIVEN} --ablation --seconds 0.2 --compare 0.1")
    names = ["full", "without forward warp", "without deep features", "without mask", "ours", "the clip itself"]
    assert list(by_method(results)) == names
    assert by_method(results)["without mask"]["static_rmse"] > 1
    assert any("D10 only" in note for note in results["means"]["notes"]), "what is left out is named"


def test_ablation_with_a_generator_warps_its_features(folder: Path, measured: Run) -> None:
    write_clip(folder / "clip", drifting(4))
    write_models(folder / "small.safetensors", "generator", "encoder")
    rows = by_method(measured(f"clip {GIVEN} --ablation --seconds 0.2 --compare 0.1 --models small.safetensors"))
    assert "D10 only" in rows
    assert rows["D10 only"]["motion_rmse"] != rows["full"]["motion_rmse"]
    assert rows["full"]["motion_rmse"] > rows["ours"]["motion_rmse"]  # an untrained generator does not make the photo


# ---- photos and samples


def test_inversion_ranks_what_the_latents_hold(folder: Path, measured: Run) -> None:
    write_models(folder / "small.safetensors", "generator", "encoder")
    (folder / "photos").mkdir()
    for name in ("a", "b"):
        shutil.copy("photo.png", folder / "photos" / f"{name}.png")
    results = measured("photos --inversion --models small.safetensors --max-side 64")
    rows = by_method(results)
    assert list(rows) == ["w+ only", "w+ and D10", "w+ and D10, with the residual"]
    assert rows["w+ only"]["rmse"] > 10  # the networks are untrained
    assert rows["w+ and D10, with the residual"]["rmse"] < 1e-3
    assert rows["w+ and D10, with the residual"]["psnr"] == 100
    assert len(results["each"]["rows"]) == 6


def test_mask_iou_of_the_stage_against_painted_masks(folder: Path, measured: Run) -> None:
    (folder / "photos").mkdir()
    (folder / "annotated").mkdir()
    photo = folder / "photos" / "harbour.jpg"
    with Image.open(Path(__file__).parents[2] / "examples" / "harbour.jpg") as picture:
        picture.convert("RGB").resize((320, 214)).save(photo)
        picture.convert("RGB").resize((320, 214)).save(folder / "photos" / "another.jpg")
    (folder / "manifest.csv").write_text("file,split\nphotos/harbour.jpg,test\nphotos/another.jpg,train\n")
    labels, _, _ = predicted_labels(photo, Config(), Session())
    Image.fromarray(labels).save(folder / "annotated" / "harbour_mask.png")
    assert by_method(measured(". --mask-iou"))["all photos together"]["moving"] == 1
    whole = measured(". --mask-iou")
    kinds = labels.copy()
    kinds[:, :160][labels[:, :160] == WATER] = RIVER
    kinds[labels == SKY] = FOG
    Image.fromarray(kinds).save(folder / "annotated" / "harbour_mask.png")
    by_kind = measured(". --mask-iou")
    timeless = [[{**row, "seconds": 0} for row in each["means"]["rows"]] for each in (whole, by_kind)]
    assert timeless[0] == timeless[1], "fog is sky, and a river water"
    rows = {row["kind"]: row for row in by_kind["more"][0]["rows"]}
    assert set(rows) == {"static", "fog", "river", "water"}
    assert [rows[name]["moves"] for name in ("static", "fog", "river", "water")] == [0, 1, 1, 1]
    assert rows["river"]["area"] == pytest.approx((kinds == RIVER).mean())
    white = np.where(labels > 0, 255, 0).astype(np.uint8)
    white[:, :160] = 0  # half of what moves is not painted
    Image.fromarray(white).save(folder / "annotated" / "harbour.png")
    results = measured("photos --mask-iou --masks annotated")
    moving = (labels > 0).astype(int)
    both = [((moving == k) & ((white > 0) == k)).sum() / ((moving == k) | ((white > 0) == k)).sum() for k in (0, 1)]
    row = by_method(results)["all photos together"]
    assert row["moving"] == pytest.approx(sum(both) / 2)
    assert row.get("sky") is None
    assert any("1 photo" in note for note in results["means"]["notes"]), "another.jpg has no mask"


def test_motion_error_of_a_field_that_the_default_makes(folder: Path, capfd: Capture, measured: Run) -> None:
    sample = folder / "samples" / "one"
    sample.mkdir(parents=True)
    for name in ("photo.png", "mask.png"):
        shutil.copy(name, sample)
    assert invoke("motion photo.png --mask mask.png --out samples/one/motion.npy", capfd).status == ExitStatus.OK
    rows = by_method(measured("samples --motion-error"))
    assert rows["ours"]["angle"] == pytest.approx(0, abs=0.1)
    assert rows["ours"]["end_point"] == pytest.approx(0, abs=1e-4)
    assert rows["ours"]["speed"] == pytest.approx(1, abs=1e-4)
    assert (rows["zero"]["end_point"], rows["zero"]["angle"]) == (1, None)
    assert rows["ours, 3 arrows"]["angle"] < 45
    np.save(sample / "motion.npy", -np.load(sample / "motion.npy"))
    rows = by_method(measured("samples/one --motion-error"))
    assert rows["ours"]["angle"] == pytest.approx(180, abs=0.1)
    assert rows["ours"]["axis"] == pytest.approx(0, abs=0.1)
    assert rows["ours"]["end_point"] == pytest.approx(2, abs=1e-4)
    assert rows["ours, 3 arrows"]["angle"] < 45, "arrows are drawn along the known field"


# ---- the command


def test_csv_has_every_clip_and_is_replaced_only_on_demand(folder: Path, capfd: Capture) -> None:
    write_clip(folder / "clip", drifting(4))
    command = f"evaluate clip {GIVEN} --seconds 0.2 --compare 0.1 --csv table.csv"
    outcome = invoke(command, capfd)
    assert outcome.status == ExitStatus.OK
    assert all(name in outcome.stdout for name in BASELINES)
    with Path("table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == [*BASELINES, "the clip itself"]
    assert invoke(command, capfd).status == ExitStatus.ENCODER
    again = invoke(f"{command} --overwrite --quiet", capfd)
    assert (again.status, again.stdout, again.stderr) == (ExitStatus.OK, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "names"),
    [
        ("empty", ExitStatus.INPUT, "empty"),
        ("nothing.mp4", ExitStatus.INPUT, "nothing.mp4"),
        ("broken.mp4", ExitStatus.INPUT, "broken.mp4"),
        ("short", ExitStatus.INPUT, "short 2"),
        ("still", ExitStatus.INPUT, "still 0.0%"),
        ("still copy/still", ExitStatus.INPUT, "still"),
        ("still --csv no/table.csv", ExitStatus.ENCODER, "no/table.csv"),
        ("still --csv table.txt", ExitStatus.USAGE, "table.txt .csv"),
        ("still --masks nowhere", ExitStatus.INPUT, "nowhere"),
        ("still --masks empty", ExitStatus.INPUT, "empty still.png"),
        ("still --masks mask.png --frames empty", ExitStatus.INPUT, "empty"),
        ("still --masks mask.png --frames short", ExitStatus.INPUT, "short 3"),
        ("still --fid photo.png", ExitStatus.INPUT, "photo.png TorchScript"),
        ("still --lpips photo.png", ExitStatus.INPUT, "photo.png"),
        ("still --lpips photo.png --lpips none", ExitStatus.INPUT, "photo.png"),
        ("still --ablation --inversion", ExitStatus.USAGE, "--ablation --inversion"),
        ("photo.png --inversion --models nowhere", ExitStatus.MODEL_MISSING, "--models nowhere compact"),
        ("photo.png --inversion --backbone pyramid", ExitStatus.USAGE, "--backbone pyramid"),
        ("photo.png --inversion --compare 1", ExitStatus.USAGE, "--compare --inversion"),
        ("still --motion-network m.safetensors", ExitStatus.USAGE, "--motion-network --predicted"),
        ("photo.png --mask-iou --motion-network m.safetensors", ExitStatus.USAGE, "--motion-network --mask-iou"),
        ("still --split test", ExitStatus.USAGE, "--split --inversion --mask-iou --motion-error --look"),
        ("empty --motion-error --split test", ExitStatus.USAGE, "--split --motion-error"),
        ("photo.png --mask-iou", ExitStatus.INPUT, "photo.png --masks"),
        ("photo.png --mask-iou --masks empty", ExitStatus.INPUT, "empty photo.png"),
        ("photo.png --mask-iou --masks photo.png", ExitStatus.INPUT, "photo.png 0 1 2 11 255"),
        ("photo.png --mask-iou --masks motion.npy", ExitStatus.INPUT, "motion.npy"),
        ("empty --mask-iou", ExitStatus.INPUT, "empty"),
        ("data --mask-iou --split none", ExitStatus.INPUT, "data/manifest.csv none train --split"),
        ("empty --motion-error", ExitStatus.INPUT, "empty photo.png mask.png motion.npy"),
    ],
)
def test_mistakes_are_told_in_one_line(
    folder: Path, capfd: Capture, arguments: str, status: ExitStatus, names: str
) -> None:
    (folder / "empty").mkdir()
    (folder / "copy").mkdir()
    (folder / "data").mkdir()
    (folder / "data" / "manifest.csv").write_text("file,split\nphotos/a.jpg,train\n")
    (folder / "broken.mp4").write_bytes(b"not a video" * 100)
    write_clip(folder / "short", [texture()] * 2)
    write_clip(folder / "still", [texture()] * 4)
    write_clip(folder / "copy" / "still", [texture()] * 4)
    outcome = invoke(f"evaluate {arguments}", capfd)
    assert (outcome.status, outcome.stdout) == (status, "")
    assert len(outcome.complaints) == 1
    assert all(name in outcome.complaints[0] for name in names.split()), "the line names what is wrong"

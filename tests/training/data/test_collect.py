"""Folders of any kind become a motion set once: clips, published layouts, arrows; the rest is listed with reasons."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import ExitStatus, InputError
from cinegan_cli.training.data import collect
from cinegan_cli.training.data.collect import gather
from cinegan_cli.training.data.motions import read_sets
from cinegan_cli.training.data.scenes import Scene
from cinegan_cli.types import SKY, STATIC, WATER
from tests.small_scene import invoke, tree
from tests.training.data import packed

SIDE = 64
FPS = packed.FPS


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What moves is told apart without the mask network, which takes a second a photo."""

    def upper_half(photo: NDArray[np.uint8], moving: NDArray[np.float32], session: object = None) -> list[object]:
        sky = np.zeros_like(moving)
        sky[: len(sky) // 2] = moving[: len(sky) // 2]
        return [sky, moving - sky]

    monkeypatch.setattr(collect, "split_kinds", upper_half)


def gathered(data: Path, work: Path) -> tuple[dict[str, Path], list[str]]:
    """The folders of the samples by what they were made from, and what was told."""
    told: list[str] = []
    (place,) = gather([data], work, SIDE, tell=told.append)
    with (place / "manifest.csv").open(newline="") as lines:
        return {row["origin"]: (place / row["file"]).parent for row in csv.DictReader(lines)}, told


def error_of(sample: Path, scene: Scene) -> float:
    """Of a sample's motion against the truth, over the truth, where the scene moves."""
    field = np.load(sample / "motion.npy").astype(np.float32)
    wanted = packed.per_frame(scene, 30.0)
    moving = scene.kinds > 0
    return float(np.hypot(*(field - wanted))[moving].mean() / np.hypot(*wanted)[moving].mean())


# ---- clips


def clips(folder: Path) -> Path:
    """Two good clips called alike in odd folders, one that holds still, one of text, one cut off."""
    packed.write_clip(folder / "a b" / "ü #1" / "clip.mp4", packed.river(11, kind="sky"))
    packed.write_clip(folder / "2024" / "clip.mp4", packed.river(11, kind="sky"))
    scene = packed.river()
    for n in range(9):
        (folder / "still").mkdir(exist_ok=True)
        Image.fromarray(scene.at(0)).save(folder / "still" / f"{n}.png")
    (folder / "text.mp4").write_text("hello")
    whole = (folder / "2024" / "clip.mp4").read_bytes()
    (folder / "cut.mov").write_bytes(whole[: len(whole) // 8])
    return folder


def test_clips_anywhere_below_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = clips(tmp_path / "clips")
    made, told = gathered(data, tmp_path / "work")
    assert set(made) == {"a b/ü #1/clip.mp4", "2024/clip.mp4"}
    for name in ("still", "text.mp4", "cut.mov"):
        assert any(line.startswith(f"left out: {name}: ") for line in told), name
    assert all("\n" not in line for line in told)
    sample = made["2024/clip.mp4"]
    kinds = np.array(Image.open(sample / "kinds.png"))
    mask = np.array(Image.open(sample / "mask.png"))
    assert set(np.unique(kinds)) == {STATIC, SKY}
    assert np.array_equal(kinds > 0, mask > 0)
    assert len(read_sets([sample.parent], 32)[0]) == 2
    monkeypatch.setattr(collect, "measure_clip", lambda *_: pytest.fail("measured again"))
    before = tree(tmp_path / "work")
    again, retold = gathered(data, tmp_path / "work")
    assert (again, tree(tmp_path / "work")) == (made, before)
    assert any("2 from before" in line for line in retold)
    assert any(line.startswith("left out: text.mp4") for line in retold), "what is left out is told every time"


def test_an_interrupted_measuring_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = clips(tmp_path / "clips")
    measure, seen = collect.measure_clip, []

    def until_the_second(path: Path, *others: object) -> object:
        seen.append(path)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return measure(path, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(collect, "measure_clip", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        gathered(data, tmp_path / "work")
    made, _ = gathered(data, tmp_path / "work")
    assert len(made) == 2
    assert [path == seen[0] for path in seen].count(True) == 1, "the first one was kept"


def test_the_set_follows_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "clips"
    first = packed.write_clip(data / "one.mp4", packed.river(11, kind="sky"))
    packed.write_clip(data / "two.mp4", packed.river(11, kind="sky"))
    made, _ = gathered(data, tmp_path / "work")
    before = (made["one.mp4"] / "photo.png").read_bytes()
    (data / "two.mp4").unlink()
    packed.write_clip(first, packed.river(12, kind="sky"))
    made, _ = gathered(data, tmp_path / "work")
    assert list(made) == ["one.mp4"]
    assert (made["one.mp4"] / "photo.png").read_bytes() != before
    assert len(list(made["one.mp4"].parent.glob("*/photo.png"))) == 1


# ---- published layouts


def eulerian(folder: Path, scene: Scene) -> str:
    packed.write_clip(folder / "train" / "00001_00000_gt.mp4", scene)
    Image.fromarray(scene.at(0)).save(folder / "train" / "00001_00000_input.jpg", quality=95)
    (folder / "train" / "00001_00000_motion.pth").write_bytes(packed.packed(packed.per_frame(scene, FPS)))
    (folder / "train" / "00001_00000_sparse_motion.flo").write_bytes(b"hints")
    (folder / "avr_image").mkdir()
    Image.fromarray(scene.at(3)).save(folder / "avr_image" / "00001_00000.png")
    np.save(folder / "imageset_shallow.npy", np.array(["00001_00000"]))
    (folder / "validation").mkdir()
    for name in ("gt.mp4", "input.jpg", "motion.pth"):
        copy = (folder / "train" / f"00001_00000_{name}").read_bytes()
        (folder / "validation" / f"00980_00000_{name}").write_bytes(copy)
    return "train/00001_00000_motion.pth"


def claw(folder: Path, scene: Scene) -> str:
    folder.mkdir()
    Image.fromarray(scene.at(0)).save(folder / "0a_input.jpg", quality=95)
    (folder / "0a.flo").write_bytes(packed.flo(packed.per_frame(scene, 30)))
    return "0a.flo"


def frames(folder: Path, scene: Scene) -> str:
    (folder / "lake").mkdir(parents=True)
    for n in range(9):
        Image.fromarray(scene.at(n / 30)).save(folder / "lake" / f"lake_{n}.png")
    (folder / "lake" / "lake_motion.flo").write_bytes(packed.flo(packed.per_frame(scene, 30)))
    (folder / "lake" / "lake_motion_norm.flo").write_bytes(b"another")
    return "lake/lake_motion.flo"


def stylecinegan(folder: Path, scene: Scene) -> str:
    (folder / "0000008").mkdir(parents=True)
    Image.fromarray(scene.at(0)).save(folder / "0000008" / "0000008.png")
    Image.fromarray((scene.kinds > 0).astype(np.uint8) * 255).save(folder / "0000008" / "0000008_mask.png")
    np.save(folder / "0000008" / "0000008_motion.npy", packed.per_frame(scene, 30)[None].astype(np.float16))
    return "0000008/0000008_motion.npy"


def apart(folder: Path, scene: Scene) -> str:
    for name in ("photos", "flows", "masks"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(scene.at(0)).save(folder / "photos" / "one.png")
    Image.fromarray(scene.kinds).save(folder / "masks" / "one.png")
    half = packed.per_frame(scene, 30)[:, ::2, ::2] / 2
    np.savez(folder / "flows" / "one.npz", flow=half)
    return "flows/one.npz"


@pytest.mark.parametrize("write", [eulerian, claw, frames, stylecinegan, apart], ids=lambda write: write.__name__)
def test_published_motion_is_read_as_it_is(
    write: Callable[[Path, Scene], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "measure_clip", lambda *_: pytest.fail("it says itself how it moves"))
    scene = packed.river(kind="all water")
    origin = write(tmp_path / "data", scene)
    made, told = gathered(tmp_path / "data", tmp_path / "work")
    assert list(made) == [origin]
    assert not [line for line in told if line.startswith("left out")]
    sample = made[origin]
    if write is apart:
        assert np.load(sample / "motion.npy").shape == (2, 32, 48)
        assert np.array_equal(np.array(Image.open(sample / "kinds.png")), scene.kinds)
    else:
        assert error_of(sample, scene) < 0.01
    mask = np.array(Image.open(sample / "mask.png")) > 0
    assert (mask & (scene.kinds > 0)).sum() > 0.9 * (mask | (scene.kinds > 0)).sum()
    photo = np.array(Image.open(sample / "photo.png")).astype(float)
    assert np.abs(photo - scene.at(0)).mean() < 6, "JPEG"


def test_fields_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    scene = packed.river()
    stylecinegan(tmp_path / "data", scene)
    for name, content in (("cut", packed.packed(packed.per_frame(scene, 30))[:-99]), ("text", b"hello")):
        Image.fromarray(scene.at(0)).save(tmp_path / "data" / f"{name}.png")
        (tmp_path / "data" / f"{name}_motion.pth").write_bytes(content)
    (tmp_path / "data" / "alone_motion.npy").write_bytes(b"")
    Image.fromarray(scene.at(0)).save(tmp_path / "data" / "narrow.png")
    np.save(tmp_path / "data" / "narrow_motion.npy", np.ones((2, 9, 64), np.float32))
    Image.fromarray(scene.at(0)).save(tmp_path / "data" / "fast.png")
    np.save(tmp_path / "data" / "fast_flow.npy", np.full((2, 32, 48), 9e5, np.float32))
    made, told = gathered(tmp_path / "data", tmp_path / "work")
    assert len(made) == 1
    left_out = {line.split(": ")[1] for line in told if line.startswith("left out")}
    assert left_out == {"cut_motion.pth", "text_motion.pth", "narrow_motion.npy", "alone_motion.npy", "fast_flow.npy"}


def test_folders_for_testing_are_not_learned_from_unless_named(tmp_path: Path) -> None:
    eulerian(tmp_path / "data", packed.river())
    for path in (tmp_path / "data" / "train").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="kept for testing"):
        gather([tmp_path / "data"], tmp_path / "work", SIDE)
    made, _ = gathered(tmp_path / "data" / "validation", tmp_path / "work")
    assert list(made) == ["00980_00000_motion.pth"]


# ---- arrows


def lake_below_sky(folder: Path) -> None:
    """Two photos of sky above a shore above water, with masks of kinds."""
    folder.mkdir(parents=True)
    labels = np.zeros((60, 100), np.uint8)
    labels[:20], labels[30:] = SKY, WATER
    colours = np.array([[90, 70, 50], [120, 170, 230], [40, 90, 120]], np.uint8)
    for name in ("one", "two"):
        Image.fromarray(colours[labels]).save(folder / f"{name}.png")
        Image.fromarray(labels).save(folder / f"{name}_mask.png")


def test_arrows_of_the_shared_file_are_learned_from(tmp_path: Path) -> None:
    lake_below_sky(tmp_path / "data" / "photos")
    regions = [
        {"kind": "sky", "sure": 0.5, "arrows": [[500, 100, 520, 100]]},
        {"kind": "lake", "sure": 0.9, "arrows": [[500, 450, 500, 460]]},
    ]
    unsure = [{"kind": "river", "sure": 0.3, "arrows": [[500, 450, 500, 460]]}]
    entries = {"one": {"regions": regions}, "two": {"regions": unsure}, "elsewhere": {"regions": regions}}
    (tmp_path / "data" / "arrows.json").write_text(json.dumps(entries))
    made, told = gathered(tmp_path / "data", tmp_path / "work")
    assert list(made) == ["photos/one.png"]
    assert any("two.png" in line for line in told)
    field = np.load(made["photos/one.png"] / "motion.npy").astype(np.float32) * 30
    kinds = np.array(Image.open(made["photos/one.png"] / "kinds.png"))
    assert np.allclose(field[:, kinds == SKY].mean(1), (2, 0), atol=0.05), "20 thousandths of 100 px"
    assert np.allclose(field[:, kinds == WATER].mean(1), (0, 1), atol=0.05)
    assert not field[:, kinds == STATIC].any()


def test_arrows_of_labelme_are_learned_from(tmp_path: Path) -> None:
    lake_below_sky(tmp_path / "data")
    (tmp_path / "data" / "two_mask.png").unlink()
    white = np.array(Image.open(tmp_path / "data" / "one_mask.png")) > 0
    Image.fromarray(white.astype(np.uint8) * 255).save(tmp_path / "data" / "one_mask.png")
    line = {"shape_type": "line", "label": "", "points": [[100, 100], [110, 100]]}
    box = {"shape_type": "rectangle", "label": "water", "points": [[0, 80], [200, 120]]}
    for name, shapes in (("one", [line]), ("two", [line, box])):
        drawing = {"imageWidth": 200, "imageHeight": 120, "shapes": shapes}
        (tmp_path / "data" / f"{name}.json").write_text(json.dumps(drawing))
    made, _ = gathered(tmp_path / "data", tmp_path / "work")
    for name, rows in (("one", slice(30, 60)), ("two", slice(40, 60))):
        field = np.load(made[f"{name}.png"] / "motion.npy").astype(np.float32) * 30
        mask = np.array(Image.open(made[f"{name}.png"] / "mask.png")) > 0
        wanted = np.zeros((60, 100), bool)
        wanted[rows] = True
        assert np.array_equal(mask, wanted), "the drawing itself says what moves where no mask does"
        assert np.allclose(field[:, wanted].mean(1), (5, 0), atol=0.1), "the photo is half as large as the drawing"
        kinds = np.array(Image.open(made[f"{name}.png"] / "kinds.png"))
        assert np.array_equal(kinds, wanted * np.uint8(WATER))


# ---- nothing to learn from


def test_what_was_found_and_what_is_needed_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data", tmp_path / "m.safetensors"
    lake_below_sky(data)
    command = f"train motion --data {data} --work {tmp_path / 'work'} --out {out} --device cpu --steps 1"
    before = tree(tmp_path)
    outcome = invoke(command, capfd)
    assert outcome.status == ExitStatus.INPUT
    assert len(outcome.complaints) == 1
    for word in (str(data), "2 photos", "clips", "arrows.json", "NAME_motion.npy"):
        assert word in outcome.complaints[0]
    assert tree(tmp_path) == before
    (data / "text.mp4").write_text("hello")
    outcome = invoke(command, capfd)
    assert outcome.status == ExitStatus.INPUT
    assert len(outcome.complaints) == 1
    assert "text.mp4" in outcome.complaints[0]


def test_the_command_trains_on_clips_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The run's own folder, and the set in it, are no data."""
    monkeypatch.chdir(tmp_path)
    packed.write_clip(tmp_path / "deep" / "er" / "-odd name.mp4", packed.river(11, kind="sky"))
    run = "train motion --data . --steps 2 --batch 1 --side 64 --width 0.05 --device cpu --sample-every 1"
    for work in ("runs/motion", "runs/motion --resume --steps 3"):
        outcome = invoke(f"{run} --work {work}", capfd)
        assert outcome.status == ExitStatus.OK, outcome.stderr
    assert any("1 samples (1 from before)" in line for line in outcome.notes)
    assert os.path.isfile("motion.safetensors")

"""Photos with masks of any common form and layout are examples for the mask network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import ExitStatus, InputError
from cinegan_cli.training.data.masks import read_examples
from cinegan_cli.types import FALLS, FOG, IGNORE, LAKE, MOVING, SKY, STATIC, WATER
from tests.small_scene import invoke, tree

WIDTH, HEIGHT, SIDE = 96, 64, 48
LABELS = np.zeros((HEIGHT, WIDTH), np.uint8)
LABELS[:24], LABELS[40:] = SKY, WATER
MOVES = (LABELS > 0).astype(np.uint8)
Labels = NDArray[np.uint8]


def photo(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.array([[90, 70, 50], [120, 170, 230], [40, 90, 120]], np.uint8)[LABELS]
    noise = np.random.default_rng(seed).integers(0, 20, colours.shape, np.uint8)
    Image.fromarray(colours + noise).save(path)
    return path


def picture(path: Path, labels: Labels, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    if palette is not None:
        image = Image.fromarray(labels, "P") if labels.ndim == 2 else image
        image.putpalette(palette)
    image.save(path)


def outlines(path: Path, *, names: tuple[str, str] = ("sky", "river"), rock: bool = True) -> None:
    """Sky, water and, where `rock`, a rock in the water."""
    boxes = [(names[0], (0, 0, WIDTH, 24)), (names[1], (0, 40, WIDTH, HEIGHT))]
    boxes += [("rock", (0, 50, 20, 60))] * rock
    shapes = [{"label": n, "shape_type": "rectangle", "points": [b[:2], b[2:]]} for n, b in boxes]
    path.write_text(json.dumps({"imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": shapes}))


def wanted(labels: Labels) -> Labels:
    return labels[:: HEIGHT // 32, :: WIDTH // SIDE]


def beside(folder: Path) -> Labels:
    photo(folder / "a.jpg")
    picture(folder / "a_mask.png", LABELS)
    return LABELS


def same_name(folder: Path) -> Labels:
    photo(folder / "deep" / "er" / "a b.jpeg")
    picture(folder / "deep" / "er" / "a b.png", LABELS)
    return LABELS


def two_folders(folder: Path) -> Labels:
    photo(folder / "images" / "train" / "a.png")
    picture(folder / "masks" / "train" / "a.png", LABELS)
    return LABELS


def one_folder_each(folder: Path) -> Labels:
    photo(folder / "a" / "photo.png")
    picture(folder / "a" / "mask.png", MOVES * 255)
    picture(folder / "a" / "kinds.png", LABELS)
    return LABELS


def white(folder: Path) -> Labels:
    photo(folder / "a.png")
    picture(folder / "a_mask.png", MOVES * 255)
    return MOVES * np.uint8(MOVING)


def palette(folder: Path) -> Labels:
    photo(folder / "a.png")
    picture(folder / "a_labels.png", LABELS, [0, 0, 0, 0, 0, 255, 0, 255, 0])
    return LABELS


def ones(folder: Path) -> Labels:
    """Not known whether sky or water: no mask holds a 2."""
    photo(folder / "a.png")
    picture(folder / "a_mask.png", MOVES)
    return MOVES * np.uint8(MOVING)


def colours(folder: Path) -> Labels:
    photo(folder / "a.png")
    picture(folder / "a_mask.png", np.array([[0, 0, 0], [0, 128, 255], [255, 0, 0]], np.uint8)[LABELS])
    return MOVES * np.uint8(MOVING)


def kinds(folder: Path) -> Labels:
    photo(folder / "a.png")
    values = LABELS.copy()
    values[:10], values[40:50], values[50:], values[30:36] = FOG, LAKE, FALLS, IGNORE
    picture(folder / "a_mask.png", values)
    labels = LABELS.copy()
    labels[30:36] = IGNORE
    return labels


def labelme(folder: Path) -> Labels:
    photo(folder / "a.jpg")
    outlines(folder / "a.json")
    labels = LABELS.copy()
    labels[50:60, :20] = STATIC
    return labels


def labelme_of_one_kind(folder: Path) -> Labels:
    photo(folder / "a.jpg")
    outlines(folder / "a.json", names=("thing", "thing"), rock=False)
    return MOVES * np.uint8(MOVING)


FORMS: list[Callable[[Path], Labels]] = [
    *(beside, same_name, two_folders, one_folder_each, white, palette, ones, colours, kinds),
    *(labelme, labelme_of_one_kind),
]


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)
def test_masks_of_any_form_are_read(write: Callable[[Path], Labels], tmp_path: Path) -> None:
    labels = write(tmp_path)
    told: list[str] = []
    (example,) = read_examples(tmp_path, None, SIDE, tell=told.append)
    assert example.split == "train"
    assert example.photo.shape == (32, SIDE, 3)
    assert (example.labels == wanted(labels)).mean() > 0.97
    assert not [line for line in told if line.startswith("left out")]


def test_ones_are_sky_where_other_masks_hold_twos(tmp_path: Path) -> None:
    ones(tmp_path)
    photo(tmp_path / "b.png")
    picture(tmp_path / "b_mask.png", LABELS)
    first, second = read_examples(tmp_path, None, SIDE)
    assert set(np.unique(first.labels)) == {STATIC, SKY}
    assert set(np.unique(second.labels)) == {STATIC, SKY, WATER}


def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    beside(tmp_path)
    photo(tmp_path / "text.jpg")
    (tmp_path / "text_mask.png").write_text("hello")
    photo(tmp_path / "narrow.jpg")
    picture(tmp_path / "narrow_mask.png", np.ones((64, 20), np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    picture(tmp_path / "broken_mask.png", LABELS)
    photo(tmp_path / "json.jpg")
    (tmp_path / "json.json").write_text('{"shapes": [{"label": "sky", "points": "none"}]}')
    photo(tmp_path / "without.jpg")
    told: list[str] = []
    examples = read_examples(tmp_path, None, SIDE, tell=told.append)
    assert [example.name for example in examples] == ["a.jpg"]
    left_out = {line.split(": ")[1] for line in told if line.startswith("left out")}
    assert left_out == {"text.jpg", "narrow.jpg", "broken.jpg", "json.jpg"}


def test_folders_for_testing_do_not_train(tmp_path: Path) -> None:
    for name, labels in (("train", LABELS), ("val", LABELS[::-1])):
        photo(tmp_path / "images" / name / "a.png")
        picture(tmp_path / "masks" / name / "a.png", labels)
    examples = {example.name: example for example in read_examples(tmp_path, None, SIDE)}
    splits = {name: example.split for name, example in examples.items()}
    assert splits == {"images/train/a.png": "train", "images/val/a.png": "test"}
    tops = {name: int(example.labels[0, 0]) for name, example in examples.items()}
    assert tops == {"images/train/a.png": SKY, "images/val/a.png": WATER}, "each has its own folder's mask"


def test_nothing_labelled_is_one_line(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"1 photos.*NAME_mask\.png") as raised:
        read_examples(tmp_path, None, SIDE)
    assert "\n" not in str(raised.value)


def test_the_command_trains_on_a_folder_of_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(6):
        photo(tmp_path / "my photos" / f"{n}.jpg", n)
        picture(tmp_path / "my photos" / f"{n}.png", LABELS)
    (tmp_path / "my photos" / "5.png").write_text("hello")
    before = tree(tmp_path / "my photos")
    run = "train mask --data 'my photos' --members 1 --side 64 --steps 2 --batch 2 --device cpu --sample-every 0"
    outcome = invoke(f"{run} --work run --out mask.safetensors", capfd)
    assert outcome.status == ExitStatus.OK, outcome.stderr
    assert (tmp_path / "mask.safetensors").is_file()
    assert any("5.jpg" in note for note in outcome.notes)
    assert tree(tmp_path / "my photos") == before

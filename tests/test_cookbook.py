"""Every recipe of docs/cookbook.md is run as it stands there, only smaller and shorter: see `SMALLER`."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinegan_cli.cli.main import run
from cinegan_cli.stages.video import read_frames
from tests.released_files import generator_file
from tests.training.data import packed

ROOT = Path(__file__).parents[1]
RECIPES = re.findall(
    r"^## (.+?)\n.*?^```(\w+)\n(.*?)^```", (ROOT / "docs/cookbook.md").read_text(encoding="utf-8"), re.M | re.S
)
SMALLER = {  # command → what is added where the recipe does not say it
    "animate": "--max-side 160 --seconds 0.5 --fps 12",
    "style": "--max-side 160 --seconds 0.5 --fps 12",
    "train": "--steps 1 --batch 1 --side 64 --width 0.25 --save-minutes 60 --sample-every 0",
}


def picture(name: str, width: int) -> np.ndarray:
    """A photo of examples/, small."""
    photo = cv2.imread(str(ROOT / "examples" / name))
    assert photo is not None
    return cv2.resize(photo, (width, round(photo.shape[0] * width / photo.shape[1])), interpolation=cv2.INTER_AREA)


def half(name: str) -> Callable[[], None]:
    """A file that is white in its right half, of the shape of photo.jpg."""
    white = np.zeros((118, 192), np.uint8)
    white[:, 96:] = 255
    return lambda: save(name, white)


def save(name: str, pixels: np.ndarray) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    assert cv2.imwrite(name, pixels)


def folder() -> None:
    save("photos/harbour.jpg", picture("harbour.jpg", 160))
    save("photos/sub.jpg", picture("cove.jpg", 160))


def triple() -> None:
    photo = picture("river.jpg", 128)
    save("triples/river.png", photo)
    save("triples/river_mask.png", half_of(photo))
    np.save("triples/river_motion.npy", np.full((2, 64, 64), 0.5, np.float16))


def half_of(photo: np.ndarray) -> np.ndarray:
    white = np.zeros(photo.shape[:2], np.uint8)
    white[len(white) // 2 :] = 255
    return white


def project() -> None:
    described = {"cinegan_project": 1, "photo": "photo.jpg", "title": "Lake", "settings": {"speed": 0.5}}
    with zipfile.ZipFile("lake.cinegan", "w") as bundle:
        bundle.write("photo.jpg")
        bundle.writestr("project.json", json.dumps(described))


def someone_elses() -> None:
    assert run(shlex.split(f"animate photo.jpg --move sky --out other.mp4 -q {SMALLER['animate']}")) == 0


def clip() -> None:
    packed.write_clip(Path("clips/sky.mp4"), packed.river(11, kind="sky"))


NEEDS: dict[str, Callable[[], object]] = {  # a word of the recipe → what makes the file that it takes to be there
    "boat.jpg": lambda: save("boat.jpg", picture("harbour.jpg", 192)),
    "boat_white.png": half("boat_white.png"),
    "painted.png": half("painted.png"),
    "river.jpg": lambda: save("river.jpg", picture("river.jpg", 1024)),
    "photos": folder,
    "triples": triple,
    "lake.cinegan": project,
    "other.mp4": someone_elses,
    "weights/sg2-lhq-1024.pt": lambda: generator_file(Path("weights/sg2-lhq-1024.pt")),
    "clips": clip,
}


@pytest.mark.parametrize(("title", "language", "block"), RECIPES, ids=[title for title, *_ in RECIPES])
def test_recipe(title: str, language: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    save("photo.jpg", picture("harbour.jpg", 192))
    if language == "python":
        exec(compile(block, title, "exec"), {})
        assert Path("python.mp4").stat().st_size
        return
    for line in block.splitlines():
        words = shlex.split(line)
        assert words[0] == "cinegan"
        for word in words:
            NEEDS.get(word, lambda: None)()
        assert run(smaller(words[1:])) == 0, line
        require_outputs(words)


def smaller(words: list[str]) -> list[str]:
    """The command with what is in SMALLER, but for options that it has itself."""
    pairs = re.findall(r"(--\S+) (\S+)", SMALLER.get(words[0], ""))
    if "--light" in words:
        pairs.append(("--steps", "2"))
    return [*words, *(word for name, value in pairs if name not in words for word in (name, value))]


def require_outputs(words: list[str]) -> None:
    """What --out names is there, and is what the page promises."""
    if "--out" not in words or "--dry-run" in words:
        return
    out = Path(words[words.index("--out") + 1])
    made = [*out.rglob("*.mp4")] if out.is_dir() else [*out.parent.glob(re.sub("%04d", "*", out.name))]
    assert made
    if out.suffix in (".mp4", ".gif"):
        frames = list(read_frames(out))
        assert len(frames) >= 6
        assert ("story" in words) == (frames[0].shape[0] > frames[0].shape[1])
    assert "2MB" not in words or out.stat().st_size <= 2e6


def test_there_are_recipes() -> None:
    assert len(RECIPES) >= 15
    assert len({title for title, *_ in RECIPES}) == len(RECIPES)

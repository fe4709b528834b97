"""`cinegan_cli.animate`: what a script gives and gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cinegan_cli
from cinegan_cli.config import Config
from cinegan_cli.errors import CancelledError, CineganError, InputError, UsageError
from cinegan_cli.session import Session
from tests.small_scene import HEIGHT, WIDTH, texture, tree, upper_half, write_scene

Capture = pytest.CaptureFixture[str]
ARROW = [(10, 10, 50, 12)]
QUICK: dict[str, Any] = {"seconds": 0.3, "fps": 10}  # 3 frames


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it."""
    write_scene(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loop(photo: Any = "photo.png", **options: Any) -> bytes:
    """The bytes of the loop."""
    given = {"mask": "mask.png", "arrow": ARROW} | QUICK | options
    if "motion" in given:
        del given["arrow"]
    summary = cinegan_cli.animate(photo, out="loop.gif", overwrite=True, **given)
    assert [written.path for written in summary.outputs] == [Path("loop.gif")]
    return Path("loop.gif").read_bytes()


def test_it_renders_and_returns_the_summary(folder: Path, capfd: Capture) -> None:
    summary = cinegan_cli.animate("photo.png", out="loop.gif", mask="mask.png", arrow=ARROW, **QUICK)
    assert summary.outputs[0].path == Path("loop.gif")
    assert (summary.size, summary.frames) == ((WIDTH, HEIGHT), 3)
    assert capfd.readouterr() == ("", "")
    config = Config.from_options(out="again.gif", mask=folder / "mask.png", arrow=ARROW, **QUICK)
    cinegan_cli.animate(folder / "photo.png", config)
    assert (folder / "again.gif").read_bytes() == (folder / "loop.gif").read_bytes()


def test_pictures_and_fields_in_memory_make_the_loop_of_their_files(folder: Path) -> None:
    wanted = loop()
    with Image.open("photo.png") as picture, Image.open("mask.png") as mask:
        assert loop(picture) == loop(texture()) == loop(Path("photo.png").read_bytes()) == wanted
        assert loop(mask=mask) == loop(mask=upper_half()) == loop(mask=upper_half() > 0) == wanted
    assert loop(texture(), freeze=255 - upper_half()) == wanted
    assert loop(motion=np.load("motion.npy")) == loop(motion="motion.npy") != wanted


def test_progress_is_told_to_who_wants_it(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    loop(progress=lambda *step: told.append(step))
    assert [(done, total) for what, done, total in told if what == "rendering"] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    count = len(told)
    session = Session()
    loop(session=session, progress=lambda *step: told.append(step))
    assert len(told) == 2 * count
    loop(session=session)
    assert len(told) == 2 * count


def test_progress_may_cancel(folder: Path) -> None:
    session = Session()
    before = tree(folder)
    with pytest.raises(CancelledError):
        loop(session=session, progress=lambda what, done, total: session.cancel())
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("photo", "options", "kind", "words"),
    [
        ("photo.png", {}, UsageError, "out="),
        (".", {"out": "loop.mp4"}, InputError, "is a folder"),
        (5, {"out": "loop.mp4"}, UsageError, "the photo must be"),
        (None, {"out": "loop.mp4"}, UsageError, "the photo must be"),
        (["photo.png"], {"out": "loop.mp4"}, UsageError, "the photo must be"),
        ("a\0b", {"out": "loop.mp4"}, UsageError, "the photo must be"),
        (np.float32(1), {"out": "loop.mp4"}, UsageError, "the photo must be"),
        ("photo.png", {"out": "loop.mp4", "colour": "red"}, UsageError, "unknown option 'colour'"),
        ("photo.png", {"out": "loop.mp4", "mask": 5}, UsageError, "--mask must be"),
        ("photo.png", {"out": "loop.mp4", "max-side": 1}, UsageError, "--max-side must be"),
    ],
    ids=str,
)
def test_what_it_refuses_in_one_line(
    folder: Path, photo: Any, options: dict[str, Any], kind: type[CineganError], words: str
) -> None:
    before = tree(folder)
    with pytest.raises(kind) as caught:
        cinegan_cli.animate(photo, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(folder) == before


def test_config_and_options_do_not_go_together(folder: Path) -> None:
    with pytest.raises(TypeError, match="config must be alone"):
        cinegan_cli.animate("photo.png", Config(), out="loop.mp4")

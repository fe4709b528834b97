"""`cinegan_cli.animate`: what a script gives and gets."""

from __future__ import annotations

import threading
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cinegan_cli
from cinegan_cli.config import Config
from cinegan_cli.errors import CancelledError, CheckError, CineganError, InputError, UsageError
from cinegan_cli.session import Session
from tests.small_scene import HEIGHT, WIDTH, pixels, texture, tree, upper_half, write_scene

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


def frames(photo: Any = "photo.png", **options: Any) -> list[Any]:
    return list(cinegan_cli.frames(photo, **{"mask": "mask.png", "arrow": ARROW} | QUICK | options))


def test_frames_are_those_of_a_folder_of_png(folder: Path) -> None:
    cinegan_cli.animate("photo.png", out="pngs/%04d.png", mask="mask.png", arrow=ARROW, **QUICK)
    files = sorted((folder / "pngs").iterdir())
    before = tree(folder)
    with Image.open("photo.png") as picture:
        for photo in ("photo.png", texture(), picture, Path("photo.png").read_bytes()):
            made = frames(photo, strict=True, mask=upper_half())
            assert [(frame.shape, frame.dtype) for frame in made] == [((HEIGHT, WIDTH, 3), np.uint8)] * len(files)
            assert all((frame == pixels(file)).all() for frame, file in zip(made, files, strict=True))
    assert tree(folder) == before


def test_frames_take_a_config_and_do_not_read_where_it_writes(folder: Path) -> None:
    config = Config.from_options(out="pngs/%04d.mp4", mask=folder / "mask.png", arrow=ARROW, **QUICK)
    assert np.array_equal(list(cinegan_cli.frames("photo.png", config)), frames())


def test_frames_are_rendered_when_asked_for_and_leave_no_thread(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    before = threading.active_count()
    made = cinegan_cli.frames(
        "photo.png", mask="mask.png", arrow=ARROW, seconds=100, progress=lambda *step: told.append(step)
    )
    assert told == []
    taken = list(islice(made, 2))
    assert [(done, total) for what, done, total in told if what == "rendering"] == [(0, 3000), (1, 3000)]
    made.close()
    assert next(made, None) is None
    assert len(told[told.index(("rendering", 0, 3000)) :]) == len(taken) == 2
    assert threading.active_count() == before


def test_frames_of_two_loops_may_be_taken_in_turn(folder: Path) -> None:
    told: dict[str, int] = {"one": 0, "two": 0}

    def counting(name: str) -> Any:
        def count(*step: Any) -> None:
            told[name] += 1

        return count

    session = Session()
    options: dict[str, Any] = {"mask": "mask.png", "arrow": ARROW, "session": session, **QUICK}
    pairs = zip(*(cinegan_cli.frames("photo.png", progress=counting(n), **options) for n in told), strict=True)
    assert all(np.array_equal(one, two) for one, two in pairs)
    assert told["one"] == told["two"] > 3


def test_frames_stop_when_cancelled(folder: Path) -> None:
    session = Session()
    made = cinegan_cli.frames("photo.png", mask="mask.png", arrow=ARROW, session=session, **QUICK)
    next(made)
    session.cancel()
    with pytest.raises(CancelledError):
        next(made)


def test_frames_refuse_settings_at_the_call_and_photos_at_the_first_frame(folder: Path) -> None:
    for photo, options, words in (
        ("photo.png", {"out": "loop.mp4"}, "--out"),
        (5, {}, "the photo must be"),
        ("photo.png", {"colour": "red"}, "unknown option 'colour'"),
        ("photo.png", {"speed": -1}, "--speed must be"),
    ):
        with pytest.raises(UsageError, match=words):
            cinegan_cli.frames(photo, **options)
    for photo, words in (("gone.png", "gone.png"), (".", "is a folder")):
        made = cinegan_cli.frames(photo)
        with pytest.raises(InputError, match=words):
            next(made)


def test_strict_frames_say_after_the_last_that_the_loop_is_not_clean(folder: Path) -> None:
    made = cinegan_cli.frames(np.full((48, 64, 3), 90, np.uint8), mask=upper_half(), arrow=ARROW, strict=True, **QUICK)
    assert len(list(islice(made, 3))) == 3
    with pytest.raises(CheckError, match="nothing moves"):
        next(made)

"""Several files take their places together: after an error or a signal everything is as it was before."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from cinegan_cli.config import VideoConfig
from cinegan_cli.errors import OutputError
from cinegan_cli.stages.video import write_loop, write_pictures
from cinegan_cli.stages.video.commit import all_or_nothing
from tests.small_scene import tree

FRAMES = [np.full((16, 16, 3), 20 * index, np.uint8) for index in range(4)]
NAMES = ("a.mp4", "frames/%02d.png", "b.apng", "new/c.gif")


def write(folder: Path) -> None:
    config = VideoConfig(out=tuple(folder / name for name in NAMES), overwrite=True)
    write_loop(iter(FRAMES), size=(16, 16), fps=25, count=len(FRAMES), config=config)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with what an earlier, longer run left, but for new/."""
    (tmp_path / "frames").mkdir()
    for name in ("a.mp4", "b.apng", "notes.txt", *(f"frames/{index:02d}.png" for index in range(1, 6))):
        (tmp_path / name).write_text(f"earlier {name}")
    return tmp_path


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, act: object) -> None:
    """`act` happens when a file is about to be moved to `name`."""
    replace = os.replace

    def replace_or_act(source: Path, target: Path) -> None:
        if Path(target).name == name and ".old" not in str(source):
            act()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_or_act)


@pytest.mark.parametrize("name", ["a.mp4", "00.png", "01.png", "03.png", "b.apng", "c.gif"])
@pytest.mark.parametrize("links", [True, False])
def test_nothing_changes_when_one_output_cannot_take_its_place(
    earlier: Path, monkeypatch: pytest.MonkeyPatch, name: str, links: bool
) -> None:
    def refuse() -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", "somewhere")

    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    before = tree(earlier)
    fail_at(monkeypatch, name, refuse)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(OutputError, match="not permitted") as caught:
        write(earlier)
    output = next(output for output in NAMES if Path(output).suffix == Path(name).suffix)
    assert output in str(caught.value)
    assert ".part" not in str(caught.value)
    assert tree(earlier) == before


@pytest.mark.parametrize("name", ["a.mp4", "02.png", "c.gif"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_committing_takes_everything_back(
    earlier: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: signal.Signals
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before, handler = tree(earlier), signal.signal(number, stop)
    fail_at(monkeypatch, name, lambda: signal.raise_signal(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            write(earlier)
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, handler)
    assert tree(earlier) == before


def test_a_signal_that_is_only_noted_changes_nothing(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    handler = signal.signal(signal.SIGTERM, lambda signum, _: noted.append(signum))
    fail_at(monkeypatch, "b.apng", lambda: signal.raise_signal(signal.SIGTERM))
    try:
        write(earlier)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert noted == [signal.SIGTERM]
    assert b"earlier" not in (earlier / "a.mp4").read_bytes()


def test_all_take_their_places(earlier: Path) -> None:
    write(earlier)
    names = {name for name, data in tree(earlier).items() if data is not None}
    assert names == {"a.mp4", "b.apng", "new/c.gif", "notes.txt", *(f"frames/{index:02d}.png" for index in range(4))}
    assert all(b"earlier" not in (earlier / name).read_bytes() for name in names - {"notes.txt"})


def test_the_old_file_is_there_until_the_new_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system knows links, a process that is killed while committing leaves one of the two."""
    (tmp_path / "new").write_text("new")
    (tmp_path / "target").write_text("old")
    seen: list[str] = []
    fail_at(monkeypatch, "target", lambda: seen.append((tmp_path / "target").read_text()))
    with all_or_nothing() as moves:
        moves.replace(tmp_path / "new", tmp_path / "target", tmp_path / ".old")
    assert seen == ["old"]
    assert (tmp_path / "target").read_text() == "new"


def test_links_are_replaced_and_come_back_as_links(tmp_path: Path) -> None:
    (tmp_path / "far").write_text("far")
    (tmp_path / "target").symlink_to("far")
    (tmp_path / "new").write_text("new")

    def replace_and_fail() -> None:
        with all_or_nothing() as moves:
            moves.replace(tmp_path / "new", tmp_path / "target", tmp_path / ".old")
            assert (tmp_path / "target").read_text() == "new"
            raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        replace_and_fail()
    assert (tmp_path / "target").is_symlink()
    assert (tmp_path / "far").read_text() == "far"


def test_pictures_take_their_places_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_text("earlier")
    before = tree(tmp_path)
    fail_at(monkeypatch, "b.jpg", refuse)
    with pytest.raises(OutputError, match=r"b\.jpg"):
        write_pictures({tmp_path / "a.png": FRAMES[0], tmp_path / "b.jpg": FRAMES[1]})
    assert tree(tmp_path) == before
    monkeypatch.undo()
    write_pictures({tmp_path / "a.png": FRAMES[0], tmp_path / "b.jpg": FRAMES[1]})
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.jpg"]

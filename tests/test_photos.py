"""Which files of a folder are photos, what goes with them, and links that lead nowhere or in circles."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from PIL import Image

from cinegan_cli.files import is_stream
from cinegan_cli.photos import PHOTO_SUFFIXES, list_folder, with_companions

SEQUENCES = {".apng", ".avifs", ".heics", ".heifs"}
NO_PHOTOS = (
    *("._a.jpg", ".hidden.png", ".thumbs/a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/a.jpg"),
    *("$RECYCLE.BIN/a.jpg", "lost+found/a.jpg", "System Volume Information/a.jpg", "Thumbs.db", ".DS_Store", "a.txt"),
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def photos(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_folder(folder).photos]


def test_every_suffix_of_every_kind_that_is_read_counts(tmp_path: Path) -> None:
    Image.init()
    read = {"PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF"}
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in read} - SEQUENCES
    assert suffixes <= set(PHOTO_SUFFIXES)
    names = sorted(f"{k}{suffix}" for k, suffix in enumerate((*PHOTO_SUFFIXES, ".JPG", ".Jfif")))
    touch(tmp_path, *names)
    assert photos(tmp_path) == names


def test_hidden_and_system_files_are_no_photos(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "photos.jpg/b.png", *NO_PHOTOS)
    assert photos(tmp_path) == ["a.jpg", "photos.jpg/b.png"]
    touch(tmp_path, ".own/a.jpg")
    assert photos(tmp_path / ".own") == ["a.jpg"]  # a hidden folder that is named itself


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_are_no_photos_but_stills_are(suffix: str, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (8, 8), (0, 0, level)) for level in (0, 99, 200)]
    pages[0].save(tmp_path / f"still{suffix}")
    pages[0].save(tmp_path / f"moving{suffix}", save_all=True, append_images=pages[1:], duration=100)
    assert photos(tmp_path) == [f"still{suffix}"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "album/a.jpg", "album/deep/b.jpg", "elsewhere/c.jpg", "elsewhere/notes.txt")
    album = tmp_path / "album"
    for name, target in {
        "here": album,
        "up": tmp_path,
        "top": Path("/"),
        "deep/again": album / "deep",
        "twice": album / "deep",
        "other": tmp_path / "elsewhere",
        "linked.jpg": tmp_path / "elsewhere/c.jpg",
        "broken.jpg": tmp_path / "gone.jpg",
        "self.jpg": album / "self.jpg",
        "self": album / "self",
        "gone": tmp_path / "gone",
    }.items():
        (album / name).symlink_to(target)
    assert photos(album) == ["a.jpg", "deep/b.jpg", "linked.jpg", "other/c.jpg"]
    assert [path.name for path in list_folder(album).unreachable] == ["broken.jpg", "self", "self.jpg"]
    assert all(list_folder(album).unreachable.values())


def test_what_the_system_refuses_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "mount", "closed/b.jpg")
    looked, listed = Path.stat, os.listdir

    def look(path: Path, **keywords: bool) -> os.stat_result:
        if path.name == "mount":
            raise OSError(107, "Transport endpoint is not connected", str(path))
        return looked(path, **keywords)

    def names(path: Path) -> list[str]:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "stat", look)
    monkeypatch.setattr(os, "listdir", names)
    listing = list_folder(tmp_path)
    assert [path.name for path in listing.photos] == ["a.jpg"]
    assert {path.name: reason for path, reason in listing.unreachable.items()} == {
        "closed": "Permission denied",
        "mount": "Transport endpoint is not connected",
    }
    with pytest.raises(PermissionError):
        list_folder(tmp_path / "closed")


def test_masks_and_motion_go_with_their_photo(tmp_path: Path) -> None:
    touch(tmp_path, "lake.jpg", "lake_mask.jpg", "lake_mask.png", "lake_freeze.PNG", "lake_motion.npy")
    touch(tmp_path, "lake_mask_overlay.png", "lake_motion_colours.png", "lake_motion.png", "lake_reconstruction.png")
    touch(tmp_path, "venice_mask.jpg", "sub/lake_mask.png", "river.v2 [x] 50%.tif", "river.v2 [x] 50%_mask.json")
    paired = with_companions(list_folder(tmp_path).photos)
    assert {photo.name: {word: file.name for word, file in own.items()} for photo, own in paired.items()} == {
        "lake.jpg": {"mask": "lake_mask.png", "freeze": "lake_freeze.PNG", "motion": "lake_motion.npy"},
        "venice_mask.jpg": {},  # of no photo called venice
        "lake_mask.png": {},  # in another folder
        "river.v2 [x] 50%.tif": {"mask": "river.v2 [x] 50%_mask.json"},
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in the file system")
def test_pipes_are_told_from_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    touch(tmp_path, "a.jpg")
    assert stat.S_ISFIFO((tmp_path / "pipe.jpg").stat().st_mode)
    assert is_stream(Path("-"))
    assert is_stream(tmp_path / "pipe.jpg")
    assert not is_stream(tmp_path / "a.jpg")
    assert not is_stream(tmp_path / "gone.jpg")
    assert photos(tmp_path) == ["a.jpg"]  # a pipe in a folder would hang

"""Files behind URLs, by fsspec's memory://: their local names, and what is brought and taken away."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from cinegan_cli.cluster import Mirror, is_url
from cinegan_cli.cluster.mirror import _put
from cinegan_cli.errors import InputError, UsageError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("url", ["s3://bucket/lake.jpg", "gs://bucket/a b/50%.png", "sftp://me@host:22/x/y.tif"])
def test_urls_have_local_names_and_back(url: str, mirror: Mirror) -> None:
    assert is_url(Path(url))
    assert mirror.url(mirror.local(Path(url))) == url
    assert mirror.named(f"{mirror.local(Path(url))}: is bad, see x/y") == f"{url}: is bad, see x/y"
    assert mirror.moved(mirror.local(Path(url)), Mirror(Path("/other"))).is_relative_to("/other")


@pytest.mark.parametrize("name", ["lake.jpg", "photos/a:b.jpg", "/abs/lake.jpg", "C:/lake.jpg", "loops/*.mp4"])
def test_other_names_stand_for_themselves(name: str, mirror: Mirror) -> None:
    path = Path(name)
    assert not is_url(path)
    assert mirror.local(path) == mirror.moved(path, Mirror(Path("/other"))) == path
    assert mirror.url(path) is None
    assert mirror.look(path) == ()
    mirror.fetch([path])
    mirror.store([path])


@pytest.mark.skipif(sys.platform == "win32", reason="names of drives")
def test_a_file_url_is_that_file(mirror: Mirror) -> None:
    assert mirror.local(Path("file:///a/lake.jpg")) == Path("/a/lake.jpg")


@pytest.mark.parametrize("url", ["s3://", "s3://..", "s3://bucket/../../etc/passwd"])
def test_urls_that_lead_out_are_refused(url: str, mirror: Mirror) -> None:
    with pytest.raises(UsageError, match="s3://"):
        mirror.local(Path(url))


def test_what_is_there_is_seen_fetched_stored_and_removed(memory: Any, mirror: Mirror) -> None:
    for name in ("/b/lake.jpg", "/b/sub/sea.gif", "/other/x.jpg"):
        memory.pipe_file(name, name.encode())
    folder = mirror.local(Path("memory://b"))
    assert mirror.look(folder, contents=True) == ()
    assert files(folder) == {"lake.jpg", "sub/sea.gif"}
    assert (folder / "lake.jpg").read_bytes() == b""
    assert (folder / "sub/sea.gif").read_bytes() == b"/b/sub/sea.gif"  # may be animated, and then is no photo
    mirror.fetch([folder / "lake.jpg", folder / "gone.jpg"])
    assert (folder / "lake.jpg").read_bytes() == b"/b/lake.jpg"
    assert not (folder / "gone.jpg").exists()
    (folder / "new").mkdir()
    (folder / "new/loop.mp4").write_bytes(b"loop")
    mirror.store([folder / "new/loop.mp4"])
    mirror.remove([folder / "lake.jpg"])
    assert sorted(memory.find("/b")) == ["/b/new/loop.mp4", "/b/sub/sea.gif"]
    assert memory.cat("/b/new/loop.mp4") == b"loop"


def test_beside_a_photo_lie_its_companions(memory: Any, mirror: Mirror) -> None:
    for name in ("/b/lake.jpg", "/b/lake_mask.png", "/b/lake/deep.jpg"):
        memory.pipe_file(name, b"x")
    photo = mirror.local(Path("memory://b/lake.jpg"))
    mirror.look(photo, contents=True)
    assert files(photo.parent) == {"lake.jpg", "lake_mask.png"}


def test_names_that_no_file_can_have_are_listed(memory: Any, mirror: Mirror) -> None:
    bad = ["../../../up.jpg", "a//b.jpg", "lake.jpg/inside.jpg", "n" * 300 + ".jpg", "nul\0.jpg"]
    for name in ("lake.jpg", *bad):
        memory.store[f"/b/{name}"] = memory.store.get("/b/lake.jpg") or fsspec.implementations.memory.MemoryFile()
    left_out = mirror.look(mirror.local(Path("memory://b")))
    assert {line.partition(": is no name")[0] for line in left_out} == {f"memory://b/{name}" for name in bad}
    assert files(mirror.root.parent) == {"mirror/memory/b/lake.jpg"}


def test_unknown_kinds_and_missing_packages_are_named(mirror: Mirror) -> None:
    with pytest.raises(UsageError, match="foo://bucket"):
        mirror.look(mirror.local(Path("foo://bucket/x")))
    if importlib.util.find_spec("gcsfs") is None:
        with pytest.raises(UsageError, match="gcsfs"):
            mirror.look(mirror.local(Path("gs://bucket/x")))


def test_what_the_storage_raises_is_one_line(memory: Any, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("many\nlines")

    monkeypatch.setattr(type(memory), "isfile", refused)
    with pytest.raises(InputError, match=r"^memory://b/x: cannot be read: many lines; "):
        mirror.fetch([mirror.local(Path("memory://b/x"))])


def test_where_files_grow_they_are_moved_to_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = fsspec.filesystem("file")
    seen = []
    real = system.put_file
    monkeypatch.setattr(system, "put_file", lambda source, target: (seen.append(target), real(source, target)))
    (tmp_path / "loop.mp4").write_bytes(b"loop")
    _put(tmp_path / "loop.mp4", system, f"{tmp_path}/new/loop.mp4")
    assert seen == [f"{tmp_path}/new/.loop.mp4.part"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"loop.mp4": b"loop"}

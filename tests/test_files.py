"""Files whole or not at all, text whatever wrote it, and folders for what is temporary."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cinegan_cli.errors import OutputError
from cinegan_cli.files import read_text, replacing, temporary_folder, written

TEXT = '{"photo": "Weiß, été, 湖"}\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_text_of_whatever_editor(tmp_path: Path, encoding: str, ending: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(TEXT.replace("\n", ending).encode(encoding))
    assert read_text(file) == TEXT


def test_text_with_the_other_order_of_bytes(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        (tmp_path / "a").write_bytes(("\ufeff" + TEXT).encode(encoding))
        assert read_text(tmp_path / "a") == TEXT


def test_text_of_an_old_system(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("été\r\n".encode("latin-1"))
    assert read_text(tmp_path / "a") == "été\n"


def test_what_is_raised_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    with pytest.raises(TypeError), replacing(file) as part:
        part.write_text("half") and part.write_text(None)  # type: ignore[arg-type]
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with replacing(file) as part:
        part.write_text("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_what_the_system_refuses_is_one_line_with_advice(tmp_path: Path) -> None:
    words = r"nowhere.a: cannot be written: .*; try another"
    with pytest.raises(OutputError, match=words), written(tmp_path / "nowhere" / "a", "try another") as part:
        part.write_text("")
    assert not list(tmp_path.iterdir())


def test_a_temporary_folder_goes_at_the_end() -> None:
    with temporary_folder("cinegan-test-") as folder:
        (folder / "a").write_text("")
        assert folder.name.startswith("cinegan-test-")
    assert not folder.exists()


def test_a_system_without_folders_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match=r"no folder for temporary files: .*TMPDIR"), temporary_folder("a"):
        pass

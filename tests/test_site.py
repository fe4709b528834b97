"""The pages of docs/ as a site: every link leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
pytest.importorskip("mkdocs", reason='the site needs pip install "cinegan[docs]"')
pytest.importorskip("material", reason='the site needs pip install "cinegan[docs]"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. `--strict` fails at links to pages, headings and pictures that are not there."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert pages
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = r"""(?:\bsrc|\bposter|\bsrcset)=["']?([^"'\s>]+)|<link\b[^>]*\bhref=["']?([^"'\s>]+)|url\(["']?([^"')]+)"""
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        found = ["".join(match) for match in re.findall(loaded, path.read_text(encoding="utf-8"))]
        assert [address for address in found if re.match(r"(https?:)?//", address)] == [], path


def test_files_that_pages_name_exist() -> None:
    """`stages/warp/` and the like: below the package, or below the root."""
    named = {
        (page.name, path)
        for page in (ROOT / "docs").rglob("*.md")
        for path in re.findall(
            r"`((?:cinegan_cli|csrc|examples|tests|stages|systems|nn|ops|measure|weights)/[\w./]*)`",
            page.read_text(encoding="utf-8"),
        )
    }
    assert len(named) > 20
    assert [
        each for each in named if not any((folder / each[1]).exists() for folder in (ROOT, ROOT / "cinegan_cli"))
    ] == []


def test_the_gallery_is_what_its_commands_make() -> None:
    """Each loop has a command, a picture on the page, and a photo that is here; all of them are light enough."""
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    commands = re.findall(r"^cinegan \w+ (\S+\.jpg) .*--out docs/(gallery/\S+)$", page, re.MULTILINE)
    files = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs/gallery").iterdir()}
    assert len(commands) == 8
    assert {out for _, out in commands} == files == set(re.findall(r"!\[.+\]\((\S+)\)", page))
    assert all((ROOT / photo).is_file() for photo, _ in commands)
    assert sum((ROOT / "docs" / file).stat().st_size for file in files) < 8e6
    for file in files:
        with Image.open(ROOT / "docs" / file) as loop:
            assert (getattr(loop, "n_frames", 1) > 30, loop.info["loop"]) == (True, 0), file

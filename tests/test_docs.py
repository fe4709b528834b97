"""README, CHANGELOG and the package agree."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import cinegan_cli
from cinegan_cli.cli.main import COMMANDS, cinegan
from cinegan_cli.config import PRESETS
from cinegan_cli.errors import ExitStatus

ROOT = Path(__file__).parents[1]
PAGES = ("cookbook", "gallery", "index", "tour", "training")
# "docs/spec/stylecinegan.md`, sections 3.3 and 4": always with its folder, and with sections that the page has
CITED = (
    r"(?P<docs>docs/)?(?P<page>spec/\w+\.md)(?:`?,?\s+sections?\s+(?P<of>\d+(?:\.\d+)*(?:(?:, | and )\d+(?:\.\d+)*)*))?"
)


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_readme_shows_every_command(name: str, readme: str) -> None:
    assert f"cinegan {name}" in readme


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_commands_can_be_typed(page: str) -> None:
    lines = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("cinegan ")]
    assert lines
    for line in lines:
        name, *rest = shlex.split(line, comments=True)[1:]
        command = cinegan.get_command(click.Context(cinegan), name)
        assert command is not None, line
        if isinstance(command, click.Group):
            command = command.commands[rest.pop(0)]
        command.make_context(name, rest)  # raises for options that do not exist and values they do not take


def test_options_in_the_readme_exist(readme: str) -> None:
    commands = [cinegan.get_command(click.Context(cinegan), name) for name in COMMANDS]
    commands += [
        child for command in commands if isinstance(command, click.Group) for child in command.commands.values()
    ]
    options = {word for command in commands if command is not None for p in command.params for word in p.opts}
    ours = "\n".join(line for line in readme.splitlines() if "pip install" not in line)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", ours))
    assert named <= options | {"--help", "--traceback", "--version"}


@pytest.mark.parametrize("status", ExitStatus, ids=lambda status: status.name)
def test_readme_has_every_exit_status_in_its_table(status: ExitStatus, readme: str) -> None:
    assert re.search(rf"^\|\s*{int(status)}\s*\|", readme, re.MULTILINE)


@pytest.mark.parametrize("name", PRESETS)
def test_readme_names_every_preset(name: str, readme: str) -> None:
    listed = next(line for line in readme.splitlines() if " --preset " in line)
    assert re.search(rf"\b{name}\b", listed.partition("--preset")[2])


def test_readme_links_to_files_that_exist(readme: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", readme)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_cited_pages_and_sections_exist() -> None:
    files = [path for folder in ("cinegan_cli", "csrc", "tests", "examples") for path in (ROOT / folder).rglob("*")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".h", ".cpp", ".cu", ".inl")]
    cited = [match for text in texts for match in re.finditer(CITED, text)]
    assert len(cited) > 10
    pages = {page for text in texts for page in re.findall(r"docs/[\w/]+\.md", text)}
    missing = [page for page in pages if not (ROOT / page).is_file()]
    for match in cited:
        page = ROOT / f"docs/{match['page']}"
        headings = (
            re.findall(r"^#+ ([\d.]+)", page.read_text(encoding="utf-8"), re.MULTILINE) if page.is_file() else None
        )
        known = {heading.rstrip(".") for heading in headings or ()}
        if not match["docs"] or headings is None or not set(re.findall(r"\d[\d.]*", match["of"] or "")) <= known:
            missing.append(match[0])
    assert not missing


def test_versions_agree() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', project, re.MULTILINE)  # tomllib came with Python 3.11
    assert version is not None
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert releases, "CHANGELOG.md has no release, such as '## 0.1.0'"
    assert releases[0] == version[1] == cinegan_cli.__version__

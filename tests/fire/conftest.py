"""At the end of a run, one table of what was done to cinegan and how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_scene import write_scene


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the small scene in it; CINEGAN_HOME is beside it."""
    folder = tmp_path / "case"
    folder.mkdir()
    write_scene(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Rows that tests left as the property `fire`: what, how, the outcomes by number, the worst."""
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
        if name == "fire"
    ]
    if rows:
        terminalreporter.section("fire")
        terminalreporter.write_line("| what | command | outcomes | worst |\n|---|---|---|---|")
    for what, command, outcomes, worst in sorted(rows, key=lambda row: row[:2]):
        counted = ", ".join(f"{number} {name}" for name, number in outcomes.items())
        terminalreporter.write_line(f"| {what} | {command} | {counted} | {worst} |")

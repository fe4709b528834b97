"""Thousands of damaged files of every kind that is read: an answer or one line, in time, and nothing else changed."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from cinegan_cli.errors import ExitStatus
from tests.fire.kinds import KINDS, Kind
from tests.fire.mutants import mutants
from tests.fire.share import share
from tests.small_scene import invoke, tree, write_scene

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no alarms")]

SECONDS = 60  # the longest that one of them may take, on a busy machine
RUN = "run"  # training keeps what it has measured for the next try
ANSWERS = {ExitStatus.OK, ExitStatus.USAGE, ExitStatus.INPUT, ExitStatus.MODEL_MISSING, ExitStatus.CHECK}
Remember = Callable[[str, object], None]


@contextmanager
def limited(seconds: int, what: str) -> Iterator[None]:
    """Fails when it takes longer."""

    def too_long(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"{what}: took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def clear(place: Path, given: Mapping[str, object]) -> None:
    """Remove what runs have made."""
    for path in sorted(place.rglob("*"), reverse=True):
        if str(path.relative_to(place)) not in given:
            path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.file}-{kind.command.split()[0]}")
def test_damage_is_answered_in_one_line(
    kind: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    record_property: Remember,
) -> None:
    place = tmp_path / "case"
    place.mkdir()
    write_scene(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    kind.make(place)
    whole, given = (place / kind.file).read_bytes(), tree(place)
    sound = invoke(kind.command, capfd)
    assert sound.status == ExitStatus.OK, sound.stderr
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number, data in enumerate(mutants(whole, share(kind.count, 15), seed=len(whole))):
        clear(place, given)
        (place / kind.file).write_bytes(data)
        start = time.monotonic()
        with limited(SECONDS, f"mutant {number} of {kind.file}"):
            outcome = invoke(kind.command, capfd)
        slowest = max(slowest, time.monotonic() - start)
        said = f"mutant {number} of {kind.file}: {outcome.status} {outcome.stderr}"
        assert outcome.status in ANSWERS, said
        if outcome.status not in (ExitStatus.OK, ExitStatus.CHECK):
            assert [line.startswith("cinegan: ") for line in outcome.complaints] == [True], said
            made = set(tree(place)) - set(given)
            assert all(name.split("/")[0] == RUN for name in made), said
        outcomes[ExitStatus(outcome.status).name] += 1
    clear(place, given)
    (place / kind.file).write_bytes(whole)
    assert tree(place) == given
    record_property("fire", [f"damaged {kind.file}", kind.command.split()[0], dict(outcomes), f"{slowest:.1f} s"])
    assert outcomes[ExitStatus.INPUT.name], "the damage never mattered"

"""docs/troubleshooting.md quotes what is really printed, below the status with which it is."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cinegan_cli.claims
import cinegan_cli.errors
import cinegan_cli.pipeline
from cinegan_cli.errors import CineganError, ExitStatus
from tests.bad_files import blank, text
from tests.small_scene import ANIMATE, invoke, write_scene

ROOT = Path(__file__).parents[1]
SECTIONS = re.findall(
    r"^## (\d+): [^\n]*\n(.*?)(?=^## |\Z)", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.M | re.S
)
QUOTED = [(int(status), said) for status, body in SECTIONS for said in re.findall(r"^\| `([^`]+)` \|", body, re.M)]
ERRORS = {
    name: error
    for module in (cinegan_cli.errors, cinegan_cli.claims)
    for name, error in vars(module).items()
    if isinstance(error, type) and issubclass(error, CineganError)
}
ONLY_IN_RUNS = {  # click's words, and a line made of two texts: see SHOWN
    (ExitStatus.USAGE, "No such option …"),
    (ExitStatus.INTERNAL, "internal error: …; please report it with the output of …"),
}


def templates() -> Iterator[tuple[str, ExitStatus | None]]:
    """Every text of the package, … for what is filled in, and the status of the error that it is raised with."""
    for path in (ROOT / "cinegan_cli").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raised = {
            id(part): ERRORS[node.exc.func.id].status
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
            if node.exc.func.id in ERRORS
            for part in ast.walk(node.exc)
        }
        for node in ast.walk(tree):
            if (said := template(node)) is not None:
                yield said, raised.get(id(node))


def template(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = template(node.left), template(node.right)
        return None if left is None and right is None else f"{left or '…'}{right or '…'}"
    return re.sub(r"\{[^{}]*\}", "…", node.value) if isinstance(node, ast.Constant) and _is_text(node.value) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


TEMPLATES = list(templates())


@pytest.mark.parametrize(("status", "said"), [quoted for quoted in QUOTED if quoted not in ONLY_IN_RUNS])
def test_messages_are_in_the_source_and_end_with_that_status(status: int, said: str) -> None:
    assert len(re.sub(r"[\W\d_]", "", said)) >= 8, "too few words to search for"
    pattern = re.compile(".*".join(map(re.escape, said.split("…"))), re.S)
    found = {found for text, found in TEMPLATES if pattern.fullmatch(text)}
    assert status in found or (None in found and found <= {None, status}), found


@pytest.mark.parametrize("status", ExitStatus, ids=lambda status: status.name)
def test_every_status_has_messages(status: ExitStatus) -> None:
    assert any(quoted == status for quoted, _ in QUOTED)


def out_of_memory(*arguments: object, **options: object) -> None:
    raise MemoryError


def bug(*arguments: object, **options: object) -> None:
    raise RuntimeError("what nobody thought of")


def interrupted(*arguments: object, **options: object) -> None:
    raise KeyboardInterrupt


def still(folder: Path) -> None:
    (folder / "still").mkdir()
    for number in range(4):
        shutil.copy(folder / "photo.png", folder / "still" / f"{number}.png")


SHOWN: list[
    tuple[ExitStatus, str, Callable[[Path], object] | None]
] = [  # status, a command that ends so, what it needs
    (ExitStatus.OK, f"{ANIMATE} --max-side 32 --out loop.mp4", None),
    (ExitStatus.INTERNAL, f"{ANIMATE} --out loop.mp4", lambda folder: out_of_memory),
    (ExitStatus.INTERNAL, f"{ANIMATE} --seconds 1 --out loop.mp4", lambda folder: bug),
    (ExitStatus.USAGE, f"{ANIMATE} --sped 2 --out loop.mp4", None),
    (ExitStatus.USAGE, f"{ANIMATE} --out loop.xyz", None),
    (ExitStatus.INPUT, "animate none.jpg --out loop.mp4", None),
    (ExitStatus.INPUT, "animate empty.png --out loop.mp4", text("empty.png", "")),
    (ExitStatus.INPUT, "animate photo.png --mask black.png --out loop.mp4", blank("black.png", 64, 48, "L")),
    (ExitStatus.MODEL_MISSING, f"{ANIMATE} --models nobodys --out loop.mp4", None),
    (ExitStatus.ENCODER, f"{ANIMATE} --out photo.mp4", text("photo.mp4")),
    (ExitStatus.PARTIAL, "animate . --mask mask.png --seconds 0.3 --fps 10 --out loops", text("bad.jpg")),
    (ExitStatus.CHECK, "check still", still),
    (ExitStatus.INTERRUPTED, f"{ANIMATE} --out loop.mp4", lambda folder: interrupted),
]


@pytest.mark.parametrize(("status", "command", "prepare"), SHOWN, ids=[f"{int(s)} {c[:30]}" for s, c, _ in SHOWN])
def test_runs_print_what_is_quoted(
    status: ExitStatus,
    command: str,
    prepare: Callable[[Path], object] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path)
    fault = prepare(tmp_path) if prepare else None
    if callable(fault):
        monkeypatch.setattr(cinegan_cli.pipeline, "prepare", fault)
    outcome = invoke(command, capfd)
    assert outcome.status == status
    printed = [re.sub(r"^(cinegan|note): ", "", line) for line in (outcome.stdout + outcome.stderr).splitlines()]
    quoted = [".*".join(map(re.escape, said.split("…"))) for each, said in QUOTED if each == status]
    assert any(re.search(pattern, line) for pattern in quoted for line in printed), printed

"""The rooms of the package, read from its source: imports go one way, and nobody reaches into another room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cinegan_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
# From the top down: each imports only from itself and from what stands further down.
LAYERS = (
    {"__main__"},
    {"cli"},
    {"editor"},
    {"evaluate", "doctor", "batch", "cluster"},
    {"pipeline", "training.tasks"},
    {"training"},
    {"training.data"},
    {"scene"},
    {"systems"},
    {"systems.stylecinegan", "systems.deeplandscape"},
    {"measure"},
    {"stages.look", "stages.warp", "stages.frames", "stages.motion"},
    {"stages.mask", "stages.displacement"},
    {"plan"},
    {"stages.video"},
    {"stages.photo", "stages.bands"},
    {"session", "stages.threads"},
    {"precision", "checkpoints"},
    {"models"},
    {"nn"},
    {"ops"},
    {"_C"},
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
# Light; may be imported by all, and import one another. "stages" is only their folder.
SHARED = {
    "",
    "config",
    "sections",
    "errors",
    "types",
    "files",
    "photos",
    "claims",
    "memory",
    "interrupts",
    "values",
    "charts",
    "stages",
}
# Inner files that stand apart from their room's face: what `--help` needs without torch, and the systems' protocol.
PUBLIC = {"training.settings", "training.deeplandscape_settings", "evaluate.settings", "systems.base"}
# Rooms every module of which is public.
FACELESS = {"nn", "ops", "cli", "editor", "training.tasks", "evaluate", "models.formats"}
HEAVY = {"torch", "cv2", "numpy", "PIL", "rich", "safetensors", "imageio_ffmpeg", "matplotlib"}


def name_of(path: Path) -> str:
    """ "stages.mask.make"; "stages.mask" for the package itself; "" for the top."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The longest name of a room that the module is, or is in."""
    rooms = (room for room in (*RANK, *SHARED) if module == room or module.startswith(room + "."))
    return max(rooms, key=len, default=module.split(".")[0])


def imports(path: Path, *, everywhere: bool) -> Iterator[tuple[str, str]]:
    """(module, name) of what is imported: also inside functions and conditions, or only when the module is imported."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node in ast.walk(ast.Module(body, [])) if everywhere else body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from ((node.module, alias.name) for alias in node.names)


def own_imports(path: Path, *, everywhere: bool) -> Iterator[str]:
    """Modules of the package that a file imports from, without the package's name."""
    for module, name in imports(path, everywhere=everywhere):
        if module.split(".")[0] == PACKAGE.name:
            whole = f"{module}.{name}".removeprefix(PACKAGE.name).removeprefix(".")
            face = whole.rpartition(".")[0]
            yield whole if is_module(whole) and name not in exported(face) else face


@cache
def exported(package: str) -> tuple[str, ...]:
    """The `__all__` of a package's face: a function may have the name of the module that holds it."""
    file = PACKAGE.joinpath(*package.split("."), "__init__.py") if package else PACKAGE / "__init__.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file.is_file() else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


def is_module(name: str) -> bool:
    place = PACKAGE.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or place.is_dir() or name == "_C"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "top")
def test_imports_go_one_way(path: Path) -> None:
    here = room_of(name_of(path))
    for module in own_imports(path, everywhere=True):
        there = room_of(module)
        if there in SHARED or there == here or here == "" or (here == "checkpoints" and there == "models"):
            continue
        assert there in RANK, f"{module} is in no room; name its room in LAYERS"
        assert here not in SHARED, f"{here} is below all rooms, and imports {module}"
        public = module in PUBLIC and RANK[there] <= RANK[here]
        assert RANK[here] < RANK[there] or public, f"{here} must not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: name_of(path) or "top")
def test_nobody_reaches_into_another_room(path: Path) -> None:
    here = room_of(name_of(path))
    for module in own_imports(path, everywhere=True):
        there = room_of(module)
        same_house = here.split(".")[0] == there.split(".")[0] == "training"
        if there in (here, *SHARED) or there.split(".")[0] in FACELESS or there in FACELESS or module in PUBLIC:
            continue
        assert module == there or same_house, (
            f"{name_of(path)} takes {module}; take it from {there}, or export it there"
        )


def test_every_room_says_what_it_is_for() -> None:
    for room in (*RANK, *SHARED):
        path = PACKAGE.joinpath(*room.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.is_file():
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{room} has no docstring"


def is_light(module: str) -> bool:
    return room_of(module) in SHARED | {"cli", "__main__"} or module in PUBLIC - {"systems.base"} | {
        "training",
        "evaluate",
    }


@pytest.mark.parametrize("path", [p for p in MODULES if is_light(name_of(p)) and name_of(p) != "types"], ids=name_of)
def test_what_help_needs_imports_nothing_heavy(path: Path) -> None:
    for module, _ in imports(path, everywhere=False):
        assert module.split(".")[0] not in HEAVY, f"import {module} inside the function that uses it"
    for module in own_imports(path, everywhere=False):
        assert is_light(module), f"{module} is not light"


def test_rooms_name_every_part_of_the_package() -> None:
    assert {room_of(name_of(path)) for path in MODULES} <= RANK.keys() | SHARED

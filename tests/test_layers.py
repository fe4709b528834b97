"""The layers of the package, read from its source: imports go one way, and what `--help` needs stays light."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cinegan_cli"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LAYERS = (  # each imports only from itself and from those below it
    {"__main__"},
    {"cli"},
    {"benchmark"},
    {"pipeline", "training"},
    {"scene"},
    {"evaluation"},
    {"stages"},
    {"checkpoints"},
    {"nn"},
    {"ops"},
    {"_C"},
)
SHARED = {"config", "errors", "types", "__init__", "files"}  # may be imported by all
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
HEAVY = {"torch", "cv2", "numpy", "PIL", "rich", "safetensors", "imageio_ffmpeg"}


def part_of(module: str) -> str:
    """ "cinegan_cli.stages.photo" → "stages"; "cinegan_cli" → "__init__"."""
    return (*module.split("."), "__init__")[1]


def imports(nodes: list[ast.stmt], *, everywhere: bool) -> Iterator[str]:
    """Full names of what is imported: also inside functions and conditions, or only when the module is imported."""
    for node in nodes if not everywhere else ast.walk(ast.Module(nodes, [])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(names: Iterator[str]) -> Iterator[str]:
    return (name for name in names if name.split(".")[0] == "cinegan_cli")


def source(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def is_light(path: Path) -> bool:
    part = part_of(name_of(path))
    return part in ("cli", "config", "errors", "files", "__init__", "__main__") or path.name.endswith("_config.py")


def exists(name: str) -> bool:
    """Whether a dotted name is a module of the package (and not something inside one)."""
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or place.is_dir()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    here = part_of(name_of(path))
    for name in own(imports(source(path), everywhere=True)):
        there = part_of(name) if exists(name) or name.count(".") > 1 else "__init__"
        if there in SHARED or there == here or here == "__init__":
            continue
        assert there in RANK, f"{there} belongs to no layer; name it in LAYERS"
        assert here not in SHARED, f"{here} is below all layers, and imports {name}"
        assert RANK[here] < RANK[there], f"{here} must not import {name}"


@pytest.mark.parametrize("path", list(filter(is_light, MODULES)), ids=name_of)
def test_what_help_needs_imports_nothing_heavy(path: Path) -> None:
    for name in imports(source(path), everywhere=False):
        assert name.split(".")[0] not in HEAVY, f"import {name} inside the function that uses it"
    for name in own(imports(source(path), everywhere=False)):
        module = name if exists(name) else name.rpartition(".")[0]
        place = PACKAGE.parent.joinpath(*module.split("."))
        place = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        assert is_light(place) or len(source(place)) <= 1, f"{module} is not light"


def test_layers_name_every_part_of_the_package() -> None:
    assert {part_of(name_of(path)) for path in MODULES} <= RANK.keys() | SHARED

"""What is in the source archive and the wheel, and that both builds of the extension can be made or done without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "csrc", "cinegan_cli")
# The editable install of a developer would lend its extension to a copy without one.
HERE_ONLY = 'import sys; sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in f.__module__]; '


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources without anything built."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        elif source.exists():
            shutil.copy(source, copy / name)
    (copy / "README.md").touch()
    tests = copy / "tests"
    tests.mkdir()
    (tests / "test_nothing.py").touch()
    return copy


def build(tree: Path, what: str, **environment: str) -> tuple[Path, str]:
    """Builds the "sdist" or "wheel" of `tree` without isolation; its path, and what was printed."""
    code = f"from setuptools import build_meta; print('made', build_meta.build_{what}('dist'))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return tree / "dist" / result.stdout.split()[-1], result.stdout + result.stderr


def run_python(code: str, path: Path) -> str:
    """Runs code with the package at `path`; what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, "-c", HERE_ONLY + code]
    return subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=True).stdout


def test_sdist_holds_what_a_build_needs(tree: Path) -> None:
    archive, _ = build(tree, "sdist")
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    wanted = {f"csrc/{path.name}" for path in (ROOT / "csrc").iterdir()}
    weights = tree / "cinegan_cli" / "weights"
    wanted |= {f"cinegan_cli/weights/{path.name}" for path in weights.glob("*.safetensors")}
    assert (
        wanted
        | {"setup.py", "pyproject.toml", "cinegan_cli/stages/look/looks.toml", "cinegan_cli/editor/static/index.html"}
        <= names
    )
    assert not [name for name in names if name.startswith("tests")]


def test_wheel_without_a_compiler(tree: Path, tmp_path: Path) -> None:
    """Still installs, says so, has no tests, and runs on the references with one warning."""
    archive, printed = build(tree, "wheel", CXX="no-such-compiler", CINEGAN_CUDA="0")
    assert "WARNING: the native operators were not built (no C++ compiler was found)" in printed
    with zipfile.ZipFile(archive) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "installed")
    assert {
        "cinegan_cli/py.typed",
        "cinegan_cli/stages/look/looks.toml",
        "cinegan_cli/editor/static/index.html",
    } <= set(names)
    assert not [name for name in names if name.endswith((".so", ".pyd")) or name.startswith(("tests", "csrc"))]
    code = (
        "import warnings, torch; warnings.simplefilter('always'); from cinegan_cli.ops import backend_info, splat\n"
        "a = torch.ones(1, 1, 2, 2), torch.zeros(1, 2, 2, 2), torch.ones(1, 1, 2, 2)\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    splat(*a); n, _ = splat(*a)\n"
        "print(len([w for w in seen if 'cinegan' in str(w.message)]), n.sum().item(), backend_info().cpu)\n"
        "print(backend_info().reason)\n"
        "try:\n    splat(*a, backend='native')\nexcept RuntimeError as error:\n    print(error)\n"
    )
    first, reason, error = run_python(code, tmp_path / "installed").splitlines()
    assert first == "1 4.0 False"
    assert "the extension is missing" in reason
    assert "reinstall" in reason
    assert error.startswith('backend="native" cannot run on cpu: the extension is missing')


def test_bad_choice_of_variant(tree: Path) -> None:
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext"],
        cwd=tree,
        env={**os.environ, "CINEGAN_CUDA": "yes"},
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert "CINEGAN_CUDA must be 0, 1 or auto, got 'yes'" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_cuda_build(tree: Path) -> None:
    """Every CUDA source compiles for every architecture, links, and loads without a GPU (about a minute)."""
    subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree,
        env={**os.environ, "CINEGAN_CUDA": "1"},
        capture_output=True,
        check=True,
    )
    code = "from cinegan_cli import _C; print(_C.cuda_architectures, _C.cuda_ptx, _C.cuda_versions()[1], sep=chr(10))"
    machine, intermediate, version = run_python(code, tree).splitlines()
    assert machine.split() == ["75", "80", "86", "90", "120"]
    assert intermediate.split() == ["90", "120"]
    assert int(version) >= 12000

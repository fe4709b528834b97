"""Builds the CPU operators with sanitizers and drives them (exercise.cpp): python tests/native/sanitize.py

`address` sees steps outside an array, leaks and undefined behaviour (casts of NaN, overflow, alignment); `thread` sees
data races. Both by default. Needs g++ or clang++ with its sanitizers, or CXX; no Python headers and no torch. Exit
status 0 when clean.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent.parent / "csrc"
SANITIZERS = {
    "address": ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"],
    "thread": ["-fsanitize=thread"],
}
FLAGS = ["-std=c++17", "-O1", "-g1", "-fno-omit-frame-pointer", "-Wno-psabi", "-pthread", f"-I{CSRC}"]


def find_compiler() -> str | None:
    """The C++ compiler: CXX, else the first of the usual names."""
    return os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "c++")), None)


def sanitize(compiler: str, kind: str, folder: Path) -> int:
    """Builds and runs with one kind of sanitizer; 0 when clean."""
    sources = [HERE / "exercise.cpp", *sorted(CSRC.glob("*_cpu.cpp"))]
    objects = [folder / f"{kind}_{source.stem}.o" for source in sources]
    flags = [*FLAGS, *SANITIZERS[kind]]

    def compile_one(source: Path, made: Path) -> None:
        subprocess.run([compiler, *flags, "-c", source, "-o", made], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
    program = folder / kind
    subprocess.run([compiler, *flags, *objects, "-o", program], check=True)
    return subprocess.run([program], check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=(*SANITIZERS, "all"), default="all")
    kind = parser.parse_args(arguments).kind
    compiler = find_compiler()
    if compiler is None:
        raise SystemExit("no C++ compiler was found: install g++ or clang++, or set CXX")
    statuses = {}
    with tempfile.TemporaryDirectory() as folder:
        for each in SANITIZERS if kind == "all" else (kind,):
            statuses[each] = sanitize(compiler, each, Path(folder))
            print(f"{each}: {'clean' if statuses[each] == 0 else 'FAILED'}", flush=True)
    return max(map(abs, statuses.values()))


if __name__ == "__main__":
    sys.exit(main())

"""Builds cinegan_cli._C (CPU, and CUDA where asked for) with ninja; all else about the package is in pyproject.toml.

CINEGAN_CUDA=1 builds the CUDA kernels and fails without nvcc; 0 never does; auto (the default) does when nvcc and an
NVIDIA device are both found: a machine with the toolkit alone would spend a minute on kernels it cannot run.
Without a C++ compiler the package installs in pure Python and runs its PyTorch references.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import Extension, setup

ROOT = Path(__file__).parent
CUDA_ARCHITECTURES = (75, 80, 86, 90, 120)
CPU_SOURCES = (
    "advect_cpu.cpp",
    "bindings.cpp",
    "composite_cpu.cpp",
    "joint_sample_cpu.cpp",
    "parallel_cpu.cpp",
    "sample_cpu.cpp",
    "splat_cpu.cpp",
)
CUDA_SOURCES = ("sample_cuda.cu", "splat_cuda.cu")
# GCC's note about passing vectors by value does not apply: every function that takes one is inlined.
CXX_FLAGS = (
    "-std=c++17",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
    "-fno-math-errno",
    "-fno-trapping-math",
)


def find_nvcc() -> str | None:
    """The CUDA compiler: from CUDA_HOME or CUDA_PATH, else from PATH."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        nvcc = Path(os.environ.get(name, "")) / "bin" / "nvcc"
        if os.environ.get(name) and nvcc.is_file():
            return str(nvcc)
    return shutil.which("nvcc")


def with_cuda() -> bool:
    """Obeys CINEGAN_CUDA."""
    choice = os.environ.get("CINEGAN_CUDA", "auto")
    if choice not in ("0", "1", "auto"):
        raise SystemExit(f"CINEGAN_CUDA must be 0, 1 or auto, got {choice!r}")
    if choice == "1" and find_nvcc() is None:
        raise SystemExit("CINEGAN_CUDA=1 needs nvcc: install the CUDA toolkit, or set CUDA_HOME")
    has_device = Path("/dev/nvidiactl").exists() or Path("/dev/nvhost-ctrl").exists()
    return choice == "1" or (choice == "auto" and has_device and find_nvcc() is not None)


def cuda_architectures(nvcc: str) -> list[int]:
    """Those of CUDA_ARCHITECTURES that this nvcc knows: old ones leave, new ones come with its versions."""
    known = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout.split()
    return [architecture for architecture in CUDA_ARCHITECTURES if f"compute_{architecture}" in known]


def cuda_flags(architectures: list[int]) -> list[str]:
    """One binary image per architecture, and the newest also as PTX for later ones."""
    newest = architectures[-1]
    images = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in architectures]
    ptx = f"-gencode=arch=compute_{newest},code=compute_{newest}"
    return ["-std=c++17", "-O3", "-Xcompiler=-fPIC", "-DCINEGAN_CUDA", "--threads=0", *images, ptx]


class BuildNative(build_ext):
    """Compiles every source in parallel with ninja and links one module."""

    def run(self) -> None:
        try:
            super().run()
        except SystemExit:
            raise
        except Exception as error:
            if os.environ.get("CINEGAN_CUDA") == "1":
                raise
            print(
                f"cinegan: WARNING: the native operators were not built ({error}); the package works without them, "
                "many times slower. Install a C++17 compiler and install again.",
                file=sys.stderr,
            )
            self.extensions = []

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        folder = Path(self.build_temp).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        cuda = with_cuda()
        print(f"cinegan: building the native operators for {'CPU and CUDA' if cuda else 'CPU only'}", file=sys.stderr)
        (folder / "build.ninja").write_text(ninja_file(ext.include_dirs, target, cuda), encoding="utf-8")
        subprocess.run([find_ninja(), "-C", str(folder)], check=True)

    def get_source_files(self) -> list[str]:
        return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "csrc").iterdir())]


def find_ninja() -> str:
    """The ninja of the build environment, or of the system."""
    try:
        import ninja

        return str(Path(ninja.BIN_DIR) / "ninja")
    except ImportError:
        found = shutil.which("ninja")
        if found is None:
            raise RuntimeError("ninja is not installed") from None
        return found


def find_compiler() -> str:
    """The C++ compiler: CXX, else the first of the usual names."""
    compiler = os.environ.get("CXX") or next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), None)
    if compiler is None or shutil.which(compiler.split()[0]) is None:
        raise RuntimeError("no C++ compiler was found")
    return compiler


def rule(name: str, command: str, *, headers: bool = True) -> str:
    """A ninja rule; with `headers`, objects are made again when a header changes."""
    depfile = "\n  depfile = $out.d\n  deps = gcc" if headers else ""
    return f"rule {name}\n  command = {command}{depfile}"


def ninja_file(include_dirs: list[str], target: Path, cuda: bool) -> str:
    """The build as text: one rule per compiler, one object per source, one link."""
    compiler = find_compiler()
    includes = [f"-I{path}" for path in (*include_dirs, sysconfig.get_paths()["include"], ROOT / "csrc")]
    shared = "-bundle -undefined dynamic_lookup" if sys.platform == "darwin" else "-shared -pthread"
    linker = f"{compiler} {shared}"
    sources, defines, rules = list(CPU_SOURCES), [], []
    if cuda:
        nvcc = str(find_nvcc())
        architectures = cuda_architectures(nvcc)
        defines = ["-DCINEGAN_CUDA", f"-DCINEGAN_CUDA_ARCHITECTURES='\"{' '.join(map(str, architectures))}\"'"]
        command = " ".join([nvcc, *cuda_flags(architectures), *includes, "-MMD -MF $out.d -c $in -o $out"])
        rules.append(rule("nvcc", command))
        linker = f"{nvcc} -shared -Xcompiler=-pthread"  # it knows where its runtime library is
        sources += CUDA_SOURCES
    command = " ".join([compiler, *CXX_FLAGS, *defines, *includes, "-MMD -MF $out.d -c $in -o $out"])
    rules.append(rule("cxx", command))
    rules.append(rule("link", f"{linker} $in -o $out", headers=False))
    builds = [
        f"build {name}.o: {'nvcc' if name.endswith('.cu') else 'cxx'} {escaped(ROOT / 'csrc' / name)}"
        for name in sources
    ]
    objects = " ".join(f"{name}.o" for name in sources)
    return "\n".join([*rules, *builds, f"build {escaped(target)}: link {objects}", f"default {escaped(target)}", ""])


def escaped(path: Path) -> str:
    """A path as ninja reads it."""
    return str(path.resolve()).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


setup(
    ext_modules=[
        Pybind11Extension("cinegan_cli._C", [f"csrc/{name}" for name in CPU_SOURCES], include_dirs=[], cxx_std=17)
    ],
    cmdclass={"build_ext": BuildNative},
)

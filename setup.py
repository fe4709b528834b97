"""Builds cinegan_cli._C (CPU, and CUDA where asked for) with ninja; everything else about the package is in pyproject.toml.

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
CPU_SOURCES = ("advect_cpu.cpp", "bindings.cpp", "composite_cpu.cpp", "joint_sample_cpu.cpp", "parallel_cpu.cpp", "sample_cpu.cpp", "splat_cpu.cpp")
CUDA_SOURCES = ("sample_cuda.cu", "splat_cuda.cu")
# GCC's note about passing vectors by value does not apply: every function that takes one is inlined.
CXX_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-psabi", "-fno-math-errno")


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


def cuda_flags() -> list[str]:
    """One binary image per architecture, and the newest also as PTX for later ones."""
    newest = CUDA_ARCHITECTURES[-1]
    images = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in CUDA_ARCHITECTURES]
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


def ninja_file(include_dirs: list[str], target: Path, cuda: bool) -> str:
    """The build as text: one rule per compiler, one object per source, one link."""
    compiler = os.environ.get("CXX") or next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), None)
    if compiler is None:
        raise RuntimeError("no C++ compiler was found")
    includes = [f"-I{path}" for path in (*include_dirs, sysconfig.get_paths()["include"], ROOT / "csrc")]
    defines = ["-DCINEGAN_CUDA", f'-DCINEGAN_CUDA_ARCHITECTURES=\\"{" ".join(map(str, CUDA_ARCHITECTURES))}\\"'] if cuda else []
    shared = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared", "-pthread"]
    nvcc = find_nvcc()
    libraries = []
    if cuda and nvcc:
        toolkit = Path(nvcc).resolve().parent.parent
        includes.append(f"-I{toolkit / 'include'}")
        libraries = [f"-L{toolkit / 'lib64'}", "-lcudart_static", "-ldl", "-lrt"]
    flags = " ".join([*CXX_FLAGS, *defines, *includes])
    lines = [
        "ninja_required_version = 1.5",
        f"rule cxx\n  command = {compiler} {flags} -MMD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc",
        f"rule link\n  command = {compiler} {' '.join(shared)} $in {' '.join(libraries)} -o $out",
    ]
    if cuda:
        nvcc_flags = " ".join([*cuda_flags(), *includes])
        lines.append(f"rule nvcc\n  command = {nvcc} {nvcc_flags} -MMD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc")
    objects = []
    for source in (*CPU_SOURCES, *(CUDA_SOURCES if cuda else ())):
        objects.append(f"{source}.o")
        lines.append(f"build {source}.o: {'nvcc' if source.endswith('.cu') else 'cxx'} {escaped(ROOT / 'csrc' / source)}")
    lines.append(f"build {escaped(target)}: link {' '.join(objects)}")
    return "\n".join([*lines, f"default {escaped(target)}", ""])


def escaped(path: Path) -> str:
    """A path as ninja reads it."""
    return str(path.resolve()).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


setup(
    ext_modules=[
        Pybind11Extension("cinegan_cli._C", [f"csrc/{name}" for name in CPU_SOURCES], include_dirs=[], cxx_std=17)
    ],
    cmdclass={"build_ext": BuildNative},
)

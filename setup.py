"""Builds cinegan_cli._C (CPU, and CUDA where asked for); all else about the package is in pyproject.toml.

CINEGAN_CUDA=1 builds the CUDA kernels and fails without nvcc; 0 never does; auto (the default) does when nvcc and an
NVIDIA device are both found: a machine with the toolkit alone would spend a minute on kernels it cannot run.
Without a C++ compiler the package installs in pure Python and runs its PyTorch references.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from pybind11.setup_helpers import Pybind11Extension, build_ext
from setuptools import Extension, setup

CPU_SOURCES = [
    "csrc/advect_cpu.cpp",
    "csrc/bindings.cpp",
    "csrc/composite_cpu.cpp",
    "csrc/joint_sample_cpu.cpp",
    "csrc/parallel_cpu.cpp",
    "csrc/render_cpu.cpp",
    "csrc/sample_cpu.cpp",
    "csrc/splat_cpu.cpp",
    "csrc/yuv_cpu.cpp",
]
CUDA_SOURCES = [
    "csrc/device_cuda.cu",
    "csrc/frame_cuda.cu",
    "csrc/sample_cuda.cu",
    "csrc/sample_grad_cuda.cu",
    "csrc/splat_cuda.cu",
    "csrc/splat_grad_cuda.cu",
]
# Machine code runs on later cards of its own generation only (the tens); intermediate code (PTX) is translated on any
# later card. That of 120 is for cards to come, that of 90 for those of generations 10 and 11.
CUDA_ARCHITECTURES = (75, 80, 86, 90, 120)
CUDA_PTX = (90, 120)
# Python's own flags come first. GCC's note about passing vectors by value does not apply: every function that takes one
# is inlined.
CXX_FLAGS = ["-O3", "-fno-wrapv", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Wno-psabi"]


def find_nvcc() -> str | None:
    """The CUDA compiler: from CUDA_HOME or CUDA_PATH, else from PATH."""
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")):
        if home and (nvcc := shutil.which("nvcc", path=f"{home}/bin")):
            return nvcc
    return shutil.which("nvcc")


def choose_nvcc() -> str | None:
    """The CUDA compiler to build with, or None for a CPU build: obeys CINEGAN_CUDA."""
    choice, nvcc = os.environ.get("CINEGAN_CUDA", "auto"), find_nvcc()
    if choice not in ("0", "1", "auto"):
        raise SystemExit(f"CINEGAN_CUDA must be 0, 1 or auto, got {choice!r}")
    if choice == "1" and nvcc is None:
        raise SystemExit("CINEGAN_CUDA=1 needs nvcc: install the CUDA toolkit, or set CUDA_HOME")
    has_device = Path("/dev/nvidiactl").exists() or Path("/dev/nvhost-ctrl").exists()
    return nvcc if choice == "1" or (choice == "auto" and has_device) else None


def cuda_architectures(nvcc: str) -> tuple[list[int], list[int]]:
    """Those of CUDA_ARCHITECTURES that this nvcc knows (its versions drop old ones and add new ones), and of CUDA_PTX.

    The newest always comes as PTX too.
    """
    known = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout.split()
    built = [architecture for architecture in CUDA_ARCHITECTURES if f"compute_{architecture}" in known]
    return built, [architecture for architecture in built if architecture in (*CUDA_PTX, built[-1])]


def find_compiler(preferred: str) -> str:
    """The C++ compiler of CXX; or, without CXX, the one that Python was built with, or one of the usual names."""
    names = [preferred] if "CXX" in os.environ else [preferred, "g++", "clang++", "c++"]
    found = next(filter(shutil.which, names), None)
    if found is None:
        raise RuntimeError("no C++ compiler was found")
    return found


class BuildNative(build_ext):
    """setuptools' own steps, but ninja runs the compilers: all sources at once, and again only what has changed."""

    def run(self) -> None:
        self.force = True  # ninja knows better what is up to date
        try:
            super().run()
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
        nvcc = choose_nvcc()
        print(f"cinegan: building the native operators for {'CPU and CUDA' if nvcc else 'CPU only'}", file=sys.stderr)
        tools = self.compiler
        compiler = find_compiler(tools.compiler_so_cxx[0])
        for command in (tools.compiler_cxx, tools.compiler_so_cxx, tools.linker_so_cxx):
            command[0] = compiler
        rules = {".cpp": [*tools.compiler_so_cxx, *ext.extra_compile_args, "-pthread"]}
        ext.extra_link_args.append("-pthread")
        if nvcc:
            rules[".cu"] = self.add_cuda(ext, nvcc)
        tools.compile = partial(compile_with_ninja, tools, rules)
        super().build_extension(ext)

    def add_cuda(self, ext: Extension, nvcc: str) -> list[str]:
        """Adds the CUDA sources, and links with nvcc, which knows where its library is. The command that compiles."""
        built, ptx = cuda_architectures(nvcc)
        names = {"CINEGAN_CUDA_ARCHITECTURES": built, "CINEGAN_CUDA_PTX": ptx}
        ext.sources += CUDA_SOURCES
        ext.define_macros += [("CINEGAN_CUDA", None)]
        ext.define_macros += [(name, f'"{" ".join(map(str, value))}"') for name, value in names.items()]
        ext.extra_link_args[:] = ["-Xcompiler=-pthread"]
        self.compiler.src_extensions = [*self.compiler.src_extensions, ".cu"]
        self.compiler.set_executables(compiler_cxx=[nvcc], linker_so_cxx=[nvcc, "-shared"])
        images = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in built]
        images += [f"-gencode=arch=compute_{a},code=compute_{a}" for a in ptx]
        return [nvcc, "-std=c++17", "-O3", "-Xcompiler=-fPIC", "--threads=0", *images]


def compile_with_ninja(
    tools: Any, rules: dict[str, list[str]], sources: list[str], output_dir: str, **options: Any
) -> list[str]:
    """In place of `compile` of setuptools' compiler: the object files, one for each of `sources`.

    `rules` holds the command for each ending of a source.
    """
    from ninja.ninja_syntax import Writer

    _, objects, _, switches, built = tools._setup_compile(
        output_dir, options["macros"], options["include_dirs"], sources, None, None
    )
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "build.ninja", "w", encoding="utf-8") as file:
        writer = Writer(file, width=10_000)
        writer.variable("builddir", output_dir)
        for ending, command in rules.items():
            line = shlex.join([*command, *switches]).replace("$", "$$")
            writer.rule(ending[1:], f"{line} -MMD -MF $out.d -c $in -o $out", depfile="$out.d", deps="gcc")
        for made, (source, ending) in built.items():
            writer.build([made], ending[1:], [source])
    subprocess.run([sys.executable, "-m", "ninja", "-f", str(folder / "build.ninja")], check=True)
    return list(objects)


setup(
    ext_modules=[Pybind11Extension("cinegan_cli._C", CPU_SOURCES, cxx_std=17, extra_compile_args=CXX_FLAGS)],
    cmdclass={"build_ext": BuildNative},
)

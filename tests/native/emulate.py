"""Builds the CUDA kernels for the CPU (tests/native/emulated) and runs the operators' tests on them, or counts.

python tests/native/emulate.py test [pytest's arguments]   # under AddressSanitizer
python tests/native/emulate.py count                       # what each kernel asks of the memory, a table

The build is an extension that looks like `cinegan_cli._C` built for the CPU, but each of its CPU operators runs the
CUDA kernel, thread by thread. Needs g++.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CSRC, EMULATED = ROOT / "csrc", HERE / "emulated"
FLAGS = ["-std=c++17", "-O1", "-g1", "-fPIC", "-Wall", "-Wextra", "-Wno-psabi", f"-I{EMULATED}", f"-I{CSRC}"]
ASAN = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# To test, few blocks, so that the threads of small pictures loop.
MODES = {"test": [*ASAN, "-DMOST_BLOCKS_OF_A_GRID=3"], "count": ["-DCOUNTING"]}


def build(mode: str, folder: Path, compiler: str = "g++") -> Path:
    """The extension for one of `MODES`, in `folder`."""
    import pybind11

    jobs = []
    python = [f"-I{sysconfig.get_paths()['include']}", f"-I{pybind11.get_include()}"]
    for source in [*sorted(CSRC.glob("*_cuda.cu")), *sorted(EMULATED.glob("*.cpp")), CSRC / "bindings.cpp"]:
        flags = [*FLAGS, *MODES[mode]]
        if source.stem == "device_cuda" or (source.stem == "counter" and mode != "count"):
            continue  # asks the driver; is not used
        if source.suffix == ".cu":
            flags += ["-x", "c++", "-DCINEGAN_CUDA", "-D__CUDA_ARCH__=900"]  # additions of four floats at once
            flags += ["-fsanitize=thread"] if mode == "count" else []
        elif source.stem == "operators":
            flags += ["-DCINEGAN_CUDA"]
        elif source.stem == "bindings":
            flags = ["-std=c++17", "-O0", "-fPIC", f"-I{CSRC}", *python]
        jobs.append([compiler, *flags, "-c", str(source), "-o", str(folder / f"{source.stem}.o")])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(lambda job: subprocess.run(job, check=False), jobs):
            result.check_returncode()
    made = folder / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    linked = ["-fsanitize=address,undefined"] if mode == "test" else []
    subprocess.run([compiler, "-shared", *linked, *(job[-1] for job in jobs), "-o", made], check=True)
    return made


def environment(made: Path, mode: str, compiler: str = "g++") -> dict[str, str]:
    """For a Python that is to find the build: the plugin below reads its path."""
    found = {**os.environ, "CINEGAN_EMULATED": str(made), "OMP_NUM_THREADS": "1"}
    if mode == "test":
        names = ("libasan.so", "libubsan.so", "libstdc++.so")
        paths = [
            subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
            for name in names
        ]
        found["LD_PRELOAD"] = " ".join(path.strip() for path in paths)
        found["ASAN_OPTIONS"] = "detect_leaks=0:detect_stack_use_after_return=0"  # Python and torch leak at exit
    return found


# Left out: what asks the extension for CPU threads or vectors, the compiler of torch, the references alone; `render`,
# which on a card is made of the others, and `yuv420`, which is for the host.
LEFT_OUT = (
    "not (render or yuv or threads or instruction_set or opcheck or compile or forked or tangents or transforms "
    "or reference])"
)

ANY_ORDER = "tests/ops/test_properties.py::test_splat"  # asks for equal bits of every run, which additions do not have


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=MODES)
    options, rest = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        made = build(options.mode, Path(folder))
        command = [sys.executable, "-m", "tests.native.count_emulated", *rest]
        if options.mode == "test":
            plugin = ["-p", "tests.native.emulated_plugin", "-p", "no:cacheprovider"]
            command = [sys.executable, "-m", "pytest", "-q", "-n0", *plugin, "-k", LEFT_OUT, "--deselect", ANY_ORDER]
            command += rest or ["tests/ops"]
        return subprocess.run(command, cwd=ROOT, env=environment(made, options.mode), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Time and peak memory of `cinegan animate`, from start to exit, at several sizes and lengths.

python examples/bench_render.py [--photo PHOTO --mask MASK --motion MOTION] [--quick]

Peak memory is the largest resident size of the process and of the encoder beside it, sampled 20 times a second.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).parent
CASES = [  # width, height, frames, limit in seconds on 2 cores (the project's aim)
    (1024, 1024, 120, 12),
    (3840, 2160, 60, None),
    (3840, 2160, 120, 90),
    (3840, 2160, 240, None),
]


def resident(pid: int) -> dict[str, int]:
    """Resident bytes of a process and its children, by program name."""
    found: dict[str, int] = {}
    waiting = [pid]
    while waiting:
        current = Path(f"/proc/{waiting.pop()}")
        try:
            status = dict(line.split(":", 1) for line in (current / "status").read_text().splitlines() if ":" in line)
            waiting += [int(child) for child in (current / f"task/{current.name}/children").read_text().split()]
        except (OSError, ValueError):
            continue
        name = status["Name"].strip()
        found[name] = found.get(name, 0) + int(status.get("VmRSS", "0 kB").split()[0]) * 1024
    return found


def run(command: list[str], folder: str) -> tuple[float, dict[str, int]]:
    """Seconds from start to exit, and the peak resident bytes of each program.

    In a folder of its own: in that of the sources Python would take those, which are not compiled after a plain
    installation.
    """
    peaks: dict[str, int] = {}
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            sizes = resident(process.pid)
            for name, size in sizes.items():
                peaks[name] = max(peaks.get(name, 0), size)
            peaks["all at once"] = max(peaks.get("all at once", 0), sum(sizes.values()))
            time.sleep(0.05)
        took = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(process.stderr.read().decode())
    return took, peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=ROOT / "harbour.jpg")
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--motion", type=Path)
    parser.add_argument("--quick", action="store_true", help="the first case only")
    arguments = parser.parse_args()
    picture = cv2.imread(str(arguments.photo))
    extra = [f"--{name}={value.resolve()}" for name in ("mask", "motion") if (value := getattr(arguments, name))]
    print("| size | frames | seconds | aim | frames/s | peak memory |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for width, height, frames, limit in CASES[: 1 if arguments.quick else None]:
            photo = Path(folder) / "photo.png"
            cv2.imwrite(str(photo), cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC))
            command = [sys.executable, "-m", "cinegan_cli", "animate", str(photo), "--out", f"{folder}/loop.mp4"]
            took, peaks = run([*command, "--overwrite", "--seconds", str(frames / 30), *extra], folder)
            memory = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sorted(peaks.items()) if size > 2**24)
            aim = f"≤ {limit}" if limit else ""
            print(f"| {width}x{height} | {frames} | {took:.1f} | {aim} | {frames / took:.1f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()

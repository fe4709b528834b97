"""Time and peak memory of `cinegan animate`, from start to exit, at several sizes and lengths.

python examples/bench_render.py [--photo PHOTO --mask MASK --motion MOTION] [--quick]

CPU seconds are those of the process and its encoder. Then the same encoder takes the same frames, decoded from the loop
that was made, by itself: the last column is the run's CPU seconds over the encoder's. Peak
memory is the largest resident size of the process and of the encoder beside it, sampled 20 times a second.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2

from cinegan_cli.stages.video.encoders import encoder_arguments, raw_input
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable

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


def run(command: list[str], folder: str) -> tuple[float, float, dict[str, int]]:
    """Wall-clock and CPU seconds from start to exit, and the peak resident bytes of each program.

    In a folder of its own: in that of the sources Python would take those, which are not compiled after a plain
    installation.
    """
    peaks: dict[str, int] = {}
    before, started = cpu_of_children(), time.perf_counter()
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
    return took, cpu_of_children() - before, peaks


def cpu_of_children() -> float:
    """CPU seconds of all processes that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def encode(loop: str, size: tuple[int, int], frames: int, folder: str) -> float:
    """CPU seconds of the encoder for the frames of `loop`, which are decoded before."""
    ffmpeg, raw, rate = ffmpeg_executable(), f"{folder}/frames.raw", Fraction(30)
    quiet = [ffmpeg, "-loglevel", "error", "-y"]
    subprocess.run([*quiet, "-i", loop, "-pix_fmt", "rgb24", "-f", "rawvideo", raw], check=True)
    before = cpu_of_children()
    with open(raw, "rb") as file:
        arguments = [*raw_input(size, rate), *encoder_arguments(".mp4", "h264", 80, frames), f"{folder}/again.mp4"]
        subprocess.run([*quiet, *arguments], stdin=file, check=True)
    os.unlink(raw)
    return cpu_of_children() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", type=Path, default=ROOT / "harbour.jpg")
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--motion", type=Path)
    parser.add_argument("--quick", action="store_true", help="the first case only")
    arguments = parser.parse_args()
    picture = cv2.imread(str(arguments.photo))
    extra = [f"--{name}={value.resolve()}" for name in ("mask", "motion") if (value := getattr(arguments, name))]
    print("| size | frames | seconds | aim | frames/s | peak memory | CPU s | encoder | ratio |\n" + "|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for width, height, frames, limit in CASES[: 1 if arguments.quick else None]:
            photo = Path(folder) / "photo.png"
            cv2.imwrite(str(photo), cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC))
            command = [sys.executable, "-m", "cinegan_cli", "animate", str(photo), "--out", f"{folder}/loop.mp4"]
            took, cpu, peaks = run([*command, "--overwrite", "--seconds", str(frames / 30), *extra], folder)
            memory = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sorted(peaks.items()) if size > 2**24)
            aim = f"≤ {limit}" if limit else ""
            alone = encode(f"{folder}/loop.mp4", (width, height), frames, folder)
            row = f"| {width}x{height} | {frames} | {took:.1f} | {aim} | {frames / took:.1f} | {memory} "
            print(f"{row}| {cpu:.2f} | {alone:.2f} | {cpu / alone:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""Photos a second and memory of one batch of many photos, by hundreds: both must stay the same to the end.

    python examples/bench_batch.py [COUNT] [--side 64] [--seconds 0.3]

Makes COUNT small photos (1000 by default), runs one `cinegan animate FOLDER --out FOLDER` with a mask and motion
given, and watches the loops appear. Linux only: CPU seconds and memory are those of /proc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

TICKS = os.sysconf("SC_CLK_TCK")


def make_photos(folder: Path, count: int, side: int) -> None:
    """Waves under a sky, each with colours of its own, and one mask for all that lets the lower half move."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:side, 0:side] / side
    for index in range(count):
        waves = np.where(y > 0.5, np.sin(40 * y + 9 * np.sin(7 * x + index)), 0)[..., None]
        photo = 128 + 40 * waves + rng.uniform(-60, 60, 3) + rng.normal(0, 6, (side, side, 3))
        cv2.imwrite(str(folder / f"{index:05d}.jpg"), photo.clip(0, 255).astype(np.uint8))
    np.save(folder.parent / "motion.npy", np.float32([4, 0])[:, None, None] * np.ones((2, side, side), np.float32))
    cv2.imwrite(str(folder.parent / "mask.png"), (y > 0.5).astype(np.uint8) * 255)


def used(process: int) -> tuple[float, float]:
    """CPU seconds, those of ended encoders included, and resident memory in MB."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch(batch: subprocess.Popen[bytes], loops: Path, count: int) -> None:
    print("| photos | photos/s | CPU s a photo | memory, MB |\n|---|---|---|---|")
    before, spent, began = 0, used(batch.pid)[0], time.perf_counter()
    while before < count and batch.poll() is None:
        time.sleep(0.1)
        done = sum(file.suffix == ".mp4" and file.name[0] != "." for file in loops.iterdir()) if loops.exists() else 0
        if done >= before + 100 or done == count:
            (cpu, memory), now = used(batch.pid), time.perf_counter()
            rate, cost = (done - before) / (now - began), (cpu - spent) / (done - before)
            print(f"| {before + 1}-{done} | {rate:.1f} | {cost:.3f} | {memory:.0f} |", flush=True)
            before, spent, began = done, cpu, now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=1000)
    parser.add_argument("--side", type=int, default=64, help="px")
    parser.add_argument("--seconds", default="0.3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        photos, loops = Path(work) / "photos", Path(work) / "loops"
        photos.mkdir()
        make_photos(photos, options.count, options.side)
        command = [sys.executable, "-m", "cinegan_cli", "animate", str(photos), "--out", str(loops)]
        command += ["--mask", str(Path(work) / "mask.png"), "--motion", str(Path(work) / "motion.npy")]
        command += ["--seconds", options.seconds]
        with (Path(work) / "said").open("wb") as said:
            batch = subprocess.Popen(command, stdout=said, stderr=said)
            watch(batch, loops, options.count)
            status = batch.wait()
        if status:
            sys.exit((Path(work) / "said").read_text()[-2000:])


if __name__ == "__main__":
    main()

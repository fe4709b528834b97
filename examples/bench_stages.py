"""Where a run of `cinegan animate` spends its CPU time: one line for every stage, in the order of the pipeline.

python examples/bench_stages.py [--photo PHOTO] [--size 1024x1024] [--frames 120] [OPTION ...]

The run has one thread, so that the CPU time of whoever calls a stage is the stage's; what a stage calls that has a line
of its own is counted there. Bytes are those of the pictures and fields that a stage is given and returns: the least
that must be moved. Their rate is compared with that of a plain copy, by the same thread, of more than the cache holds.
Options that are not known here go to `cinegan animate`.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

# Line of the table, and the functions as their callers know them.
STAGES = (
    ("decode", ("stages.photo.frame_photo", "scene.photo_of")),
    ("seer", ("stages.mask.make.see",)),
    ("mask: clean-up, objects", ("scene.make_mask",)),
    ("matting", ("stages.mask.make.refine",)),
    ("motion", ("scene.find_motion",)),
    ("layer: fill", ("systems.base.moving_layer",)),
    ("inflow", ("stages.bands.layer.continue_inflow",)),
    ("bands", ("systems.base.dequantise", "systems.pyramid.pyramid", "systems.base.texture_kept")),
    ("parts", ("stages.warp.frames.parts_of",)),
    ("matte, interleaving", ("pipeline.matte", "stages.warp.frames._levels", "ops.anchor_of")),
    ("contrast", ("stages.warp.frames._contrasts",)),
    ("origins", ("stages.warp.parts.Part.origins",)),
    ("frame (native)", ("ops.render", "ops.composite")),
    ("loop figures", ("measure.LoopMeter.add", "measure.LoopMeter.report")),
    ("to yuv420p", ("ops.yuv420",)),
    ("hand-over", ("stages.video.outputs.VideoFile.add",)),
)


@dataclass
class Spent:
    """What one stage has cost."""

    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0


class Meter:
    """Seconds of CPU of each stage, without those of the stages that it calls; one stack for each thread."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._stacks = threading.local()

    def watch(self, stage: str, place: str) -> None:
        """Measure a function, or the steps of the generator that it returns, under the name of the stage."""
        *path, name = place.split(".")
        owner: Any = import_module(".".join(["cinegan_cli", *(part for part in path if part.islower())]))
        for part in path:
            owner = owner if part.islower() else getattr(owner, part)
        function = getattr(owner, name)
        spent = self.spent.setdefault(stage, Spent())

        def watched(*given: Any, **named: Any) -> Any:
            result = self._timed(spent, lambda: function(*given, **named), (given, named))
            return self._steps(spent, result) if isinstance(result, Iterator) else result

        setattr(owner, name, watched)

    def _steps(self, spent: Spent, items: Iterator[Any]) -> Iterator[Any]:
        end = object()
        while (item := self._timed(spent, lambda: next(items, end), ())) is not end:
            yield item

    def _timed(self, spent: Spent, call: Callable[[], Any], given: object) -> Any:
        stack: list[float] = self._stacks.__dict__.setdefault("inner", [])
        stack.append(0.0)
        started = time.thread_time()
        try:
            result = call()
        finally:
            took = time.thread_time() - started
            spent.calls += 1
            spent.seconds += took - stack.pop()
            if stack:
                stack[-1] += took
        spent.bytes += size_of(given) + size_of(result)
        return result


def size_of(value: object) -> int:
    """Bytes of all tensors and arrays in a value of the pipeline."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, dict):
        return size_of(tuple(value.values()))
    if isinstance(value, (tuple, list)):
        return sum(map(size_of, value))
    if is_dataclass(value):
        return sum(size_of(getattr(value, field.name)) for field in fields(value))
    return 0


def copy_rate() -> float:
    """Bytes for each second of CPU time that one thread reads and writes, copying 256 MiB; the best of a few."""
    source = np.ones(1 << 28, np.uint8)
    target, times = np.ones_like(source), []
    for _ in range(5):
        started = time.thread_time()
        np.copyto(target, source)
        times.append(time.thread_time() - started)
    return 2 * source.nbytes / min(times)


def cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def run(photo: Path, options: list[str]) -> tuple[dict[str, Spent], float]:
    """What each stage has spent in one run, and the copy's rate."""
    start = cpu(resource.RUSAGE_SELF)
    from cinegan_cli.cli import main

    import_module("cinegan_cli.pipeline")
    meter = Meter()
    meter.spent["imports"] = Spent(1, cpu(resource.RUSAGE_SELF) - start)
    for stage, places in STAGES:
        for place in places:
            meter.watch(stage, place)
    before = {who: cpu(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)}
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["animate", str(photo), "--out", f"{folder}/loop.mp4", "--threads", "1", "--quiet", *options]
        if status := main.run(arguments):
            raise SystemExit(status)
    own, encoder = (cpu(who) - before[who] for who in before)
    stages = [spent.seconds for stage, spent in meter.spent.items() if stage != "imports"]
    meter.spent["all else"] = Spent(1, own - sum(stages))
    meter.spent["encoder"] = Spent(1, encoder)
    return meter.spent, copy_rate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=Path(__file__).parent / "harbour.jpg")
    parser.add_argument("--size", default="1024x1024", help="the photo is brought to")
    parser.add_argument("--frames", type=int, default=120)
    args, options = parser.parse_known_args()
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        photo, size = Path(folder) / "photo.png", tuple(map(int, args.size.split("x")))
        cv2.imwrite(str(photo), cv2.resize(cv2.imread(str(args.photo)), size, interpolation=cv2.INTER_CUBIC))
        os.environ["OMP_NUM_THREADS"] = "1"
        spent, rate = run(photo, ["--seconds", str(args.frames / 30), *options])
    whole = sum(one.seconds for one in spent.values())
    print(f"{args.size}, {args.frames} frames: {whole:.2f} CPU s; a copy moves {rate / 1e9:.1f} GB/s\n")
    print("| stage | calls | ms a call | CPU s | GB/s | of the copy | of the run |\n" + "|---" * 7 + "|")
    for stage, one in spent.items():
        each = 1e3 * one.seconds / max(one.calls, 1)
        moved = one.bytes / max(one.seconds, 1e-9)
        rates = f"{moved / 1e9:.2f} | {moved / rate:.1%}" if one.bytes else " | "
        print(f"| {stage} | {one.calls} | {each:.1f} | {one.seconds:.2f} | {rates} | {one.seconds / whole:.1%} |")


if __name__ == "__main__":
    main()

"""GIFs of loops against those of ffmpeg's own palette and, where it is installed, of gifski, at equal size.

    python examples/bench_gif.py [PHOTO_OR_FRAMES ...] [--gifski PROGRAM]

Photos are animated first (320 px, 2 s, 12.5 frames/s; those of this folder when none is named); a folder of PNG frames
or an APNG is taken as it is. Printed for each way: bytes, mean SSIM to the frames, and of the pixels that stand still
in all frames the share that changes. "at equal size" is at most as large as ffmpeg's.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli import Config, animate
from cinegan_cli.config import VideoConfig
from cinegan_cli.measure import ssim
from cinegan_cli.stages.video import ffmpeg_executable, is_lossless, read_frames, write_loop
from cinegan_cli.stages.video.encoders import master_arguments, raw_input

HERE = Path(__file__).parent
FPS = 12.5
Frames = NDArray[np.uint8]


def loop_of(place: Path, work: Path) -> Frames:
    """The frames [N, H, W, 3] of a loop on disk, or of the one made from a photo."""
    if not is_lossless(place):
        made = work / f"{place.stem}.apng"
        animate(place, Config.from_options(max_side=320, seconds=2, fps=FPS, out=[made]))
        place = made
    return np.stack(list(read_frames(place)))


def by_ffmpeg(frames: Frames, target: Path) -> None:
    """As GIFs were made before: the palette of all frames, Bayer's pattern of one strength for all colours."""
    size = (frames.shape[2], frames.shape[1])
    begin = [ffmpeg_executable(), "-v", "error", "-y"]
    master, palette = target.with_suffix(".nut"), target.with_suffix(".png")
    lossless = [*raw_input(size, Fraction(FPS)), *master_arguments(), str(master)]
    subprocess.run([*begin, *lossless], input=frames.tobytes(), check=True)
    begin += ["-i", str(master)]
    subprocess.run([*begin, "-vf", "palettegen=max_colors=256:stats_mode=full", str(palette)], check=True)
    used = ["-i", str(palette), "-lavfi", "[0:v][1:v]paletteuse=dither=bayer:bayer_scale=3:diff_mode=rectangle"]
    subprocess.run([*begin, *used, "-loop", "0", str(target)], check=True)


def by_us(frames: Frames, target: Path, **settings: object) -> None:
    config = VideoConfig(out=(target,), overwrite=True, **settings)  # type: ignore[arg-type]
    write_loop(iter(frames), size=(frames.shape[2], frames.shape[1]), fps=FPS, count=len(frames), config=config)


def by_gifski(program: Path, frames: Frames, target: Path, limit: int) -> None:
    """gifski's best quality of at most `limit` bytes."""
    folder = target.with_suffix(".frames")
    folder.mkdir(exist_ok=True)
    files = [str(folder / f"{index:03d}.png") for index in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        cv2.imwrite(file, frame[..., ::-1])
    fits, too_large, height, width = 1, 101, *frames.shape[1:3]
    while True:
        quality = (fits + too_large) // 2 if too_large - fits > 2 else fits
        sized = ["-W", str(width), "-H", str(height), "-Q", str(quality), "--fps", "12", "-o", str(target)]
        subprocess.run([program, "--quiet", *sized, *files], check=True, stdout=subprocess.DEVNULL)
        if quality == fits:
            return
        fits, too_large = (quality, too_large) if target.stat().st_size <= limit else (fits, quality)


def seconds(work: Callable[[], None]) -> float:
    """CPU seconds of all processes that take part."""
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def row(name: str, way: str, frames: Frames, target: Path, cost: float | None) -> None:
    found = np.stack(list(read_frames(target)))
    assert found.shape == frames.shape, (found.shape, frames.shape)
    one, other = (torch.from_numpy(clip).permute(0, 3, 1, 2) / 255 for clip in (frames, found))
    alike = np.mean([ssim(*pair) for pair in zip(one, other, strict=True)])
    still = (frames == frames[0]).all((0, 3))
    changed = (found != found[0]).any((0, 3))[still].mean() if still.any() else 0.0
    spent = "" if cost is None else f"{cost:.1f}"
    print(f"| {name} | {way} | {target.stat().st_size / 1e3:.0f} | {alike:.4f} | {changed:.1%} | {spent} |", flush=True)


def compare(name: str, frames: Frames, work: Path, gifski: Path | None) -> None:
    target = work / "loop.gif"
    cost = seconds(lambda: by_ffmpeg(frames, target))
    row(name, "ffmpeg's palette", frames, target, cost)
    limit = target.stat().st_size
    cost = seconds(lambda: by_us(frames, target))
    row(name, "ours", frames, target, cost)
    by_us(frames, target, quality=100, max_bytes=str(limit))
    row(name, "ours at equal size", frames, target, None)
    if gifski is not None:
        by_gifski(gifski, frames, target, limit)
        row(name, "gifski at equal size", frames, target, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", type=Path, default=sorted([*HERE.glob("*.jpg"), *HERE.glob("*/*.jpg")]))
    parser.add_argument("--gifski", type=Path)
    options = parser.parse_args()
    print("| loop | way | kB | SSIM | still pixels that change | CPU s |\n|---|---|---|---|---|---|")
    for place in options.places:
        with tempfile.TemporaryDirectory() as work:
            compare(place.stem, loop_of(place, Path(work)), Path(work), options.gifski)


if __name__ == "__main__":
    main()

"""Figures of the loops on a folder of samples (NAME/photo.png, mask.png, motion.npy) or of plain photos, and a sheet.

python examples/eval_loops.py data/stylecinegan_samples --sheet sheet.png
python examples/eval_loops.py PHOTO.jpg ... --sheet sheet.png [--max-side 1280]
python examples/eval_loops.py PHOTO.jpg ... --backbone pyramid --backbone deeplandscape [--models SET] [--wind 3h]

Frames are measured before any encoding. Limits are those of the project: frame 0 within 1/255 of the photo, static
pixels equal, seam 0.8-1.2, neighbour differences within 10 % of their median, texture 0.9-1.1.
"""

import argparse
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import Config
from cinegan_cli.measure import LoopMeter
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.stages.mask import overlay
from cinegan_cli.stages.motion import colour_wheel

TILE = 300
LANDSCAPE = ("models", "variant", "steps", "wind", "wind_set", "light")  # options that only deeplandscape reads


def tile(picture: np.ndarray) -> np.ndarray:
    """Fit into a square, the rest black."""
    scale = TILE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    out = np.zeros((TILE, TILE, 3), np.uint8)
    out[: small.shape[0], : small.shape[1]] = small
    return out


def options_of(path: Path) -> tuple[Path, dict[str, object]]:
    """The photo of a sample folder with its mask and motion, or a photo alone."""
    if path.is_dir():
        return path / "photo.png", {"mask": path / "mask.png", "motion": path / "motion.npy"}
    return path, {}


def measure(path: Path, backbone: str, common: dict[str, object]) -> tuple[str, bool, np.ndarray]:
    """One row of the table, whether it is within the limits, and one row of the sheet."""
    photo, options = options_of(path)
    own = common if backbone == "deeplandscape" else {k: v for k, v in common.items() if k not in LANDSCAPE}
    config = Config.from_options(**options, **own, backbone=backbone)
    scene = prepare(photo, config)
    still = scene.photo.pixels_u8.numpy()
    meter = LoopMeter(photo=still, mask=scene.mask.alpha.numpy())
    count = config.render.frames
    shown, first = [], 0
    for t, frame in enumerate(render(scene, config)):
        meter.add(frame)
        if t == 0:
            first = int(cv2.absdiff(frame, still).max())
        if t in (0, count // 4, count // 2, 3 * count // 4):
            shown.append(tile(frame))
    loop = meter.report()
    good = (
        first <= 1
        and not loop.static_error
        and 0.8 <= loop.seam <= 1.2
        and loop.pulse <= 0.1
        and all(0.9 <= texture <= 1.1 for texture in loop.texture)
    )
    texture = " ".join(f"{value:.3f}" for value in loop.texture)
    moving = float(scene.mask.alpha.mean())
    steps = f"{loop.slowest:.3f}-{loop.fastest:.3f}"
    row = (
        f"| {path.stem} | {backbone} | {count} | {first} | {loop.static_error} | {loop.seam:.3f} | {steps} | {texture} "
        f"| {moving:.0%} | {scene.mask.confidence:.2f} | {'ok' if good else 'OUTSIDE'} |"
    )
    pictures = [tile(overlay(scene.photo, scene.mask).numpy()), tile(colour_wheel(scene.motion).numpy()), *shown]
    return row, good, np.hstack(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--sheet", type=Path, default=Path("sheet.png"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--max-side", type=int, default=3840)
    parser.add_argument("--warp", default="inverse")
    parser.add_argument("--blend", default="contrast")
    parser.add_argument("--backbone", action="append")
    for option in LANDSCAPE:
        parser.add_argument(f"--{option.replace('_', '-')}", type=int if option == "steps" else str)
    arguments = vars(parser.parse_args())
    paths, sheet = arguments.pop("paths"), arguments.pop("sheet")
    backbones = arguments.pop("backbone") or ["auto"]
    if len(paths) == 1 and paths[0].is_dir() and not (paths[0] / "photo.png").exists():
        paths = sorted(p for p in paths[0].iterdir() if p.is_dir())
    print(
        "| photo | system | frames | frame 0 | static | seam | steps / median | texture, 1/4 1/2 3/4 | moves | sure | |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows, outside = [], 0
    for path, backbone in product(paths, backbones):
        row, good, pictures = measure(path, backbone, arguments)
        print(row, flush=True)
        outside += not good
        rows.append(pictures)
        cv2.imwrite(str(sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    print(f"{len(rows) - outside} of {len(rows)} within all limits; pictures in {sheet}")


if __name__ == "__main__":
    main()

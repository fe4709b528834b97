"""Three blends of the same warp, side by side in mid-cycle, with the figures of their loops.

python examples/compare_blends.py SAMPLE_OR_PHOTO ... --sheet blends.png

linear    the average of both directions (the paper)
coverage  divided by sqrt(a² + (1 - a)²) everywhere (`docs/spec/stylecinegan.md`, section 3.5)
measured  divided by what averaging and sampling really take from each band at each place (the default)
"""

import argparse
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from eval_loops import options_of

from cinegan_cli.config import Config
from cinegan_cli.measure import LoopMeter, LoopReport
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.stages.warp import frames as warp
from cinegan_cli.stages.warp.contrast import Contrast
from cinegan_cli.types import Scene

SIDE = 420  # px of the crop shown at 100 %


def coverage_only(textures: tuple[torch.Tensor, ...], *_: object) -> list[Contrast]:
    """The spec's gain: every texture independent, nothing lost by sampling."""
    return [Contrast(torch.zeros(1, 1), (1.0,) * 5, 1.0) for _ in textures]


def loop_of(scene: Scene, config: Config) -> tuple[LoopReport, np.ndarray]:
    """Figures of the loop, and its middle frame."""
    meter = LoopMeter(photo=scene.photo.pixels_u8.numpy(), mask=scene.mask.alpha.numpy())
    middle = None
    for t, frame in enumerate(render(scene, config)):
        meter.add(frame)
        if t == config.render.frames // 2:
            middle = frame
    assert middle is not None
    return meter.report(), middle


def busiest(mask: np.ndarray) -> tuple[int, int]:
    """Corner of the crop with the most moving pixels."""
    share = cv2.boxFilter(mask, -1, (SIDE, SIDE), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    height, width = mask.shape
    share = share[: max(1, height - SIDE), : max(1, width - SIDE)]
    y, x = np.unravel_index(int(share.argmax()), share.shape)
    return int(y), int(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--sheet", type=Path, default=Path("blends.png"))
    parser.add_argument("--fps", type=float, default=6.0)
    arguments = parser.parse_args()
    print("| photo | blend | texture at 1/4 1/2 3/4 | steps / median | seam |\n|---|---|---|---|---|")
    rows = []
    for path in arguments.paths:
        photo, options = options_of(path)
        scene = prepare(photo, Config.from_options(**options))
        y, x = busiest(scene.mask.alpha.numpy())
        tiles = [scene.photo.pixels_u8.numpy()[y : y + SIDE, x : x + SIDE]]
        for blend in ("linear", "coverage", "measured"):
            config = Config.from_options(blend="linear" if blend == "linear" else "contrast", fps=arguments.fps)
            gains = coverage_only if blend == "coverage" else warp.measure_contrast
            with patch.object(warp, "measure_contrast", gains):
                loop, middle = loop_of(scene, config)
            texture = " ".join(f"{value:.2f}" for value in loop.texture)
            print(
                f"| {path.stem} | {blend} | {texture} | {loop.slowest:.2f}-{loop.fastest:.2f} | {loop.seam:.2f} |",
                flush=True,
            )
            tiles.append(middle[y : y + SIDE, x : x + SIDE])
        rows.append(np.hstack(tiles))
        cv2.imwrite(str(arguments.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()

"""Make docs/readme.png: the photo, what moves and how, and three moments of the loop, side by side.

python examples/readme_picture.py [PHOTO]
"""

import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import Config
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.stages.mask import overlay
from cinegan_cli.stages.motion import colour_wheel

ROOT = Path(__file__).parent
TILE = (480, 300)


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """One tile with its caption."""
    tile = cv2.resize(picture, TILE, interpolation=cv2.INTER_AREA)
    tile[-28:] = tile[-28:] // 3
    cv2.putText(tile, text, (10, TILE[1] - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def main() -> None:
    photo = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "harbour.jpg"
    config = Config.from_options(seconds=4.0, fps=8.0)
    scene = prepare(photo, config)
    count = config.render.frames
    frames = list(islice(render(scene, config), count))
    change = np.abs(frames[count // 4].astype(np.int16) - frames[0]).astype(np.uint8)
    tiles = [
        labelled(frames[0], "frame 0: the photo itself"),
        labelled(overlay(scene.photo, scene.mask).numpy(), "what moves (found)"),
        labelled(colour_wheel(scene.motion).numpy(), "where it moves (found)"),
        labelled(frames[count // 4], "a quarter of the cycle later"),
        labelled(frames[count // 2], "half way"),
        labelled(cv2.convertScaleAbs(change, alpha=3), "3 x the change: static pixels 0"),
    ]
    sheet = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])
    target = ROOT.parent / "docs" / "readme.png"
    target.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(target), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(target)


if __name__ == "__main__":
    main()

"""Make docs/readme.jpg: of each photo, what moves, of which kind and where to, and what changes half way.

python examples/readme_picture.py [PHOTO ...]
"""

import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import Config
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.stages.motion import arrows_over_photo

ROOT = Path(__file__).parent
PHOTOS = ("harbour.jpg", "cove.jpg", "river.jpg")
TILE = (360, 240)


def tile(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture [h, w, 3] in the shape of a tile."""
    height, width = picture.shape[:2]
    scale = max(TILE[0] / width, TILE[1] / height)
    size = (max(TILE[0], round(width * scale)), max(TILE[1], round(height * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    x, y = (size[0] - TILE[0]) // 2, (size[1] - TILE[1]) // 2
    return scaled[y : y + TILE[1], x : x + TILE[0]]


def row(photo: Path) -> np.ndarray:
    config = Config.from_options(seconds=4.0, fps=8.0, max_side=480)
    scene = prepare(photo, config)
    count = config.render.frames
    frames = list(islice(render(scene, config), count))
    later = frames[3 * count // 8]
    change = np.abs(later.astype(np.int16) - frames[0]).astype(np.uint8)
    arrows = arrows_over_photo(scene.photo, scene.mask, scene.motion).numpy()
    return np.hstack([tile(part) for part in (frames[0], arrows, later, cv2.convertScaleAbs(change, alpha=3))])


def main() -> None:
    photos = [Path(name) for name in sys.argv[1:]] or [ROOT / name for name in PHOTOS]
    sheet = np.vstack([row(photo) for photo in photos])
    target = ROOT.parent / "docs" / "readme.jpg"
    cv2.imwrite(str(target), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(target)


if __name__ == "__main__":
    main()

"""Every named look on photos: one sheet, the gradient correlation of what stands still, and the seconds it took.

What stands still is measured without the gaps of sky between leaves, which stand still and take the sky's new colours.

python examples/style_sheet.py PHOTO... --sheet looks.png [--target LOOK ...] [--max-side 1024]

A row per photo, the photo itself first. Targets may be looks, colours or reference photos; all looks by default.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from cinegan_cli.config import MaskConfig, PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.session import Session
from cinegan_cli.stages.look import LOOKS, find_regions, gradient_correlation, parse_target, restyle
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.types import Mask, Photo

HEIGHT = 240  # px of a tile


def tile(picture: torch.Tensor, title: str) -> np.ndarray:
    """The picture [3, H, W] small, with its title: uint8 [HEIGHT, w, 3], BGR."""
    pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()[:, :, ::-1]
    width = round(HEIGHT * pixels.shape[1] / pixels.shape[0])
    small = cv2.resize(np.ascontiguousarray(pixels), (width, HEIGHT), interpolation=cv2.INTER_AREA)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(small, title, (6, HEIGHT - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA)
    return small


def mask_of(photo: Photo, session: Session) -> Mask | None:
    """What the network sees, None where nothing moves."""
    try:
        return make_mask(photo, MaskConfig(), session=session)
    except InputError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--sheet", type=Path, default=Path("looks.png"))
    parser.add_argument("--target", nargs="+", default=list(LOOKS))
    parser.add_argument("--max-side", type=int, default=1024)
    parser.add_argument("--columns", type=int, default=6)
    arguments = parser.parse_args()
    session = Session()
    print("| photo | look | gradient correlation | seconds |\n|---|---|---|---|")
    blocks = []
    for path in arguments.photos:
        photo = read_photo(path, PhotoConfig(max_side=arguments.max_side))
        mask = mask_of(photo, session)
        static = (find_regions(photo, mask, session=session).sky < 0.01).float()
        if mask is not None:
            static = static * (mask.alpha < 0.01)
        tiles = [tile(photo.pixels, path.stem[:24])]
        for name in arguments.target:
            started = time.perf_counter()
            picture = restyle(photo, mask, parse_target(name), session=session)
            took = time.perf_counter() - started
            print(f"| {path.stem} | {name} | {gradient_correlation(photo.pixels, picture, static):.4f} | {took:.2f} |")
            tiles.append(tile(picture, Path(name).stem))
        while len(tiles) % arguments.columns:
            tiles.append(np.zeros_like(tiles[0]))
        blocks += [np.hstack(tiles[k : k + arguments.columns]) for k in range(0, len(tiles), arguments.columns)]
    width = max(block.shape[1] for block in blocks)
    blocks = [cv2.copyMakeBorder(b, 0, 0, 0, width - b.shape[1], cv2.BORDER_CONSTANT) for b in blocks]
    cv2.imwrite(str(arguments.sheet), np.vstack(blocks))


if __name__ == "__main__":
    main()

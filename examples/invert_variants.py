"""All ways to invert photos into DeepLandscape's latents, side by side: a table, and a sheet with a row for each photo.

python examples/invert_variants.py PHOTO.jpg ... --sheet sheet.png [--models SET] [--steps 100] [--perceptual FILE]

SSIM, PSNR and perceptual distance are of the photo and the generator's picture, at the generator's size. For variants
that tell regions apart, `kept` says whether the static maps of what moves and the dynamic ones of what stays are where
they were.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from cinegan_cli.config import Config
from cinegan_cli.errors import ModelMissingError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.deeplandscape import VARIANTS, Inverted, invert_photo

TILE = 300  # px, the width of a picture on the sheet


def shown(picture: np.ndarray) -> np.ndarray:
    """At the width of a tile."""
    height = round(TILE * picture.shape[0] / picture.shape[1])
    return cv2.resize(picture, (TILE, height), interpolation=cv2.INTER_AREA)


def kept(inverted: Inverted, still: torch.Tensor) -> bool:
    """Whether cells that lie wholly in the other region have the maps that they began with: 0."""
    codes = inverted.latents.codes
    for static, dynamic in zip(codes.static, codes.dynamic, strict=True):
        share = F.adaptive_avg_pool2d(still[None, None], static.shape[2:])
        if bool(static[share == 0].any() or dynamic[share == 1].any()):
            return False
    return True


def row(path: Path, options: dict[str, object]) -> list[np.ndarray]:
    """The photo, then what every variant makes of it; figures are printed."""
    pictures = []
    for name, way in VARIANTS.items():
        config = Config.from_options(**options, backbone="deeplandscape", variant=name)
        session = Session(config.run)
        try:
            found = invert_photo(path, config, session)
        except ModelMissingError as error:  # E, of a set without an encoder
            print(f"| {path.stem} | {name} | {error} | | | | |")
            pictures.append(np.zeros_like(pictures[0]))
            continue
        both = found.side_by_side()
        photo, made = np.hsplit(both, 2)
        pictures += [shown(made)] if pictures else [shown(photo), shown(made)]
        regions = ""
        if way.routed:
            mask = make_mask(read_photo(path, config.photo), config.mask, session=session)
            regions = "yes" if kept(found, (mask.alpha < 0.5).float()) else "NO"
        figures = f"{found.ssim:.3f} | {found.psnr:.1f} | {found.perceptual:.3f} | {found.seconds:.0f} s"
        print(f"| {path.stem} | {name} | {figures} | {regions} |", flush=True)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--models")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--perceptual", type=Path)
    parser.add_argument("--max-side", type=int, default=640)
    arguments = parser.parse_args()
    names = ("models", "steps", "perceptual", "max_side")
    options = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    print("| photo | variant | SSIM | PSNR | perceptual | time | kept |\n|---|---|---|---|---|---|---|")
    rows = [np.hstack(row(path, options)) for path in arguments.photos]
    if arguments.sheet:
        cv2.imwrite(str(arguments.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()

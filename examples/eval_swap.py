"""What w+ carries: every photo in the look of another, by the other one's w+ alone; figures and a sheet.

python examples/eval_swap.py data [--models compact] [--sheet swap.png]    # or none: without weights

For photos of the split `test`, each paired with another. "Way" is how much nearer the colours come to the other one's:
1 - d(result, other) / d(photo, other), d the mean over L, a, b of the earth mover's distance of their histograms.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from cinegan_cli.config import InversionConfig, PhotoConfig
from cinegan_cli.stages.look import Target, gradient_correlation, restyle
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.stylecinegan import choose_models, see, styled_inversion, target_codes
from cinegan_cli.training.data import list_photos
from cinegan_cli.types import Photo, silent

STEP = 7  # photo k takes the look of photo k + STEP
TILE = (240, 160)


def quantiles(picture: Tensor) -> np.ndarray:
    """Sorted CIE Lab values of a picture [3, H, W] in [0, 1], reduced to 512 of each channel: [512, 3]."""
    small = cv2.resize(picture.permute(1, 2, 0).numpy(), (128, 128), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    return np.asarray(np.sort(lab, axis=0)[:: lab.shape[0] // 512])


def distance(a: Tensor, b: Tensor) -> float:
    """Earth mover's distance of the histograms of L, a and b, their mean."""
    return float(np.abs(quantiles(a) - quantiles(b)).mean())


def tile(picture: Tensor) -> np.ndarray:
    """uint8 BGR, small."""
    levels = (picture * 255).round().byte().permute(1, 2, 0).numpy()[:, :, ::-1]
    return cv2.resize(np.ascontiguousarray(levels), TILE, interpolation=cv2.INTER_AREA)


def restyled(photo: Photo, target: Target, models: str, device: torch.device) -> Tensor:
    """The photo in the look of a reference photo, [3, H, W]; by `restyle` where `models` is "none"."""
    if models == "none":
        return restyle(photo, None, target, device=device)
    config = InversionConfig(backbone="stylecinegan", models=models)
    chosen = choose_models(config)
    assert chosen is not None
    inversion = see(photo, chosen, config, device=device, vote=False, progress=silent)
    codes = target_codes(photo, None, target, inversion, device=device)
    return styled_inversion(photo.pixels, inversion, codes, 1.0)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", default="compact")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--max-side", type=int, default=1024)
    options = parser.parse_args()
    device = torch.device("cpu")
    paths = list_photos(options.data, "test")
    rows, table = [], []
    print("| photo | look of | way | gradient correlation |\n|---|---|---|---|")
    for k, path in enumerate(paths):
        other = paths[(k + STEP) % len(paths)]
        photo, wanted = (read_photo(p, PhotoConfig(max_side=options.max_side)) for p in (path, other))
        made = restyled(photo, Target(other.stem, reference=other), options.models, device)
        way = 1 - distance(made, wanted.pixels) / distance(photo.pixels, wanted.pixels)
        kept = gradient_correlation(photo.pixels, made, torch.ones(made.shape[1:]))
        table.append((way, kept))
        print(f"| {path.stem} | {other.stem} | {way:.2f} | {kept:.3f} |")
        rows.append(np.hstack([tile(photo.pixels), tile(wanted.pixels), tile(made)]))
    way, kept = np.mean(table, axis=0)
    half, firm = (np.array(table)[:, 0] >= 0.5).sum(), (np.array(table)[:, 1] >= 0.95).sum()
    print(
        f"\nmean way {way:.2f} ({half} of {len(table)} at least half), gradient correlation {kept:.3f} ({firm} >= 0.95)"
    )
    if options.sheet:
        rows += [np.zeros_like(rows[0])] * (-len(rows) % 2)
        cv2.imwrite(str(options.sheet), np.vstack([np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)]))


if __name__ == "__main__":
    main()

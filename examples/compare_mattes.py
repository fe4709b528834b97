"""Our refinement of a mask beside pymatting's closed-form, KNN and large-kernel mattes, at silhouettes.

    pip install pymatting
    python examples/compare_mattes.py --data DIR --out sheet.png NAME:X,Y ...

DIR holds photos/NAME.jpg and annotated/NAME_mask.png (0 is static); X, Y is the middle of a crop, in pixels. All start
from the shipped network's outline, and may change only the band around it that `refine` changes. Printed: mean
difference from the annotation within that band, in percent, and seconds for the crop (for ours: the whole photo). The
sheet shows each crop at 100 %: the photo, the annotation, and each matte as what moves over white.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymatting
import torch
from numpy.typing import NDArray

from cinegan_cli.session import Session
from cinegan_cli.stages.mask import clean, predict, reassign_patches, refine

Array = NDArray[Any]
SHOWN = 320  # px of a crop's side
SOLVED = 512  # px that pymatting sees around it
BAND = 0.02  # half width of the band, as a part of the photo's long side: that of `refine`
METHODS: dict[str, Callable[..., Array]] = {
    "cf": pymatting.estimate_alpha_cf,
    "knn": pymatting.estimate_alpha_knn,
    "lkm": pymatting.estimate_alpha_lkm,
}


def window(middle: tuple[int, int], side: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of a square around `middle` (x, y), moved inside the picture."""
    left, top = (min(max(0, at - side // 2), max(0, n - side)) for at, n in zip(middle, shape[1::-1], strict=True))
    return slice(top, top + side), slice(left, left + side)


def coarse(photo: Array) -> tuple[Array, Array]:
    """The network's outline, and its probabilities that a pixel moves."""
    _, sky, water = predict(torch.from_numpy(photo), session=Session()).numpy()
    sky, water = reassign_patches(sky, water, clean(sky + water))
    return clean(sky + water), sky + water


def trimap_of(outline: Array, shape: tuple[int, ...]) -> Array:
    """0 static, 1 moving, 0.5 within the band around the outline, float64 [H, W]."""
    inside = (cv2.resize(outline.astype(np.float32), shape[1::-1]) > 0.5).astype(np.uint8)
    near = np.maximum(*(cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (inside, 1 - inside)))
    return np.where(near < BAND * max(shape), 0.5, inside.astype(np.float64))


def over_white(photo: Array, alpha: Array) -> Array:
    """What moves over white, uint8."""
    share = alpha[:, :, None].astype(np.float32)
    return np.asarray(share * photo + (1 - share) * 255, np.uint8)


def compare(data: Path, name: str, middle: tuple[int, int]) -> tuple[dict[str, tuple[float, float]], Array]:
    """Error in percent and seconds of each method, and a row of the sheet."""
    photo = cv2.imread(str(data / "photos" / f"{name}.jpg"))[:, :, ::-1].copy()
    truth = (cv2.imread(str(data / "annotated" / f"{name}_mask.png"), cv2.IMREAD_GRAYSCALE) > 0).astype(np.float32)
    outline, moving = coarse(photo)
    trimap = trimap_of(outline, photo.shape)
    shown, solved = window(middle, SHOWN, photo.shape), window(middle, SOLVED, photo.shape)
    unknown = trimap[shown] == 0.5
    started = time.perf_counter()
    mattes = {"ours": refine(photo, outline, moving)}
    seconds = {"ours": time.perf_counter() - started}
    for method, estimate in METHODS.items():
        started = time.perf_counter()
        mattes[method] = trimap.copy()
        mattes[method][solved] = estimate(photo[solved] / 255.0, trimap[solved])
        seconds[method] = time.perf_counter() - started
    errors = {m: 100 * float(np.abs(a[shown] - truth[shown])[unknown].mean()) for m, a in mattes.items()}
    pictures = [photo[shown], *(over_white(photo[shown], a[shown]) for a in (truth, *mattes.values()))]
    return {m: (errors[m], seconds[m]) for m in mattes}, np.hstack(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops", nargs="+", help="NAME:X,Y")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows, table = [], []
    print("| crop |", " | ".join(f"{m}: error, s" for m in ("ours", *METHODS)), "|")
    for crop in args.crops:
        name, place = crop.split(":")
        x, y = map(int, place.split(","))
        figures, row = compare(args.data, name, (x, y))
        print(f"| {crop} |", " | ".join(f"{e:.1f} % {s:.1f}" for e, s in figures.values()), "|", flush=True)
        rows.append(row)
        table.append([error for error, _ in figures.values()])
    print("| mean |", " | ".join(f"{mean:.1f} %" for mean in np.mean(table, axis=0)), "|")
    cv2.imwrite(str(args.out), np.vstack(rows)[:, :, ::-1])


if __name__ == "__main__":
    main()

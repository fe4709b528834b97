"""IoU of the mask stage on annotated photos: `python examples/eval_mask.py --data ../shared/data [--split test]`.

Runs the whole stage (network, clean-up, refinement) at the photos' own size with the shipped weights, and compares
with the hand-made masks at that size. Every photo counts alike. `--overlays DIR` also writes pictures to look at.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from cinegan_cli.config import MaskConfig, PhotoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.stages.mask import make_mask, overlay
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.training.mask_data import SKY, STATIC, WATER, read_labels
from cinegan_cli.training.mask_loss import score
from cinegan_cli.types import Photo


def predicted_labels(photo: Photo) -> tuple[np.ndarray, float]:
    """uint8 [H, W] labels from the stage's default mask, and its confidence; all static when it finds nothing."""
    try:
        mask = make_mask(photo, MaskConfig(), device=torch.device("cpu"))
    except InputError:
        return np.full(photo.size[::-1], STATIC, np.uint8), 0.0
    assert mask.sky is not None
    assert mask.water is not None
    kind = torch.where(mask.sky >= mask.water, SKY, WATER)
    return torch.where(mask.alpha > 0.5, kind, STATIC).to(torch.uint8).numpy(), mask.confidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test")
    parser.add_argument("--overlays", type=Path)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    with (options.data / "manifest.csv").open(newline="") as lines:
        paths = [options.data / row["file"] for row in csv.DictReader(lines) if row["split"] == options.split]
    masks = {path: options.data / "annotated" / f"{path.stem}_mask.png" for path in paths}
    pairs, names, confidences, seconds = [], [], [], []
    for path in [p for p in paths if masks[p].is_file()][: options.limit]:
        photo = read_photo(path, PhotoConfig())
        started = time.perf_counter()
        labels, confidence = predicted_labels(photo)
        seconds.append(time.perf_counter() - started)
        left, top, width, height = (int(v) for v in photo.window)
        pairs.append((labels, read_labels(masks[path])[top : top + height, left : left + width]))
        names.append(path.stem)
        confidences.append(confidence)
        if options.overlays and confidence:
            options.overlays.mkdir(parents=True, exist_ok=True)
            picture = overlay(photo, make_mask(photo, MaskConfig(), device=torch.device("cpu"))).numpy()
            cv2.imwrite(str(options.overlays / f"{path.stem}.jpg"), picture[:, :, ::-1])
    scores = score(pairs)
    print(f"{'photo':50} {'moving/static':>13} {'confidence':>10}")
    for name, value, confidence in sorted(zip(names, scores.photos, confidences, strict=True), key=lambda row: row[1]):
        print(f"{name[:50]:50} {value:13.3f} {confidence:10.2f}")
    print(f"\n{len(names)} {options.split} photos, each weighted alike, {np.median(seconds):.2f} s a photo (median)")
    print(f"mean IoU (moving / static)   {scores.moving:.4f}   mean of the photos' own {scores.per_photo:.4f}")
    static, sky, water = scores.classes
    print(f"IoU static {static:.4f}   sky {sky:.4f}   water {water:.4f}")


if __name__ == "__main__":
    main()

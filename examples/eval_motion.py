"""How far the default motion is from predicted fields: `python examples/eval_motion.py SAMPLES [--sheet FIELDS.png]`.

SAMPLES holds folders with photo.png, mask.png and motion.npy (px per frame on their own grid), such as those of
StyleCineGAN's release. Those fields are another network's predictions, not measurements: the figures are there to
catch nonsense. Whether a cloud goes left or right cannot be seen in a photo, so the angle is also given up to sign.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import MaskConfig, MotionConfig
from cinegan_cli.errors import CineganError
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.motion import colour_wheel, make_motion
from cinegan_cli.types import Mask, Motion, Photo

Field = NDArray[np.float32]
NAMES = ("default", "best constant", "zero")


def read_sample(folder: Path) -> tuple[Photo, Mask, Motion]:
    """Photo, mask with the network's sky and water where it is installed, and the field of the sample."""
    bgr: Any = cv2.imread(str(folder / "photo.png"), cv2.IMREAD_COLOR)
    grey: Any = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_GRAYSCALE)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    height, width = rgb.shape[:2]
    pixels = torch.from_numpy(rgb).permute(2, 0, 1).float().div(255).contiguous()
    photo = Photo(pixels, torch.from_numpy(rgb), (width, height), (0.0, 0.0, width, height))
    alpha = torch.from_numpy(cv2.resize(grey, (width, height)).astype(np.float32) / 255)
    try:
        seen = make_mask(photo, MaskConfig(), device=torch.device("cpu"))
        mask = Mask(alpha, "given", seen.sky, seen.water)
    except CineganError:
        mask = Mask(alpha, "given")
    config = MotionConfig(motion=folder / "motion.npy")
    return photo, mask, make_motion(photo, mask, config)


def errors(found: Field, wanted: Field) -> tuple[float, float, float]:
    """(angle in degrees, angle up to sign, end-point error over the mean speed) of [2, n], both scaled to mean speed 1.

    Angles are weighted by the wanted speed: where it hardly moves, its direction means little.
    """
    found, wanted = (field / max(float(np.hypot(*field).mean()), 1e-9) for field in (found, wanted))
    speed = np.hypot(*wanted)
    cosine = (found * wanted).sum(0) / np.maximum(np.hypot(*found) * speed, 1e-9)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    axis = np.minimum(angle, 180 - angle)
    end_point = np.hypot(*(found - wanted)).mean()
    return float(np.average(angle, weights=speed)), float(np.average(axis, weights=speed)), float(end_point)


def compare(photo: Photo, mask: Mask, wanted: Motion) -> tuple[Motion, NDArray[np.float64]]:
    """The default motion and the errors [3 candidates, 3 figures] inside the mask."""
    found = make_motion(photo, mask, MotionConfig())
    height, width = wanted.velocity.shape[1:]
    inside = cv2.resize(mask.alpha.numpy(), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    scale = width / found.velocity.shape[2]
    parts = [cv2.resize(part, (width, height))[inside] for part in found.velocity.numpy()]
    ours = np.asarray(np.stack(parts) * scale, np.float32)
    theirs = wanted.velocity.numpy()[:, inside].astype(np.float32)
    constant = np.broadcast_to(theirs.mean(1, keepdims=True), theirs.shape)
    return found, np.array([errors(each, theirs) for each in (ours, constant, np.zeros_like(theirs))])


def tile(motion: Motion, side: int = 256) -> NDArray[np.uint8]:
    """The field's colour wheel [side, side, 3], RGB, as a picture beside others."""
    wheel: Any = cv2.resize(colour_wheel(motion).numpy(), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(wheel, np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--sheet", type=Path, help="picture of every photo, its field and ours")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.samples.glob("*/motion.npy"))
    if not folders:
        raise SystemExit(f"{options.samples}: holds no folder with photo.png, mask.png and motion.npy")
    rows, table = [], []
    print(f"{'':14s}" + "".join(f"{name:>24s}" for name in NAMES))
    print(f"{'sample':14s}" + f"{'angle':>10s}{'±axis':>7s}{'EPE':>7s}" * len(NAMES))
    for folder in folders:
        photo, mask, wanted = read_sample(folder)
        found, figures = compare(photo, mask, wanted)
        table.append(figures)
        print(f"{folder.name:14s}" + "".join(f"{a:10.1f}{x:7.1f}{e:7.2f}" for a, x, e in figures))
        picture: Any = cv2.resize(photo.pixels_u8.numpy(), (256, 256), interpolation=cv2.INTER_AREA)
        rows.append(np.hstack([picture, tile(wanted), tile(found)]))
    print(f"{'median':14s}" + "".join(f"{a:10.1f}{x:7.1f}{e:7.2f}" for a, x, e in np.median(table, axis=0)))
    if options.sheet:
        rows += [np.zeros_like(rows[0])] * (-len(rows) % 2)
        sheet = np.vstack([np.hstack(rows[i : i + 2]) for i in range(0, len(rows), 2)])
        cv2.imwrite(str(options.sheet), sheet[..., ::-1])


if __name__ == "__main__":
    main()

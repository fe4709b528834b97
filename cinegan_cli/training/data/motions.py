"""Motion sets in memory, and random crops from them: crops, mirror images, colours, arrows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import MaskConfig, RunConfig
from cinegan_cli.errors import CineganError, InputError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.motion import ARROW_RADIUS, centred, mapped, read_motion, scene_channels, sky_cells
from cinegan_cli.stages.photo import read_grey
from cinegan_cli.training.data.folder import MANIFEST, read_manifest, require_aspect
from cinegan_cli.training.data.labels import merged
from cinegan_cli.training.data.masks import read_labels
from cinegan_cli.training.data.masks import read_photo as read_small
from cinegan_cli.types import SKY, WATER, Mask, Photo

Array = NDArray[np.float32]

MOST_ARROWS = 5
SLOWEST = 1e-4  # of the longer side per second: nothing moves


@dataclass(frozen=True)
class Example:
    """A sample at a small size: `photo` uint8 [h, w, 3], `sky` and `water` [h, w] shares of what moves (0 static).

    `velocity` [2, h, w] is in shares of the longer side per second.
    """

    name: str
    photo: NDArray[np.uint8]
    sky: Array
    water: Array
    velocity: Array


@dataclass(frozen=True)
class MotionCrop:
    """`scene` [8, s, s] and `hints` [3, s, s] as `nn.motion_net` wants them; the true `velocity` [2, s, s], relative.

    `weight` [s, s] is how much each pixel counts; `unit` is what the velocity is a multiple of, longer sides a second.
    """

    scene: Array
    hints: Array
    velocity: Array
    weight: Array
    unit: float = 1.0


def read_sets(sets: Sequence[Path], side: int) -> list[list[Example]]:
    """Of each motion set every sample that may train, `side` px on the longer side.

    Of a set with a manifest.csv those rows that are not split=test, nor train_shipped_weights=no; of a folder without
    one, every folder in it. Raises InputError when a set has none, or one is damaged.
    """
    if not sets:
        raise InputError("no data: name a motion set with --data, such as `cinegan data synthetic` makes")
    found = [[read_example(folder, side) for folder in _folders(data)] for data in sets]
    for data, examples in zip(sets, found, strict=True):
        if not examples:
            raise InputError(f"{data}: holds no sample that may train (NAME/photo.png, mask.png, motion.npy)")
    return found


def is_motion_set(data: Path) -> bool:
    """Whether a folder is laid out as `cinegan data` makes motion sets: NAME/photo.png, mask.png, motion.npy."""
    if not os.path.isdir(data):  # False also for a name that the system cannot take
        return False
    if (data / MANIFEST).is_file():
        rows = read_manifest(data / MANIFEST, require=("file",))
        if any(Path(row["file"]).name == "photo.png" for row in rows):
            return True
    others = ("photo.png", "mask.png")
    return any(all((path.parent / name).is_file() for name in others) for path in data.glob("*/motion.npy"))


def _folders(data: Path) -> list[Path]:
    if (data / MANIFEST).is_file():
        rows = read_manifest(data / MANIFEST, require=("file", "split", "train_shipped_weights"))
        used = [row for row in rows if row["split"] != "test" and row["train_shipped_weights"] != "no"]
        other = next((row["file"] for row in used if Path(row["file"]).name != "photo.png"), None)
        if other is not None:
            raise InputError(
                f"{data / MANIFEST}: lists {other or 'nothing'}, where a motion set has NAME/photo.png; name one that "
                "`cinegan data from-videos` or `synthetic` made"
            )
        return [(data / row["file"]).parent for row in used]
    return sorted(path.parent for path in data.glob("*/motion.npy") if not path.parent.name.startswith("."))


def read_example(folder: Path, side: int) -> Example:
    """One sample. What moves is sky or water as kinds.png says, or as the mask network sees it. Raises InputError."""
    photo = read_small(folder / "photo.png", side)
    height, width = photo.shape[:2]
    field = read_motion(folder / "motion.npy").numpy()  # cells per second
    share = np.array([width / field.shape[2], height / field.shape[1]], np.float32) / max(height, width)
    field = field * share[:, None, None]
    parts = [cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA) for part in field]
    if (folder / "kinds.png").is_file():
        kinds = merged(read_labels(folder / "kinds.png"))
        require_aspect(folder / "kinds.png", (kinds.shape[1], kinds.shape[0]), folder / "photo.png", (width, height))
        shares = [
            cv2.resize((kinds == k).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
            for k in (SKY, WATER)
        ]
    else:
        painted = read_grey(folder / "mask.png")
        require_aspect(folder / "mask.png", (painted.shape[1], painted.shape[0]), folder / "photo.png", (width, height))
        grey = cv2.resize(painted, (width, height), interpolation=cv2.INTER_AREA)
        shares = split_kinds(photo, np.asarray(grey, np.float32))
    sky, water = (np.asarray(part, np.float32) for part in shares)
    return Example(folder.name, photo, sky, water, np.stack(parts).astype(np.float32))


def split_kinds(photo: NDArray[np.uint8], moving: Array, session: Session | None = None) -> list[Array]:
    """What of `moving` [h, w] is sky and what water, as the default motion decides it."""
    height, width = moving.shape
    rgb = torch.from_numpy(np.array(photo))  # a copy: frames of clips are read-only
    pixels = rgb.permute(2, 0, 1).float().div(255).contiguous()
    picture = Photo(pixels, rgb, (width, height), (0.0, 0.0, width, height))
    alpha = torch.from_numpy(moving)
    try:
        seen = make_mask(picture, MaskConfig(), session=session or Session(RunConfig(device="cpu")))
        mask = Mask(alpha, "given", seen.sky, seen.water)
    except CineganError:  # no network: decided from place and texture
        mask = Mask(alpha, "given")
    sky = sky_cells(picture, mask, width, height).numpy()
    return [np.asarray(moving * sky), np.asarray(moving * (1 - sky))]


class MotionSet:
    """Groups of examples, and crops made from them: every group counts the same, whatever its size."""

    def __init__(self, groups: Sequence[Sequence[Example]], side: int, hinted: float) -> None:
        self.groups, self.side, self.hinted = groups, side, hinted

    def crop(self, rng: np.random.Generator) -> MotionCrop:
        """A random example, seen at another size and place, mirrored half of the time, in other colours.

        Left or right, towards or away cannot be seen in the sky of one photo: without arrows the sky's true field is
        turned about, as a whole, where needed so that it goes to the right, as the default's does. So the network
        learns along which line clouds move, and always picks the same of the two ways.
        """
        group = self.groups[int(rng.integers(len(self.groups)))]
        example = group[int(rng.integers(len(group)))]
        scene, velocity = placed(example, _view(example, self.side, rng), self.side)
        scene[:3] = _recoloured(scene[:3], rng) * scene[5]
        weight = scene[3] + scene[4]
        hints = np.zeros((3, self.side, self.side), np.float32)
        if rng.random() < self.hinted:
            hints = draw_arrows(velocity, weight, rng)
        if not (hints[2] * scene[3]).any():
            velocity = _turned(velocity, scene[3])
        mean = float((np.hypot(*velocity) * weight).sum() / max(float(weight.sum()), 1.0))
        drawn = hints[2] > 0
        unit = float(np.hypot(hints[0], hints[1])[drawn].mean()) if drawn.any() else mean
        # an arrow on nearly still water would make everything else a race
        unit = max(unit, 0.3 * mean, SLOWEST)
        hints[:2] /= unit
        return MotionCrop(scene, hints, velocity / np.float32(unit), weight, unit)


def placed(example: Example, matrix: NDArray[np.float64], side: int) -> tuple[Array, Array]:
    """`scene` [8, s, s] and velocity [2, s, s] of an example under the affine map `matrix` [2, 3] into the square.

    Velocities turn with the map; they stay shares of the longer side per second, of the square.
    """
    height, width = example.photo.shape[:2]
    seen = mapped(scene_channels(example.photo, example.sky, example.water), matrix, side)
    flow = mapped(example.velocity.transpose(1, 2, 0), matrix, side)
    turned = flow @ (matrix[:, :2].T * max(height, width) / side).astype(np.float32)
    scene = np.ascontiguousarray(seen.transpose(2, 0, 1))
    if matrix[0, 0] < 0:
        scene[6] *= -1
    return scene, np.ascontiguousarray(turned.transpose(2, 0, 1))


def draw_arrows(velocity: Array, weight: Array, rng: np.random.Generator) -> Array:
    """A few short arrows [3, s, s] along the true field [2, s, s], where it moves."""
    side = weight.shape[0]
    hints = np.zeros((3, side, side), np.float32)
    rows, columns = np.nonzero(weight > 0.5)
    if not rows.size:
        return hints
    y, x = np.mgrid[0:side, 0:side]
    for _ in range(int(rng.integers(1, MOST_ARROWS + 1))):
        k = int(rng.integers(rows.size))
        value = velocity[:, rows[k], columns[k]]
        # an arrow is drawn along its motion, over up to a twelfth of the picture
        length = min(side / 12, float(np.hypot(*value)) * side)
        along = value / max(float(np.hypot(*value)), SLOWEST) * length
        share = np.clip(((x - columns[k]) * along[0] + (y - rows[k]) * along[1]) / max(length**2, 1e-6), 0, 1)
        near = np.hypot(x - columns[k] - share * along[0], y - rows[k] - share * along[1]) <= ARROW_RADIUS * side
        hints[:2, near], hints[2, near] = value[:, None], 1
    return hints


def _view(example: Example, side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random place and size in the square, mirrored half of the time."""
    height, width = example.photo.shape[:2]
    matrix = centred(width, height, side)
    zoom = float(np.exp(rng.uniform(-0.15, 0.45)))
    stretch = float(np.exp(rng.normal(0, 0.08)))
    about = np.array([rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75)]) * side
    matrix = np.diag([zoom * stretch, zoom / stretch]) @ matrix
    matrix[:, 2] += about - np.array([zoom * stretch, zoom / stretch]) * about
    if rng.random() < 0.5:
        matrix[0] *= -1
        matrix[0, 2] += side - 1
    return np.asarray(matrix)


def _recoloured(rgb: Array, rng: np.random.Generator) -> Array:
    """[3, s, s] with another gamma, white balance and contrast; rarely grey."""
    picture = np.clip(rgb, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    picture = picture * np.exp(rng.normal(0, 0.12, (3, 1, 1)) + rng.normal(0, 0.12))
    grey = picture.mean(0, keepdims=True)
    picture = grey + (picture - grey) * (0.0 if rng.random() < 0.1 else np.exp(rng.normal(0, 0.3)))
    picture = 0.45 + (picture - 0.45) * np.exp(rng.normal(0, 0.2))
    return np.asarray(np.clip(picture + rng.normal(0, 0.02, picture.shape), 0, 1), np.float32)


def _turned(velocity: Array, sky: Array) -> Array:
    """The field with its sky going right as a whole."""
    if float((velocity[0] * sky).sum()) >= 0:
        return velocity
    return np.asarray(velocity * np.where(sky > 0.5, -1, 1), np.float32)

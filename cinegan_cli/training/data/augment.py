"""Random variants of labelled photos: geometry, colour, damage, and other photos' sky and water pasted in.

All randomness comes from the passed generator. Pictures are uint8 RGB [h, w, 3], labels uint8 [h, w].
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.training.data.masks import Example, Pixels, resize, sky_of, water_of
from cinegan_cli.types import REFLECTION, SKY, WATER

Floats = npt.NDArray[Any]  # float32


def augment(
    example: Example, pool: list[Example], size: tuple[int, int], rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """One training sample of `size` (width, height): photo and labels. `pool` gives sky and water to paste."""
    photo, labels, _ = augment_placed(example, pool, size, rng)
    return photo, labels


def augment_placed(
    example: Example, pool: list[Example], size: tuple[int, int], rng: np.random.Generator
) -> tuple[Pixels, Pixels, Floats]:
    """As `augment`, and the 2x3 matrix that leads from pixels of the example to those of the sample."""
    photo, labels = example.photo, example.labels
    corner = (0, 0)
    choice = rng.random()
    if choice < 0.2:
        photo, labels = _flood(photo, labels, rng)
    elif choice < 0.26:
        photo, labels, corner = _only(example, rng)
    photo, labels = _paste(photo, labels, pool, rng)
    matrix = _view(photo.shape[1], photo.shape[0], size, rng)
    photo = _warp(photo, matrix, size, cv2.INTER_AREA)
    labels = _warp(labels, matrix, size, cv2.INTER_NEAREST)
    photo = _damage(_recolour(photo, rng), rng)
    matrix[:, 2] -= matrix[:, :2] @ np.array(corner, np.float32)
    return photo, labels, matrix


def _view(width: int, height: int, size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A random crop, flip and slight rotation that fills `size`: 2×3 matrix from source to output pixels."""
    part = 1.0 if rng.random() < 0.5 else rng.uniform(0.5, 1.0)
    # keep the output's aspect up to ±20 %, or take the whole photo stretched
    stretch = np.exp(rng.uniform(-0.18, 0.18))
    crop_w, crop_h = width * part, width * part * size[1] / size[0] * stretch
    if crop_h > height:
        shrink = height / crop_h
        crop_w, crop_h = crop_w * max(shrink, 0.75), height
    x0, y0 = rng.uniform(0, width - crop_w), rng.uniform(0, height - crop_h)
    scale_x, scale_y = size[0] / crop_w, size[1] / crop_h
    matrix = np.array([[scale_x, 0, -x0 * scale_x], [0, scale_y, -y0 * scale_y]], np.float32)
    if rng.random() < 0.3:
        angle = rng.normal(0, 4)
        turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), angle, 1 + abs(angle) / 40)
        matrix = (np.vstack((turn, [0, 0, 1])) @ np.vstack((matrix, [0, 0, 1])))[:2].astype(np.float32)
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size[0] - 1
    return matrix


def _warp(picture: Pixels, matrix: Floats, size: tuple[int, int], how: int) -> Pixels:
    if how == cv2.INTER_AREA:  # warpAffine cannot average: blur first when it shrinks
        shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        if shrink > 1.2:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.35 * shrink)
        how = cv2.INTER_LINEAR
    border = cv2.BORDER_REFLECT_101
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=how, borderMode=border))


def _paste(photo: Pixels, labels: Pixels, pool: list[Example], rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Replace the sky or the water by another photo's: outlines stay true, textures and colours become new.

    Water of a known kind becomes water of a kind not known.
    """
    for value, chance in ((SKY, 0.3), (WATER, 0.3)):
        if rng.random() > chance:
            continue
        giver = pool[int(rng.integers(len(pool)))]
        area = sky_of(labels) if value == SKY else water_of(labels)
        if value not in giver.patches or area.mean() < 0.03:
            continue
        rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
        y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        a0, b0, a1, b1 = giver.patches[value]
        patch = giver.photo[b0:b1, a0:a1]
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        patch = resize(np.ascontiguousarray(patch), (x1 - x0, y1 - y0)).astype(np.float32)
        target = photo[y0:y1, x0:x1]
        inside = area[y0:y1, x0:x1]
        shift = target[inside].mean(0) - patch.reshape(-1, 3).mean(0)
        patch = np.clip(patch + rng.uniform(0, 1) * shift, 0, 255)
        weight = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), rng.uniform(0.4, 1.5))[:, :, None]
        photo = photo.copy()
        photo[y0:y1, x0:x1] = (weight * patch + (1 - weight) * target).astype(np.uint8)
        labels = np.where(area, np.uint8(value), labels)
    return photo, labels


def _only(example: Example, rng: np.random.Generator) -> tuple[Pixels, Pixels, tuple[int, int]]:
    """A part of the photo with nothing but sky, or nothing but water, if it is half as wide, and its corner (x, y)."""
    wide = [p for p in example.patches.values() if 2 * (p[2] - p[0]) >= example.labels.shape[1]]
    if not wide:
        return example.photo, example.labels, (0, 0)
    x0, y0, x1, y1 = wide[int(rng.integers(len(wide)))]
    part = (slice(y0, y1), slice(x0, x1))
    return np.ascontiguousarray(example.photo[part]), np.ascontiguousarray(example.labels[part]), (x0, y0)


def _flood(photo: Pixels, labels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Put a lake into the lower part that mirrors the upper one: rippled, blurred, darkened, tinted."""
    height, width = labels.shape
    shore = int(height * rng.uniform(0.45, 0.8))
    depth = height - shore
    below = np.arange(depth, dtype=np.float32)[:, None]
    # waves are wider than high, and look larger toward the viewer
    waves = rng.standard_normal((2, max(2, depth // 4), max(2, width // 24))).astype(np.float32)
    waves = np.stack([cv2.resize(w, (width, depth), interpolation=cv2.INTER_CUBIC) for w in waves])
    waves *= rng.uniform(0, 4) * (0.3 + below / depth)
    rows = shore - 1 - below * rng.uniform(0.8, 1.6) + 2 * waves[0]
    columns = np.arange(width, dtype=np.float32)[None] + waves[1]
    across = np.broadcast_to(columns, (depth, width)).astype(np.float32)
    mirrored = cv2.remap(
        photo, across, np.maximum(rows, 0).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    mirrored = cv2.blur(mirrored, (1, int(rng.integers(1, 10)))).astype(np.float32)
    tint = rng.uniform((0, 20, 20), (110, 150, 170)).astype(np.float32)
    mix = rng.uniform(0, 0.45)
    lake = rng.uniform(0.5, 1.05) * ((1 - mix) * mirrored + mix * tint) + rng.uniform(0, 5) * waves[:1].transpose(
        1, 2, 0
    )
    photo, labels = photo.copy(), labels.copy()
    photo[shore:] = np.clip(lake, 0, 255).astype(np.uint8)
    labels[shore:] = REFLECTION
    return photo, labels


def _recolour(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """White balance, gamma, contrast, saturation, hue; sometimes grey: one table per channel, then one matrix."""
    matrix = np.eye(3, dtype=np.float32)
    grey = np.full((3, 3), 1 / 3, np.float32)
    if rng.random() < 0.8:
        levels = (np.arange(256, dtype=np.float32) / 255) ** np.exp(rng.normal(0, 0.25))
        table = levels[:, None] * np.exp(rng.normal(0, 0.1, 3) + rng.normal(0, 0.12))  # [256, 3]
        table = (table - 0.45) * np.exp(rng.normal(0, 0.2)) + 0.45
        photo = np.asarray(cv2.LUT(photo, np.clip(table * 255, 0, 255).astype(np.uint8)[None]))
        matrix = grey + (matrix - grey) * np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.3:
        matrix = _hue(rng.normal(0, 0.35)) @ matrix
    if rng.random() < 0.06:
        matrix = grey
    return np.asarray(cv2.transform(photo, matrix))


def _hue(angle: float) -> Floats:
    """Rotation by `angle` radians about the grey axis (Rodrigues' formula)."""
    k = np.full(3, 3**-0.5)
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross, np.float32)


def _damage(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur, noise, JPEG."""
    if rng.random() < 0.2:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.3, 1.3)))
    if rng.random() < 0.25:
        noise = rng.normal(0, rng.uniform(1, 9), photo.shape).astype(np.float32)
        photo = np.clip(photo + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, code = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        photo = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return photo

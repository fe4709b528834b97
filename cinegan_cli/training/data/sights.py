"""Photos with masks, kinds and arrows for the seer: what the labels say, and what the arrows add to them.

Labels that only say sky or water get the kind of the nearest arrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from cinegan_cli.training.data.arrows import ARROWS, Arrow, read_arrows
from cinegan_cli.training.data.augment import augment_placed
from cinegan_cli.training.data.folder import Tell, unheard
from cinegan_cli.training.data.masks import Example, Pixels, read_examples, sky_of, water_of
from cinegan_cli.types import IGNORE, KINDS, LABEL_OF_KIND, SKY, STATIC, WATER

Floats = npt.NDArray[Any]  # float32
LABELS: Mapping[str, int] = dict(zip(KINDS, LABEL_OF_KIND, strict=True))
_SPOT = 0.008  # radius of what an arrow marks, as a part of the long side
_REACH = 0.25  # of the width: labels further from an arrow than that keep their kind open where a photo has several


class Arrows(NamedTuple):
    """n points: `at` [n, 2] px of the example; `travel` [n, 2] widths of the photo per second; `label`, `sure` [n]."""

    at: Floats
    travel: Floats
    label: Pixels
    sure: Floats


@dataclass(frozen=True)
class Sample:
    """One training sample: `photo` [h, w, 3] and `labels` [h, w] uint8; the arrows lie on the sample."""

    photo: Pixels
    labels: Pixels
    arrows: Arrows


def read_sights(
    data: Path, annotations: Path | None, side: int, *, tell: Tell = unheard
) -> list[tuple[Example, Arrows]]:
    """Every photo of the train split that may train shipped weights and has labels or arrows, and the samples.

    Raises InputError for a manifest, label picture or arrows.json that cannot be read.
    """
    drawn = data / ARROWS
    arrows = read_arrows(drawn) if drawn.is_file() else {}
    found = []
    for example in read_examples(data, annotations, side, tell=tell):
        own = _arrows_on(example, arrows.get(example.name, ()))
        labelled = bool((example.labels != IGNORE).any())
        if example.split == "test" or not (labelled or len(own.label)):
            continue
        found.append((replace(example, labels=with_kinds(example.labels, own)), own))
    return found


def _arrows_on(example: Example, drawn: Sequence[Arrow]) -> Arrows:
    """The arrows of one photo, three points along each."""
    width = example.photo.shape[1]
    rows = []
    for arrow in drawn:
        for part in (0.0, 0.5, 1.0):
            at = (width * (a + part * b) for a, b in zip(arrow.start, arrow.travel, strict=True))
            rows.append((*at, *arrow.travel, LABELS[arrow.kind], arrow.sure))
    table = np.asarray(rows, np.float32).reshape(-1, 6)
    return Arrows(table[:, :2], table[:, 2:4], table[:, 4].astype(np.uint8), table[:, 5])


def with_kinds(labels: Pixels, arrows: Arrows) -> Pixels:
    """`labels` where sky and water have the kind of the nearest arrow of their class, and arrows mark their spots.

    A class with one kind in the photo has it everywhere. An arrow on what the labels call static leaves that open
    (mist before land), and where nothing is labelled its spot is labelled.
    """
    out = labels.copy()
    for value, of_class in ((SKY, sky_of), (WATER, water_of)):
        own = of_class(arrows.label)
        kinds = np.unique(arrows.label[own])
        plain = labels == value
        if len(kinds) and plain.any():
            nearest, distance = _nearest(labels.shape, arrows.at[own], arrows.label[own])
            near = (distance < _REACH * labels.shape[1]) | (len(kinds) == 1)
            out[plain & near] = nearest[plain & near]
    for (x, y), label in zip(np.round(arrows.at).astype(int), arrows.label, strict=True):
        spot = np.zeros(labels.shape, np.uint8)
        cv2.circle(spot, (int(x), int(y)), max(1, round(_SPOT * max(labels.shape))), 1, cv2.FILLED)
        out[(spot > 0) & (out == IGNORE)] = label
        out[(spot > 0) & (out == STATIC)] = IGNORE
    return out


def _nearest(shape: tuple[int, ...], at: Floats, values: Pixels) -> tuple[Pixels, Floats]:
    """The value of the nearest point for every pixel, and how far it is."""
    there = np.ones(shape, np.uint8)
    columns = np.clip(np.round(at[:, 0]).astype(int), 0, shape[1] - 1)
    rows = np.clip(np.round(at[:, 1]).astype(int), 0, shape[0] - 1)
    there[rows, columns] = 0
    distance, which = cv2.distanceTransformWithLabels(there, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(which.max()) + 1, np.uint8)
    table[which[rows, columns]] = values
    return np.asarray(table[which]), np.asarray(distance)


def augment_sight(
    example: Example, arrows: Arrows, pool: list[Example], size: tuple[int, int], rng: np.random.Generator
) -> Sample:
    """A random variant of `size` (width, height). Arrows on what was replaced, or cut away, are left out.

    Directions turn with the picture; speeds stay in widths of the whole photo.
    """
    photo, labels, matrix = augment_placed(example, pool, size, rng)
    at = arrows.at @ matrix[:, :2].T + matrix[:, 2]
    turned = arrows.travel @ matrix[:, :2].T
    length = np.hypot(*arrows.travel.T)
    turned *= (length / np.maximum(np.hypot(*turned.T), 1e-9))[:, None]
    inside = ((at >= 0) & (at <= np.array(size) - 1)).all(1)
    cells = np.clip(np.round(at).astype(int), 0, np.array(size) - 1)
    found = labels[cells[:, 1], cells[:, 0]]
    kept = inside & ((found == arrows.label) | (found == IGNORE))
    return Sample(photo, labels, Arrows(at[kept], turned[kept], arrows.label[kept], arrows.sure[kept]))


def motion_targets(samples: Sequence[Sample], every: int) -> Floats:
    """[B, 6, h, w] at 1/`every` of the samples' size: heading (2), axis (2), ln pace, weight; 0 without an arrow."""
    height, width = (side // every for side in samples[0].labels.shape)
    out = np.zeros((len(samples), 6, height, width), np.float32)
    for target, sample in zip(out, samples, strict=True):
        for (x, y), (dx, dy), sure in zip(sample.arrows.at, sample.arrows.travel, sample.arrows.sure, strict=True):
            speed = float(np.hypot(dx, dy))
            if speed == 0:
                continue
            c, s = dx / speed, dy / speed
            row, column = int(y / every), int(x / every)
            values = (c, s, c * c - s * s, 2 * c * s, np.log(speed), sure)
            area = (slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2))
            target[:, area[0], area[1]] = np.asarray(values, np.float32)[:, None, None]
    return out

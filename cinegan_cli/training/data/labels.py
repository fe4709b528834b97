"""Masks of any common form as labels (`types.py`): 0 static, 1 sky, 2 water, 3 one of both, kinds, 255 unknown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import InputError
from cinegan_cli.files import read_text
from cinegan_cli.photos import OUTLINES
from cinegan_cli.stages.mask import read_mask
from cinegan_cli.stages.photo import read_planes
from cinegan_cli.training.data.folder import Pixels
from cinegan_cli.types import FOG, IGNORE, LABEL_OF_KIND, MOVING, SKY, STATIC, WATER, Photo

HIGHEST = max(LABEL_OF_KIND)
SKY_WORDS = {"sky", "skie", "cloud", "fog", "mist", "smoke", "steam", "aurora", "star"}  # in the labels of outlines
WATER_WORDS = {
    *("water", "lake", "sea", "ocean", "surf", "wave", "river", "stream", "rapid", "fall", "waterfall", "pond", "pool"),
    *("creek", "foam", "reflection", "fluid", "liquid"),
}
MOVING_WORDS = {"moving", "move", "motion", "mask", "foreground", "animated"}


def merged(labels: Pixels) -> Pixels:
    """Labels with kinds told apart (4 to 11) as sky or water: fog is sky, everything from lake on is water."""
    table = np.arange(256, dtype=np.uint8)
    table[FOG], table[FOG + 1 : HIGHEST + 1] = SKY, WATER
    return np.asarray(table[labels])


def read_any(path: Path, photo: Photo | None = None) -> tuple[Pixels, tuple[str, ...], bool]:
    """Labels [h, w] of a mask: a picture, or outlines of labelme or CVAT; notices; and whether they are only 0 and 1.

    A picture (grey, palette, or colours that are grey) whose values are labels is taken as such; in all others what
    counts as white for `--mask` moves (3). Outlines are sky or water by their names: others than those are static where
    one of them is there, else they move. Raises InputError where it cannot be read.
    """
    if path.suffix.lower() in OUTLINES:
        return *_outlines(path, photo), False
    numbers = _numbers(path)
    if numbers is not None:
        return numbers, (), int(numbers[numbers != IGNORE].max(initial=0)) == 1
    values, notices = read_mask(path, photo)
    return np.where(values > 0.5, MOVING, STATIC).astype(np.uint8), notices, False


def _numbers(path: Path) -> Pixels | None:
    """The labels that a picture holds, or None where its values are none."""
    planes = read_planes(path)
    values = planes.values
    if planes.indices is not None:
        numbers = planes.indices
    elif planes.white is None or values.shape[2] in (2, 4) or (values != values[..., :1]).any():
        return None  # shares, transparent or in colour
    else:
        numbers = values[..., 0]
    known = numbers[numbers != IGNORE]
    return numbers.astype(np.uint8) if known.size and 0 < int(known.max()) <= HIGHEST else None


def _outlines(path: Path, photo: Photo | None) -> tuple[Pixels, tuple[str, ...]]:
    """Labels by the names of outlines; those drawn later lie above."""
    if path.suffix.lower() == ".xml":
        values, notices = read_mask(path, photo)
        return np.where(values > 0.5, MOVING, STATIC).astype(np.uint8), notices
    drawing = _labelme(path)
    shapes = [shape for shape in drawing["shapes"] if isinstance(shape, Mapping)]
    names = dict.fromkeys(str(shape.get("label", "")) for shape in shapes)
    labels = {name: _label_of(name) for name in names}
    told = {SKY, WATER} & set(labels.values())
    canvas: NDArray[Any] | None = None
    for name, label in labels.items():
        part = json.dumps({**drawing, "shapes": [s for s in shapes if str(s.get("label", "")) == name]}).encode()
        try:
            inside = read_mask(part, photo)[0] > 0.5
        except InputError as error:
            if "holds no outline" in str(error):  # lines and points, or the background
                continue
            raise InputError(f"{path}: {str(error).partition(': ')[2] or error}") from error
        canvas = np.full(inside.shape, STATIC, np.uint8) if canvas is None else canvas
        canvas[inside] = STATIC if label is None and told else label or MOVING
    if canvas is None:
        raise InputError(f"{path}: holds no outline; draw polygons around sky and water")
    return canvas, ()


def _label_of(name: str) -> int | None:
    """Sky, water or either, where a word in the name of an outline says it, in one or many; else None."""
    words = {word.removesuffix("s") for word in re.findall(r"[a-z]+", name.lower())}
    kinds = ((WATER_WORDS, WATER), (SKY_WORDS, SKY), (MOVING_WORDS, MOVING))
    return next((kind for known, kind in kinds if words & known), None)


def _labelme(path: Path) -> dict[str, Any]:
    try:
        drawing = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON of labelme ({error}); save it again") from error
    if not isinstance(drawing, dict) or not isinstance(drawing.get("shapes"), list):
        raise InputError(f"{path}: no drawing of labelme: it has no shapes")
    return {key: value for key, value in drawing.items() if key != "imageData"}

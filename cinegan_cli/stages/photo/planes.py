"""The values of a picture as they are stored: for masks, where a value may be a class and alpha the mask itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.stages.photo.decode import load
from cinegan_cli.stages.photo.source import Source, array_pixels
from cinegan_cli.types import MaskSource

PLAIN = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Planes:
    """An upright picture. `values` [h, w, 1 to 4] is grey, grey + alpha, RGB or RGBA, of which `white` is the peak.

    uint8 or uint16, or float32 where the file holds floats or 32-bit integers, whose range it does not say (`white` is
    then None). `indices` [h, w] are those of an indexed picture, whose colours `values` are. `name` is for notices.
    """

    values: NDArray[Any]
    white: int | None
    indices: NDArray[np.uint8] | None
    name: str
    notices: tuple[str, ...]


def read_planes(source: MaskSource | Source) -> Planes:
    """The stored values of any picture; colour profiles are not applied. Raises InputError as `read_photo` does."""
    if isinstance(source, np.ndarray):
        labels = source.dtype.kind in "iu" and source.dtype not in (np.uint8, np.uint16) and source.size > 0
        fit = labels and source.min() >= 0 and source.max() <= 65535  # class numbers, as numpy makes them
        values = array_pixels(source.astype(np.uint16) if fit else source)
        return Planes(values, int(np.iinfo(values.dtype).max), None, "The array", ())
    loaded, name = load(source, convert_profile=False)
    image = loaded.image
    if image.mode in ("I", "F"):
        floats = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        return Planes(np.maximum(floats, 0)[:, :, None], None, None, name, loaded.notices)
    if loaded.deep is not None:
        return Planes(loaded.deep, 65535, None, name, loaded.notices)
    indices = np.asarray(image) if image.mode == "P" else None
    channels = 2 if image.mode in ("LA", "La") else 1 if image.mode in ("1", "L") else 3
    if loaded.transparent:
        channels = 2 if channels < 3 else 4
    plain = image.convert("RGBA") if image.mode in ("P", "PA", "RGBa", "La") or loaded.transparent else image
    values = np.asarray(plain.convert(PLAIN[channels])).reshape(image.height, image.width, channels)
    return Planes(values, 255, indices, name, loaded.notices)

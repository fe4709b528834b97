"""Photo stage: a file becomes upright sRGB pixels at the size of the output (`read_photo`), or a grey picture.

`frame_photo` does all of it that can go wrong, without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import UsageError
from cinegan_cli.stages.photo.colour import parse_colour
from cinegan_cli.stages.photo.decode import decode_picture
from cinegan_cli.stages.photo.deep import Pixels, to_8_bit
from cinegan_cli.stages.photo.source import name_of
from cinegan_cli.stages.photo.window import (
    SMALLEST_SIDE,
    SizeLimit,
    Window,
    _check_shape,
    _framed,
    _size_notices,
    parse_aspect,
)
from cinegan_cli.types import MaskSource, Photo, PhotoSource

LUMINANCE = np.array([[0.2126, 0.7152, 0.0722]], np.float32)  # BT.709, of R, G, B


@dataclass(frozen=True)
class Framed:
    """A `Photo` that is not yet in tensors: `pixels` are RGB [H, W, 3], uint8 or uint16."""

    pixels: Pixels
    source_size: tuple[int, int]
    window: Window
    notices: tuple[str, ...]
    name: str


def read_photo(source: PhotoSource, config: PhotoConfig, *, limit: SizeLimit | None = None) -> Photo:
    """What `frame_photo` makes of the source, in tensors. Raises as that does."""
    return photo_of(frame_photo(source, config, limit=limit))


def frame_photo(source: PhotoSource, config: PhotoConfig, *, limit: SizeLimit | None = None) -> Framed:
    """Read a PNG, JPEG, WebP, AVIF, TIFF, BMP or (with pillow-heif) HEIC photo as the run wants it.

    `source` is a file, a pipe or "-" (standard input), both read once and whole, the bytes of a file, a Pillow picture,
    or an array of uint8, uint16 or floats in [0, 1], [H, W], [H, W, 3] or [H, W, 4], upright and in sRGB.
    The pixels are upright (EXIF), in sRGB (ICC profile, or what else the file says), without alpha (composited on
    `config.background`), of the photo's own size, brought to `config.aspect`, at most `config.max_side` long and no
    longer than `limit` says, with even sides.
    Raises `InputError` for files that are not usable photos and `UsageError` for settings that cannot be met.
    """
    background = parse_colour(config.background)
    aspect = None if config.aspect is None else parse_aspect(config.aspect)
    decoded, name = decode_picture(source, background=background), name_of(source)
    height, width = decoded.pixels.shape[:2]
    _check_shape(name, width, height, aspect)
    pixels, window, bound = _framed(decoded.pixels, aspect, config, background, limit)
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        raise UsageError(
            f"{name}: the output would be {pixels.shape[1]}x{pixels.shape[0]} px, too small to animate: "
            f"each side needs {SMALLEST_SIDE} px; raise --max-side or change --aspect"
        )
    notices = decoded.notices + _size_notices((width, height), pixels, aspect, bound)
    return Framed(pixels, (width, height), window, notices, Path(name).name)


def read_grey(source: MaskSource) -> NDArray[np.float32]:
    """Luminance (BT.709 weights) of any picture: float32 [h, w] in [0, 1], upright, transparent pixels on black.

    8-bit and 16-bit values keep their precision, colour profiles are not applied. Raises `InputError` as `read_photo`.
    """
    pixels = decode_picture(source, background=(0, 0, 0), convert_profile=False).pixels
    weights = LUMINANCE / np.iinfo(pixels.dtype).max
    grey = cv2.transform(pixels.astype(np.float32), weights).reshape(pixels.shape[:2])
    limited: NDArray[np.float32] = np.clip(grey, 0, 1, dtype=np.float32)
    return limited


def photo_of(framed: Framed) -> Photo:
    """The same in planar float32 and interleaved uint8."""
    import torch

    if framed.pixels.dtype == np.uint16:
        values = torch.from_numpy(framed.pixels.astype(np.float32)).permute(2, 0, 1).contiguous().div_(65535)
        pixels_u8 = torch.from_numpy(to_8_bit(np.asarray(framed.pixels, np.uint16)))
    else:
        pixels_u8 = torch.from_numpy(np.ascontiguousarray(framed.pixels))
        values = pixels_u8.permute(2, 0, 1).contiguous().float().div_(255)
    return Photo(values, pixels_u8, framed.source_size, framed.window, framed.notices, framed.name)

"""A picture file opened by Pillow, its header alone: which of the formats it is, and whether it is read at all."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo import raw
from cinegan_cli.stages.photo.source import Source, reason

# Only these: Pillow knows many more, some of which start other programs (EPS) or are not pictures.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
READABLE = "PNG, JPEG, WebP, TIFF or BMP"
MOST_PIXELS = 200_000_000  # 0.6 GB as 8-bit RGB; larger files are bombs, or would take minutes to animate
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


@contextmanager
def opened(source: Source) -> Iterator[Image.Image]:
    """The picture, header only. Raises InputError for what is no picture, is raw, or has over 200 million pixels."""
    with source.open() as file:
        if raw.is_raw(file):
            raise InputError(_raw_advice(source))
        try:
            image = _identified(source, file)
        except InputError:
            raise
        except Exception as error:  # Pillow's parsers raise nearly anything on damaged headers
            raise InputError(
                f"{source.name}: the picture is damaged: {reason(error)}; export or copy it again"
            ) from None
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{source.name}: {image.width}x{image.height} px are more than the {MOST_PIXELS // 1_000_000} "
                    "million that cinegan reads; scale the picture down first"
                )
            yield image


def _raw_advice(source: Source) -> str:
    return f"{source.name}: camera raw files are not read; develop it and export a JPEG or a 16-bit TIFF"


def _identified(source: Source, file: BinaryIO) -> Image.Image:
    """The first format that takes the file. Not `Image.open`: its limit of pixels belongs to the whole process."""
    file.seek(0)
    prefix = file.read(32)
    for factory, accepts in _formats(source, prefix):
        verdict = True if accepts is None else accepts(prefix)
        if isinstance(verdict, str) or not verdict:  # text: this Pillow was built without the format
            continue
        file.seek(0)
        try:
            image: Image.Image = factory(file, source.short)
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # what Pillow's formats raise for a file that is another's
        return image
    if Path(source.short).suffix.lower() in raw.SUFFIXES:
        raise InputError(_raw_advice(source))
    raise InputError(f"{source.name}: not a picture that cinegan can read; use {READABLE}")


def _formats(source: Source, prefix: bytes) -> Iterator[tuple[Callable[..., Any], Callable[..., Any] | None]]:
    """How Pillow opens each format, and tells its own files."""
    Image.init()
    yield from (Image.OPEN[name] for name in FORMATS if name in Image.OPEN)
    if prefix[4:8] == b"ftyp" and any(brand in prefix[8:] for brand in HEIF_BRANDS) and b"avif" not in prefix:
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise InputError(
                f"{source.name}: HEIC pictures need pillow-heif: "
                'pip install "cinegan[heic]", or export the photo as JPEG'
            ) from None
        yield HeifImageFile, None

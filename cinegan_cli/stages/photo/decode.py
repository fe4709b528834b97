"""Decoding of picture files for the photo stage: every mode, orientation and profile becomes plain RGB."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo.colour import _to_srgb
from cinegan_cli.stages.photo.deep import Pixels, _deep_pixels, _flattened, _quiet_libraries

# Only these: Pillow knows many more, some of which start other programs (EPS) or are not pictures.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "HEIF")
READABLE = "PNG, JPEG, WebP, TIFF or BMP"
MOST_PIXELS = 200_000_000  # 0.6 GB as 8-bit RGB; larger files are bombs, or would take minutes to animate
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what it logs of damaged files goes to stderr


@dataclass(frozen=True)
class Decoded:
    """`pixels` is RGB [h, w, 3], upright: uint8, or uint16 for deep files. `notices` are sentences for the user."""

    pixels: Pixels
    notices: tuple[str, ...]


def decode_picture(path: Path, *, background: tuple[int, int, int], convert_profile: bool = True) -> Decoded:
    """RGB of the first frame of a file, upright, in sRGB unless not `convert_profile`, alpha on `background`.

    Raises `InputError` when the file is missing, is not a picture, is damaged, or has more than 200 million pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata; the user cannot act on it
        with _opened(path) as image:
            profile = image.info.get("icc_profile") if convert_profile else None
            with _decoding(path):
                notices = _frame_notices(path, image)
                with _quiet_libraries() if image.format == "TIFF" else nullcontext():
                    image.load()
                deep = _deep_pixels(path, image) if profile is None else None
                if deep is not None:
                    return Decoded(_flattened(deep, background), notices)
                return _decode_8_bit(path, image, profile, background, notices)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file opened by Pillow, header only."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not a picture; name a file in it")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes); copy or download it again")
        with path.open("rb") as file:
            head = file.read(32)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {_reason(error)}; check the name and permissions") from None
    _enable_heif(path, head)
    known = [name for name in FORMATS if name in _openable()]
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours, below, has a message that says what to do
    try:
        image = Image.open(path, formats=known)
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture that cinegan can read; use {READABLE}") from None
    except Exception as error:  # Pillow's parsers raise nearly anything on damaged headers
        raise InputError(f"{path}: the picture is damaged: {_reason(error)}; export or copy it again") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise InputError(
                f"{path}: {image.width}x{image.height} px are more than the {MOST_PIXELS // 1_000_000} million "
                "that cinegan reads; scale the picture down first"
            )
        yield image


def _openable() -> set[str]:
    Image.init()
    return set(Image.OPEN)


def _enable_heif(path: Path, head: bytes) -> None:
    if head[4:8] != b"ftyp" or not any(brand in head[8:] for brand in HEIF_BRANDS) or b"avif" in head:
        return
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            f'{path}: HEIC pictures need pillow-heif: pip install "cinegan[heic]", or export the photo as JPEG'
        ) from None
    pillow_heif.register_heif_opener()


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turns whatever a decoder raises on a damaged file into one `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{path}: not enough memory to decode the picture; scale it down first") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise InputError(f"{path}: the picture is damaged: {_reason(error)}; export or copy it again") from None


def _reason(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split()).lower() if text[:1].isupper() else " ".join(text.split())


def _frame_notices(path: Path, image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "HEIF"):  # phones store previews and depth beside the photo
        return (f"{path.name} has {frames} frames or pages; the first one is used.",)
    return ()


def _decode_8_bit(
    path: Path, image: Image.Image, profile: bytes | None, background: tuple[int, int, int], notices: tuple[str, ...]
) -> Decoded:
    transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    upright = ImageOps.exif_transpose(image)
    alpha = upright.convert("RGBA").getchannel("A") if transparent else None
    if profile is None and upright.mode == "CMYK":
        notices += (f"{path.name} is CMYK without a colour profile: its colours are approximate.",)
    colour, converted = _to_srgb(upright, profile)
    if not converted:
        notices += (f"The colour profile in {path.name} cannot be used: its pixels are taken as sRGB.",)
    if alpha is not None:
        canvas = Image.new("RGB", colour.size, background)
        canvas.paste(colour, mask=alpha)
        colour = canvas
    return Decoded(np.array(colour), notices)

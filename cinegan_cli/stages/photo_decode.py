"""Decoding of picture files for the photo stage: every mode, orientation and profile becomes plain RGB."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from cinegan_cli.errors import InputError

# Only these: Pillow knows many more, some of which start other programs (EPS) or are not pictures.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "HEIF")
READABLE = "PNG, JPEG, WebP, TIFF or BMP"
MOST_PIXELS = 200_000_000  # 0.6 GB as 8-bit RGB; larger files are bombs, or would take minutes to animate
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
ORIENTATION = 0x0112  # EXIF tag

Pixels = NDArray[np.uint8] | NDArray[np.uint16]

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


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """libtiff and OpenCV complain of damaged files on stderr, past Python; the one line for the user is ours."""
    if sys.__stderr__ is None:  # closed when the program began: descriptor 2 may be any file
        yield
        return
    sys.__stderr__.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


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


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """`image` as RGB without alpha, through its ICC profile if there is one; False if the profile was unusable."""
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        image = Image.fromarray(to_8_bit(_deep_grey(image)))
    if profile is None:
        if image.mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        else:
            return _plain_rgb(image), True
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        held = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}[space]
        if held == "L" and image.mode not in ("1", "L", "LA", "La"):
            held = "RGB"  # a grey profile on a colour file: refused by the next line
        if held in ("CMYK", "LAB") and image.mode != held:
            raise ImageCms.PyCMSError("profile is for another colour space")
        pixels = _plain_rgb(image) if held == "RGB" else image.convert(held)
        converted = ImageCms.profileToProfile(pixels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        return _plain_rgb(image), False
    assert converted is not None
    return converted, True


def _plain_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB",):
        return image
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def _deep_pixels(path: Path, image: Image.Image) -> NDArray[np.uint16] | None:
    """uint16 [h, w, 1 to 4] in R, G, B, A order, upright, for files of more than 8 bits per channel, else None."""
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        return _oriented(_deep_grey(image)[:, :, None], _orientation(image))
    if not _has_deep_colour(path, image):
        return None
    # Pillow reduces 16-bit colour to 8 bits; OpenCV does not. Pillow has decoded the file, so it is sound.
    with _quiet_libraries():
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        return None
    raw = raw[:, :, None] if raw.ndim == 2 else raw
    order = {1: [0], 2: [0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[raw.shape[2]]
    oriented = _oriented(raw[:, :, order].astype(np.uint16), _orientation(image) if image.format == "PNG" else 1)
    return oriented if oriented.shape[1::-1] == ImageOps.exif_transpose(image).size else None


def _has_deep_colour(path: Path, image: Image.Image) -> bool:
    if image.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)  # signature 8, IHDR length and name 8, width and height 8, depth, colour type
        return len(header) == 26 and header[24] == 16
    bits = image.tag_v2.get(258, (8,)) if image.format == "TIFF" and hasattr(image, "tag_v2") else (8,)
    return max(bits) == 16


def _deep_grey(image: Image.Image) -> NDArray[np.uint16]:
    """uint16 [h, w] of a grey picture in integers beyond 8 bits or in floats, whose range is guessed from its peak."""
    values = np.asarray(image)
    if values.dtype == np.uint16 or image.mode.startswith("I;16"):
        return values.astype(np.uint16)
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(values.max())
    if image.mode == "F" and peak <= 1.0:
        scale = 65535.0
    else:
        scale = 257.0 if image.mode == "F" and peak <= 255 else 1.0 if peak <= 65535 else 65535 / peak
    deep: NDArray[np.uint16] = np.clip(values * np.float32(scale) + 0.5, 0, 65535).astype(np.uint16)
    return deep


def to_8_bit(values: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """uint16 of any shape, 65535 white, as uint8, 255 white."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(ORIENTATION, 1) or 1)


def _oriented(pixels: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """Pixels [h, w, c] turned upright from an EXIF orientation, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _flattened(pixels: NDArray[np.uint16], background: tuple[int, int, int]) -> NDArray[np.uint16]:
    """uint16 RGB [h, w, 3] of grey, grey + alpha, RGB or RGBA [h, w, 1 to 4], alpha on the background."""
    channels = pixels.shape[2]
    colour = np.repeat(pixels[:, :, :1], 3, axis=2) if channels < 3 else pixels[:, :, :3]
    if channels in (1, 3):
        return np.ascontiguousarray(colour)
    alpha = pixels[:, :, -1:].astype(np.float32) / 65535
    behind = np.array(background, np.float32) * 257
    return (behind + (colour - behind) * alpha + 0.5).astype(np.uint16)

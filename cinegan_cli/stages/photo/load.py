"""A source's pixels as they are stored, upright; nothing converted yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo import cut
from cinegan_cli.stages.photo.deep import DEEP_GREY, deep_grey, deep_png, orientation, oriented
from cinegan_cli.stages.photo.encoding import HEAD, encoding_of
from cinegan_cli.stages.photo.identify import opened
from cinegan_cli.stages.photo.light import Encoding
from cinegan_cli.stages.photo.source import Source, reason
from cinegan_cli.stages.photo.tiff import decoded_tiff, deep_tiff, needs_libtiff

TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")


@dataclass(frozen=True)
class Loaded:
    """An upright picture in Pillow's mode and, beyond 8 bits, as `deep`: uint16 [h, w, 1 to 4] in R, G, B, A order.

    `profile` is its ICC profile; without one, `encoding` says what its values mean (None: sRGB).
    """

    image: Image.Image
    deep: NDArray[np.uint16] | None
    profile: bytes | None
    encoding: Encoding | None
    notices: tuple[str, ...]

    @property
    def transparent(self) -> bool:
        """Whether there is an alpha channel, or a colour that stands for one."""
        return self.image.mode in TRANSPARENT or "transparency" in self.image.info


def load_file(source: Source, *, convert_profile: bool) -> Loaded:
    """A picture file's first frame. Raises InputError when it is not a picture, or damaged.

    A file whose last bytes are missing is read when at least 60 % of its rows are there; a notice says so.
    """
    with opened(source) as image, decoding(source.name):
        notices = _frame_notices(source.short, image)
        stored, data, cut_notice = _loaded(source, image)
        told = image if image.format == "TIFF" else stored  # only once it is loaded: a PNG may say more at its end
        if image.format == "PNG" and stored.mode == "I":  # what older versions of Pillow call 16 bits
            stored = Image.fromarray(np.asarray(stored).astype(np.uint16))
        profile, encoding = (told.info.get("icc_profile"), None) if convert_profile else (None, None)
        if convert_profile and stored.mode not in ("CMYK", "LAB"):
            with source.open() as file:
                encoding, said = encoding_of(told, file.read(HEAD), source.short)
            if profile is None or (encoding is not None and encoding.hdr):  # else the profile says it all
                profile, notices = None, notices + said
            else:
                encoding = None
        turn = 1 if image.format == "TIFF" else orientation(told)  # Pillow and OpenCV turn TIFFs by themselves
        deep = _deep(source, image, stored, data) if profile is None else None
        upright = stored if stored.mode in DEEP_GREY else ImageOps.exif_transpose(stored)
        deep = None if deep is None else oriented(deep, turn)
        return Loaded(upright, deep, profile, encoding, notices + cut_notice)


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises on a damaged file into one `InputError`."""
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: not enough memory to decode the picture; scale it down first") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise InputError(f"{name}: the picture is damaged: {reason(error)}; export or copy it again") from None


def load_picture(image: Image.Image, name: str, *, convert_profile: bool) -> Loaded:
    """A Pillow picture, which is left as it is."""
    with decoding(name):
        grey = oriented(deep_grey(image)[:, :, None], orientation(image)) if image.mode in DEEP_GREY else None
        turned = image.copy() if grey is not None else ImageOps.exif_transpose(image)  # a copy either way
        profile = image.info.get("icc_profile") if convert_profile else None
        encoding, told = None, tuple[str, ...]()
        if convert_profile and profile is None and image.mode not in ("CMYK", "LAB"):
            encoding, told = encoding_of(image, b"", name)
        return Loaded(turned, grey, profile, encoding, told)


def _loaded(source: Source, image: Image.Image) -> tuple[Image.Image, bytes, tuple[str, ...]]:
    """The picture with its pixels; the mended bytes of a cut PNG, else none; and a notice where it was cut."""
    if needs_libtiff(image):
        return decoded_tiff(source, image), b"", ()
    try:
        image.load()
        return image, b"", ()
    except (OSError, SyntaxError, EOFError) as error:
        mended = _mended(source, image)
        if mended is None:
            raise error
    stored, data, share = mended
    lost = f"the last {max(0.01, 1 - share):.0%} of its rows are missing, the row above is repeated"
    what = lost if share < 1 else "its last bytes are missing, perhaps with fine details"
    return stored, data, (f"{source.short} is cut off: {what}; copy it again.",)


def _mended(source: Source, image: Image.Image) -> tuple[Image.Image, bytes, float] | None:
    """What there is of a cut PNG or JPEG, the mended bytes of a PNG, and the share of rows that is true."""
    if image.format == "PNG":
        mended = cut.mended_png(source.read())
        if mended is None:
            return None
        with opened(Source(source.name, source.short, None, mended.data)) as again:
            again.load()
            return again, mended.data, mended.share
    if image.format in ("JPEG", "MPO"):
        mended = cut.mended_jpeg(source.read())
        if mended is None:
            return None
        with cut.open_jpeg(mended.data) as again:
            again.load()
            filled = cut.with_rows_filled(again)
        return None if filled is None else (filled[0], b"", filled[1])
    return None


def _deep(source: Source, header: Image.Image, stored: Image.Image, data: bytes) -> NDArray[np.uint16] | None:
    """uint16 [h, w, 1 to 4] as stored (upright for TIFF) of a picture of more than 8 bits per channel, else None."""
    if stored.mode in DEEP_GREY:
        return deep_grey(stored)[:, :, None]
    if header.format == "PNG":
        return deep_png(data or _png_of_16_bits(source))
    bits = header.tag_v2.get(258, (8,)) if header.format == "TIFF" and hasattr(header, "tag_v2") else (8,)
    return deep_tiff(source) if max(bits) == 16 else None


def _png_of_16_bits(source: Source) -> bytes:
    """The file if its header says so; other depths are not read again."""
    with source.open() as file:
        head = file.read(26)  # signature 8, IHDR length and name 8, width and height 8, depth, colour type
    return source.read() if head[24:25] == b"\x10" else b""


def _frame_notices(name: str, image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format not in ("MPO", "HEIF"):  # phones store previews and depth beside the photo
        return (f"{name} has {frames} frames or pages; the first one is used.",)
    return ()

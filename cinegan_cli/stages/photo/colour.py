"""Colour of decoded pictures: ICC profiles and odd modes to sRGB."""

from __future__ import annotations

import io
import re
from contextlib import suppress

from PIL import Image, ImageCms, ImageColor

from cinegan_cli.errors import UsageError
from cinegan_cli.stages.photo.deep import DEEP_GREY, deep_grey, to_8_bit


def parse_colour(text: str) -> tuple[int, int, int]:
    """(R, G, B), 0 to 255, of #RRGGBB or #RGB, with or without the #, or a CSS colour (`white`, `hsl(30, 50%, 50%)`).

    Raises `UsageError` for anything else, and for colours that are not opaque.
    """
    plain = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{3}|[0-9a-fA-F]{6}", plain):
        plain = f"#{plain}"
    colour: tuple[int, ...] = ()
    with suppress(ValueError, OverflowError):
        colour = ImageColor.getrgb(plain)
    if len(colour) not in (3, 4) or not all(0 <= part <= 255 for part in colour):
        raise UsageError(f"--background must be a colour such as #ffffff or white, got {text!r}")
    if colour[3:] not in ((), (255,)):
        raise UsageError(f"--background must be opaque, got {text!r}; leave out its last part, the alpha")
    return colour[0], colour[1], colour[2]


def by_profile(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """`image` as RGB without alpha, through its ICC profile if there is one; False if the profile was unusable."""
    if image.mode in DEEP_GREY:
        image = Image.fromarray(to_8_bit(deep_grey(image)))
    if profile is None:
        if image.mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        else:
            return plain_rgb(image), True
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        held = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}[space]
        if held == "L" and image.mode not in ("1", "L", "LA", "La"):
            held = "RGB"  # a grey profile on a colour file: refused by the next line
        if held in ("CMYK", "LAB") and image.mode != held:
            raise ImageCms.PyCMSError("profile is for another colour space")
        pixels = plain_rgb(image) if held == "RGB" else image.convert(held)
        converted = ImageCms.profileToProfile(pixels, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        return plain_rgb(image), False
    assert converted is not None
    return converted, True


def plain_rgb(image: Image.Image) -> Image.Image:
    """Any 8-bit picture as RGB, its colours as they are, alpha dropped."""
    if image.mode in ("RGB",):
        return image
    if image.mode in ("RGBa", "La"):
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")

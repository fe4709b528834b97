"""Colour of decoded pictures: ICC profiles and odd modes to sRGB."""

from __future__ import annotations

import io
import re

from PIL import Image, ImageCms

from cinegan_cli.errors import UsageError
from cinegan_cli.stages.photo.deep import _deep_grey, to_8_bit


def parse_colour(text: str) -> tuple[int, int, int]:
    """(R, G, B), 0 to 255, of #RRGGBB or #RGB. Raises `UsageError`."""
    digits = text.strip().removeprefix("#")
    if re.fullmatch(r"[0-9a-fA-F]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-fA-F]{6}", digits):
        raise UsageError(f"--background must be a colour such as #ffffff, got {text!r}")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


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

"""Decoding for the photo stage: every source, mode, orientation and kind of colour becomes plain RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cinegan_cli.stages.photo.colour import by_profile
from cinegan_cli.stages.photo.deep import Pixels, flattened
from cinegan_cli.stages.photo.light import to_srgb
from cinegan_cli.stages.photo.load import Loaded, load_file, load_picture
from cinegan_cli.stages.photo.source import Source, array_pixels, source_of
from cinegan_cli.types import PhotoSource


@dataclass(frozen=True)
class Decoded:
    """`pixels` is RGB [h, w, 3], upright: uint8, or uint16 for deep files. `notices` are sentences for the user."""

    pixels: Pixels
    notices: tuple[str, ...]


def decode_picture(source: PhotoSource, *, background: tuple[int, int, int], convert_profile: bool = True) -> Decoded:
    """RGB of a picture's first frame, upright, in sRGB unless not `convert_profile`, alpha on `background`.

    Raises `InputError` when the file is missing, is not a picture, is damaged, or has more than 200 million pixels.
    """
    if isinstance(source, np.ndarray):
        return Decoded(flattened(array_pixels(source), background), ())
    loaded, name = load(source, convert_profile=convert_profile)
    if loaded.deep is not None:
        pixels = loaded.deep
        if loaded.encoding is not None:
            colours = pixels.shape[2] - 1 + pixels.shape[2] % 2  # 1 or 3; what follows is alpha
            colour = to_srgb(flattened(pixels[:, :, :colours], background), loaded.encoding)
            pixels = np.concatenate([np.asarray(colour, np.uint16), pixels[:, :, colours:]], axis=2)
        return Decoded(flattened(pixels, background), loaded.notices)
    return _decoded_8_bit(loaded, name, background)


def load(source: PhotoSource | Source, *, convert_profile: bool) -> tuple[Loaded, str]:
    """The upright pixels of a file, a pipe, bytes or a Pillow picture, and its name in notices. Raises InputError."""
    if isinstance(source, Image.Image):
        return load_picture(source, "the picture", convert_profile=convert_profile), "The picture"
    assert not isinstance(source, np.ndarray)
    file = source if isinstance(source, Source) else source_of(source)
    return load_file(file, convert_profile=convert_profile), file.short


def _decoded_8_bit(loaded: Loaded, name: str, background: tuple[int, int, int]) -> Decoded:
    notices, image = loaded.notices, loaded.image
    alpha = image.convert("RGBA").getchannel("A") if loaded.transparent else None
    if loaded.profile is None and image.mode == "CMYK":
        notices += (f"{name} is CMYK without a colour profile: its colours are approximate.",)
    colour, converted = by_profile(image, loaded.profile)
    if not converted:
        notices += (f"The colour profile in {name} cannot be used: its pixels are taken as sRGB.",)
    if loaded.encoding is not None:
        colour = Image.fromarray(np.asarray(to_srgb(np.asarray(colour), loaded.encoding), np.uint8))
    if alpha is not None:
        canvas = Image.new("RGB", colour.size, background)
        canvas.paste(colour, mask=alpha)
        colour = canvas
    return Decoded(np.array(colour), notices)

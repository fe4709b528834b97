"""The named looks and colours, read from `looks.toml`, and what a look consists of. Nothing here computes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from cinegan_cli.errors import InputError
from cinegan_cli.stages.look.checks import build, colour, rising, within

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("looks.toml")

Share = Annotated[float, within(0, 1)]
Factor = Annotated[float, within(0, 4)]
Chroma = Annotated[float, within(0.001, 0.5)]  # of OKLab
Part = Annotated[float, within(-0.5, 0.5)]  # OKLab a or b
Tint = tuple[Part, Part]
Hue = Annotated[float, within(0, 360)]  # degrees of OKLab
Coefficient = Annotated[float, within(-4, 4)]
Colour = Annotated[str, colour]
Size = Annotated[float, within(0.01, 4)]


@dataclass(frozen=True)
class Foliage:
    """What becomes of greens: their hue (degrees of OKLab) where light and where dark, chroma and lightness factors.

    `variety` is how many degrees the new hue goes up for each that the old one lies below the middle of green.
    """

    light_hue: Hue
    dark_hue: Hue
    chroma: Factor
    lift: Factor = 1.0
    amount: Share = 1.0
    variety: Coefficient = 0.0
    cap: Chroma = 0.2  # of the new chroma


@dataclass(frozen=True)
class Affine:
    """A map of colours: a' = aa·a + ab·b + a₀, b' = ba·a + bb·b + b₀ (OKLab)."""

    aa: Coefficient
    ab: Coefficient
    ba: Coefficient
    bb: Coefficient
    a: Part
    b: Part


@dataclass(frozen=True)
class Tone:
    """Exposure, white balance and colour of what is lit: land, things, and a sky that is not painted.

    `level` is the OKLab lightness that the region's mean is drawn to, `pull` of the way, by a factor within `limits`.
    `light` is the colour of the light; `adapt` the share of the photo's own light's colour that is taken out first.
    `black` and `white` are the lightness that black and white get. `shadows` and `highlights` are added to (a, b).
    `clarity` is the factor on the middle bands, `haze` the share of the horizon's colour far away. `grey` are
    weights of R, G, B for black and white.
    """

    level: Share | None = None
    pull: Share = 0.7
    limits: Annotated[tuple[Size, Size], rising] = (0.5, 1.25)
    contrast: Factor = 1.0
    black: Annotated[float, within(0, 0.45)] = 0.0
    white: Annotated[float, within(0.55, 1)] = 1.0
    light: Colour = "#ffffff"
    adapt: Share = 0.0
    chroma: Factor = 1.0
    cap: Chroma = 0.26
    shadows: Tint = (0.0, 0.0)
    highlights: Tint = (0.0, 0.0)
    clarity: Factor = 1.0
    haze: Share = 0.0
    foliage: Foliage | None = None
    colours: Affine | None = None
    grey: tuple[Coefficient, Coefficient, Coefficient] | None = None


@dataclass(frozen=True)
class Sky:
    """A painted sky: colours from the horizon (0) up (1), which take the place of the photo's large-scale ones.

    `coarse`, `detail` and `grain` are the factors on its large, middle and fine bands of lightness, relative to the
    lightness of the place; `own` the share of its finer colour differences that stay. `lit` and `shade` are the (a, b)
    that clouds lighter and darker than the sky around them get. `glow` is the colour around where the sun is or was,
    `glow_amount` at its middle, `glow_size` in heights and widths of the picture. `amount` is the share of all this.
    """

    ramp: Annotated[tuple[tuple[Share, Colour], ...], rising]
    amount: Share = 1.0
    coarse: Factor = 0.5
    detail: Factor = 1.0
    grain: Factor = 1.0
    own: Share = 0.35
    lit: Tint = (0.0, 0.0)
    shade: Tint = (0.0, 0.0)
    glow: Colour | None = None
    glow_amount: Share = 0.0
    glow_size: tuple[Size, Size] = (0.3, 0.5)
    mirror: Share = 0.75


@dataclass(frozen=True)
class Look:
    """How land and sky are to look; without `sky` the photo's own sky is toned like all else, by `sky_tone`."""

    about: str
    land: Tone
    sky: Sky | None = None
    sky_tone: Tone = Tone()


@dataclass(frozen=True)
class Named:
    """What the file holds: looks and colours by their names."""

    looks: Mapping[str, Look]
    colours: Mapping[str, Colour]


def read_named(path: Path) -> Named:
    """The looks and colours in a file such as `looks.toml`.

    Raises InputError, naming the look and the key, for a key that is unknown or missing, a value of the wrong type and
    one that is out of range.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        named = build(Named, values)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; reinstall the package") from error
    except (ValueError, OverflowError) as error:  # of TOML, of UTF-8, or of what is said
        raise InputError(f"{path}: {error}; mend the file, or reinstall the package") from error
    assert isinstance(named, Named)
    return named


_NAMED = read_named(FILE)
LOOKS: Mapping[str, Look] = MappingProxyType(dict(_NAMED.looks))
COLOURS: Mapping[str, str] = MappingProxyType(dict(_NAMED.colours))

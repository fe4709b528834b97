"""The named looks as data, and the colours that have a name. Nothing here computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

Tint = tuple[float, float]  # OKLab a, b


@dataclass(frozen=True)
class Foliage:
    """What becomes of greens: their hue (degrees of OKLab) where light and where dark, chroma and lightness factors.

    `variety` is how many degrees the new hue goes up for each that the old one lies below the middle of green.
    """

    light_hue: float
    dark_hue: float
    chroma: float
    lift: float = 1.0
    amount: float = 1.0
    variety: float = 0.0
    cap: float = 0.2  # of the new chroma


@dataclass(frozen=True)
class Affine:
    """A map of colours: a' = aa·a + ab·b + a₀, b' = ba·a + bb·b + b₀ (OKLab)."""

    aa: float
    ab: float
    ba: float
    bb: float
    a: float
    b: float


@dataclass(frozen=True)
class Tone:
    """Exposure, white balance and colour of what is lit: land, things, and a sky that is not painted.

    `level` is the OKLab lightness that the region's mean is drawn to, `pull` of the way, by a factor within `limits`.
    `light` is the colour of the light; `adapt` the share of the photo's own light's colour that is taken out first.
    `black` and `white` are the lightness that black and white get. `shadows` and `highlights` are added to (a, b).
    `clarity` is the factor on the middle bands, `haze` the share of the horizon's colour far away. `grey` are
    weights of R, G, B for black and white.
    """

    level: float | None = None
    pull: float = 0.7
    limits: tuple[float, float] = (0.5, 1.25)
    contrast: float = 1.0
    black: float = 0.0
    white: float = 1.0
    light: str = "#ffffff"
    adapt: float = 0.0
    chroma: float = 1.0
    cap: float = 0.26
    shadows: Tint = (0.0, 0.0)
    highlights: Tint = (0.0, 0.0)
    clarity: float = 1.0
    haze: float = 0.0
    foliage: Foliage | None = None
    colours: Affine | None = None
    grey: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Sky:
    """A painted sky: colours from the horizon (0) up (1), which take the place of the photo's large-scale ones.

    `coarse`, `detail` and `grain` are the factors on its large, middle and fine bands of lightness, relative to the
    lightness of the place; `own` the share of its finer colour differences that stay. `lit` and `shade` are the (a, b)
    that clouds lighter and darker than the sky around them get. `glow` is the colour around where the sun is or was,
    `glow_amount` at its middle, `glow_size` in heights and widths of the picture. `amount` is the share of all this.
    """

    ramp: tuple[tuple[float, str], ...]
    amount: float = 1.0
    coarse: float = 0.5
    detail: float = 1.0
    grain: float = 1.0
    own: float = 0.35
    lit: Tint = (0.0, 0.0)
    shade: Tint = (0.0, 0.0)
    glow: str | None = None
    glow_amount: float = 0.0
    glow_size: tuple[float, float] = (0.3, 0.5)
    mirror: float = 0.75


@dataclass(frozen=True)
class Look:
    """How land and sky are to look; without `sky` the photo's own sky is toned like all else, by `sky_tone`."""

    about: str
    land: Tone
    sky: Sky | None = None
    sky_tone: Tone = Tone()


_SUNSET = Look(
    "sun just down: orange at the horizon, mauve above",
    Tone(
        level=0.40, pull=0.65, light="#ffc58c", adapt=0.4, chroma=0.9, contrast=1.03, shadows=(0.012, -0.014), haze=0.22
    ),
    Sky(
        ((0.0, "#fcae5c"), (0.14, "#f58f5a"), (0.34, "#d67a78"), (0.62, "#927099"), (1.0, "#56598c")),
        lit=(0.05, 0.045),
        shade=(0.006, -0.045),
        detail=1.3,
        glow="#ffd98c",
        glow_amount=0.75,
        glow_size=(0.22, 0.4),
    ),
)
_DAWN = Look(
    "before sunrise: rose and pale gold, cool shadows",
    Tone(
        level=0.5,
        pull=0.6,
        light="#ffe0d0",
        adapt=0.4,
        chroma=0.8,
        contrast=0.95,
        black=0.03,
        shadows=(0.006, -0.018),
        haze=0.3,
    ),
    Sky(
        ((0.0, "#fbd3ae"), (0.15, "#f6bdae"), (0.4, "#cfa9c0"), (0.7, "#9d9fc9"), (1.0, "#7b8fc4")),
        lit=(0.035, 0.02),
        shade=(0.008, -0.015),
        glow="#ffe6b8",
        glow_amount=0.65,
        glow_size=(0.2, 0.45),
    ),
)
_NIGHT = Look(
    "after dark: deep blue",
    Tone(
        level=0.24,
        pull=0.92,
        limits=(0.36, 1.0),
        light="#a6c4ff",
        adapt=0.5,
        chroma=0.5,
        contrast=1.0,
        haze=0.1,
    ),
    Sky(
        ((0.0, "#2c4263"), (0.25, "#1c2f50"), (0.6, "#111f3c"), (1.0, "#0a142b")),
        coarse=0.5,
        detail=0.75,
        own=0.12,
        shade=(0.0, -0.005),
    ),
)

LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "sunset": _SUNSET,
        "sunrise": replace(
            _DAWN,
            about="sun on the horizon: gold and peach under light blue",
            land=replace(_DAWN.land, level=0.54, light="#ffd9b0", chroma=0.92, contrast=1.0, black=0.01, haze=0.25),
            sky=Sky(
                ((0.0, "#ffd28f"), (0.14, "#fbc29a"), (0.36, "#e3b9b4"), (0.65, "#a9b3cf"), (1.0, "#7f9fd0")),
                lit=(0.03, 0.04),
                shade=(0.006, -0.012),
                glow="#fff0bd",
                glow_amount=0.8,
                glow_size=(0.2, 0.38),
            ),
        ),
        "dawn": _DAWN,
        "golden": Look(
            "the hour before sunset: low, warm sun",
            Tone(
                level=0.58,
                pull=0.35,
                light="#ffd39a",
                adapt=0.35,
                chroma=1.04,
                contrast=1.04,
                shadows=(0.0, -0.008),
                haze=0.14,
            ),
            Sky(
                ((0.0, "#ffdcae"), (0.2, "#f7d5b8"), (0.5, "#c9cdd6"), (1.0, "#8fb0da")),
                amount=0.85,
                lit=(0.012, 0.035),
                shade=(0.006, 0.0),
                glow="#fff1c9",
                glow_amount=0.8,
                glow_size=(0.28, 0.45),
                own=0.5,
                coarse=0.6,
            ),
        ),
        "noon": Look(
            "clear midday light under a blue sky",
            Tone(level=0.62, pull=0.55, limits=(0.8, 1.45), adapt=0.6, chroma=1.05, contrast=1.02),
            Sky(
                ((0.0, "#cfe3f3"), (0.2, "#a9cdee"), (0.55, "#6ea6e0"), (1.0, "#4383cf")),
                own=0.55,
                detail=1.0,
                coarse=0.4,
                lit=(0.0, 0.02),
                shade=(0.0, 0.012),
            ),
        ),
        "blue-hour": Look(
            "half an hour after sunset: even, cool light",
            Tone(level=0.34, pull=0.8, limits=(0.42, 1.05), light="#b9ccff", adapt=0.5, chroma=0.68, haze=0.16),
            Sky(
                ((0.0, "#b9a6b4"), (0.1, "#9a9cbd"), (0.3, "#6c86bb"), (0.65, "#3f629f"), (1.0, "#274680")),
                lit=(0.012, 0.004),
                shade=(0.0, -0.012),
                own=0.25,
                detail=0.85,
                glow="#e8b89a",
                glow_amount=0.5,
                glow_size=(0.12, 0.45),
            ),
        ),
        "night": _NIGHT,
        "moonlit": replace(
            _NIGHT,
            about="full moon: silver blue, shadows open",
            land=replace(_NIGHT.land, level=0.36, limits=(0.45, 1.05), light="#b4ccff", chroma=0.38, contrast=1.05),
            sky=Sky(
                ((0.0, "#5c7796"), (0.25, "#3f5b80"), (0.6, "#294265"), (1.0, "#18294a")),
                coarse=0.6,
                detail=1.0,
                own=0.1,
                lit=(-0.002, 0.004),
                glow="#93aac4",
                glow_amount=0.55,
                glow_size=(0.5, 0.35),
            ),
        ),
        "overcast": Look(
            "even grey light under closed cloud",
            Tone(
                level=0.52,
                pull=0.5,
                limits=(0.7, 1.25),
                light="#f3f7ff",
                adapt=0.7,
                chroma=0.72,
                contrast=0.92,
                black=0.02,
                haze=0.16,
            ),
            Sky(
                ((0.0, "#d9dcdf"), (0.3, "#c6cbd1"), (0.7, "#adb4bd"), (1.0, "#98a1ac")),
                own=0.1,
                detail=0.9,
                coarse=0.5,
            ),
        ),
        "storm": Look(
            "dark cloud before the rain",
            Tone(
                level=0.42,
                pull=0.65,
                limits=(0.5, 1.15),
                light="#eaf3f6",
                adapt=0.7,
                chroma=0.66,
                contrast=1.08,
                clarity=1.2,
                haze=0.12,
            ),
            Sky(
                ((0.0, "#a9b3b8"), (0.2, "#818c95"), (0.55, "#59646f"), (1.0, "#3f4954")),
                own=0.1,
                detail=1.5,
                coarse=0.8,
                shade=(-0.002, -0.006),
            ),
        ),
        "fog": Look(
            "dense fog: what is far pales into white",
            Tone(
                level=0.6,
                pull=0.5,
                limits=(0.8, 1.4),
                light="#f4f7fa",
                adapt=0.6,
                chroma=0.42,
                contrast=0.85,
                black=0.3,
                white=0.93,
                clarity=0.85,
                haze=0.4,
            ),
            Sky(
                ((0.0, "#dfe2e3"), (0.5, "#d6dadd"), (1.0, "#c7cdd2")),
                own=0.04,
                detail=0.25,
                coarse=0.2,
                grain=0.5,
            ),
        ),
        "mist": Look(
            "thin morning mist, a little warm",
            Tone(
                level=0.6,
                pull=0.45,
                limits=(0.8, 1.35),
                light="#fff5e8",
                adapt=0.5,
                chroma=0.75,
                contrast=0.9,
                black=0.16,
                white=0.97,
                clarity=0.92,
                haze=0.3,
            ),
            Sky(
                ((0.0, "#f0e4da"), (0.4, "#dfddde"), (1.0, "#bac8d8")),
                own=0.15,
                detail=0.5,
                coarse=0.35,
                grain=0.8,
                glow="#fff0e0",
                glow_amount=0.5,
                glow_size=(0.4, 0.5),
            ),
        ),
        "spring": Look(
            "fresh greens in soft bright light",
            Tone(
                level=0.62,
                pull=0.4,
                limits=(0.9, 1.3),
                light="#fffaf0",
                adapt=0.5,
                chroma=1.06,
                contrast=0.97,
                black=0.015,
                foliage=Foliage(124, 132, 1.12, 1.06),
            ),
            sky_tone=Tone(level=0.8, pull=0.25, limits=(0.95, 1.1), chroma=0.95, adapt=0.2),
        ),
        "autumn": Look(
            "leaves turned, in warm light",
            Tone(
                level=0.54,
                pull=0.3,
                light="#ffeed8",
                adapt=0.2,
                chroma=0.98,
                contrast=1.02,
                foliage=Foliage(80, 50, 0.85, 0.97, variety=0.7, cap=0.125),
            ),
            sky_tone=Tone(light="#fff4e6", chroma=0.85, adapt=0.0),
        ),
        "winter": Look(
            "cold low light, greens under frost",
            Tone(
                level=0.62,
                pull=0.45,
                limits=(0.9, 1.35),
                light="#e9f2ff",
                adapt=0.6,
                chroma=0.6,
                contrast=0.97,
                black=0.02,
                foliage=Foliage(200, 220, 0.22, 1.2),
                haze=0.12,
            ),
            Sky(
                ((0.0, "#eef1f4"), (0.3, "#dbe5ee"), (0.7, "#b7cbdf"), (1.0, "#98b4d2")),
                amount=0.8,
                own=0.4,
                detail=0.9,
                coarse=0.5,
            ),
        ),
        "vintage": Look(
            "a faded print: warm lights, greenish shadows",
            Tone(
                contrast=0.9,
                black=0.1,
                white=0.96,
                light="#ffefd6",
                chroma=0.72,
                shadows=(-0.012, 0.006),
                highlights=(0.004, 0.022),
            ),
            sky_tone=Tone(
                contrast=0.9,
                black=0.1,
                white=0.95,
                light="#fff0d8",
                chroma=0.62,
                shadows=(-0.012, 0.0),
                highlights=(0.002, 0.022),
            ),
        ),
        "noir": Look(
            "black and white, red filter",
            Tone(contrast=1.12, clarity=1.12, grey=(0.42, 0.48, 0.1)),
            sky_tone=Tone(contrast=1.1, clarity=1.2, grey=(0.7, 0.3, 0.0), level=0.62, pull=0.4, limits=(0.7, 1.0)),
        ),
    }
)

# The supplement names no colours; these are the twelve of the classic RYB wheel and, between the neighbours that lie
# furthest apart in OKLab, four more.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "red": "#fe2712",
        "vermilion": "#fd5308",
        "orange": "#fb9902",
        "amber": "#fabc02",
        "yellow": "#fefe33",
        "chartreuse": "#d0ea2b",
        "lime": "#98cf2e",
        "green": "#66b032",
        "turquoise": "#35a281",
        "teal": "#0392ce",
        "azure": "#036ce6",
        "blue": "#0247fe",
        "indigo": "#3d01a4",
        "purple": "#8601af",
        "magenta": "#a7194b",
        "crimson": "#d3202f",
    }
)

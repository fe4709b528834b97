"""What players can decode: the levels of each codec, as sizes and frame rates.

A level is a promise of a decoder: pictures up to so many samples, so many samples a second. Hardware decoders of
phones, TVs and laptops end at 5.1 or 5.2; a larger video is shown as a still picture, or not at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

PLAYABLE = "5.1"  # what is written unless the user asks for more
LAST_PLAYABLE = "5.2"  # the same pictures at twice the rate: decoders since about 2016


@dataclass(frozen=True)
class Level:
    """Limits of one level: samples of a picture, samples a second, and the longest width and height in px."""

    name: str
    picture: int
    rate: int
    width: int
    height: int


@dataclass(frozen=True)
class Codec:
    """A codec's name for people, its levels in ascending order, and the px to which it rounds sides up."""

    name: str
    block: int
    levels: tuple[Level, ...]

    def rank(self, name: str) -> int:
        """Place of the level of that name in the order of levels. Raises `ValueError` for an unknown one."""
        return [level.name for level in self.levels].index(name)


def _square(name: str, picture: int, rate: int) -> Level:
    """A level of H.264 and HEVC, whose sides may be as long as the square root of 8 pictures."""
    side = math.isqrt(8 * picture)
    return Level(name, picture, rate, side, side)


# ITU-T H.264, table A-1: macroblocks of 16x16 a picture, and a second
_H264 = (
    *(("1", 99, 1_485), ("1.1", 396, 3_000), ("1.2", 396, 6_000), ("1.3", 396, 11_880), ("2", 396, 11_880)),
    *(("2.1", 792, 19_800), ("2.2", 1_620, 20_250), ("3", 1_620, 40_500), ("3.1", 3_600, 108_000)),
    *(("3.2", 5_120, 216_000), ("4", 8_192, 245_760), ("4.1", 8_192, 245_760), ("4.2", 8_704, 522_240)),
    *(("5", 22_080, 589_824), ("5.1", 36_864, 983_040), ("5.2", 36_864, 2_073_600)),
    *(("6", 139_264, 4_177_920), ("6.1", 139_264, 8_355_840), ("6.2", 139_264, 16_711_680)),
)
# ITU-T H.265, tables A.8 and A.9: luma samples
_HEVC = (
    *(("1", 36_864, 552_960), ("2", 122_880, 3_686_400), ("2.1", 245_760, 7_372_800)),
    *(("3", 552_960, 16_588_800), ("3.1", 983_040, 33_177_600)),
    *(("4", 2_228_224, 66_846_720), ("4.1", 2_228_224, 133_693_440)),
    *(("5", 8_912_896, 267_386_880), ("5.1", 8_912_896, 534_773_760), ("5.2", 8_912_896, 1_069_547_520)),
    *(("6", 35_651_584, 1_069_547_520), ("6.1", 35_651_584, 2_139_095_040), ("6.2", 35_651_584, 4_278_190_080)),
)
# VP9 levels (WebM project): luma samples, longest side
_VP9 = (
    *(("1", 36_864, 829_440, 512), ("1.1", 73_728, 2_764_800, 768), ("2", 122_880, 4_608_000, 960)),
    *(("2.1", 245_760, 9_216_000, 1_344), ("3", 552_960, 20_736_000, 2_048), ("3.1", 983_040, 36_864_000, 2_752)),
    *(("4", 2_228_224, 83_558_400, 4_160), ("4.1", 2_228_224, 160_432_128, 4_160)),
    *(("5", 8_912_896, 311_951_360, 8_384), ("5.1", 8_912_896, 588_251_136, 8_384)),
    *(("5.2", 8_912_896, 1_176_502_272, 8_384), ("6", 35_651_584, 1_176_502_272, 16_832)),
    *(("6.1", 35_651_584, 2_353_004_544, 16_832), ("6.2", 35_651_584, 4_706_009_088, 16_832)),
)
# AV1 specification, annex A.3: luma samples shown, width, height
_AV1 = (
    *(Level("2", 147_456, 4_423_680, 2_048, 1_152), Level("2.1", 278_784, 8_363_520, 2_816, 1_584)),
    *(Level("3", 665_856, 19_975_680, 4_352, 2_448), Level("3.1", 1_065_024, 31_950_720, 5_504, 3_096)),
    *(Level("4", 2_359_296, 70_778_880, 6_144, 3_456), Level("4.1", 2_359_296, 141_557_760, 6_144, 3_456)),
    *(Level("5", 8_912_896, 267_386_880, 8_192, 4_352), Level("5.1", 8_912_896, 534_773_760, 8_192, 4_352)),
    *(Level("5.2", 8_912_896, 1_069_547_520, 8_192, 4_352), Level("5.3", 8_912_896, 1_069_547_520, 8_192, 4_352)),
    *(Level("6", 35_651_584, 1_069_547_520, 16_384, 8_704), Level("6.1", 35_651_584, 2_139_095_040, 16_384, 8_704)),
    *(Level("6.2", 35_651_584, 4_278_190_080, 16_384, 8_704), Level("6.3", 35_651_584, 4_278_190_080, 16_384, 8_704)),
)


def _h264_level(name: str, blocks: int, rate: int) -> Level:
    side = 16 * math.isqrt(8 * blocks)
    return Level(name, 256 * blocks, 256 * rate, side, side)


CODECS = MappingProxyType(
    {
        "h264": Codec("H.264", 16, tuple(_h264_level(*row) for row in _H264)),
        "hevc": Codec("HEVC", 8, tuple(_square(*row) for row in _HEVC)),
        "vp9": Codec("VP9", 1, tuple(Level(*row, row[3]) for row in _VP9)),
        "av1": Codec("AV1", 1, _AV1),
    }
)


def required_level(codec: str, size: tuple[int, int], fps: float) -> Level | None:
    """The lowest level of the codec that holds pictures of `size` (width, height) at that rate; None: none does."""
    block = CODECS[codec].block
    width, height = (-(-side // block) * block for side in size)
    for level in CODECS[codec].levels:
        inside = width <= level.width and height <= level.height
        if inside and width * height <= level.picture and width * height * fps <= level.rate:
            return level
    return None


def is_playable(codec: str, size: tuple[int, int], fps: float, *, last: str = PLAYABLE) -> bool:
    """Whether pictures of `size` (width, height) at that rate stay within the level named `last`."""
    level = required_level(codec, size, fps)
    return level is not None and CODECS[codec].rank(level.name) <= CODECS[codec].rank(last)


def longest_side(codec: str, size: tuple[int, int], fps: float) -> int:
    """The longest side, even, that a picture of this shape (width, height) may have to be playable; at least 16.

    Holds when the other side is rounded to even either way.
    """
    side = max(size) - max(size) % 2
    while side > 16:
        scale = side / max(size)
        rounded = (2 * math.ceil(size[0] * scale / 2), 2 * math.ceil(size[1] * scale / 2))
        if is_playable(codec, rounded, fps):
            break
        side -= 2
    return side


def who_stops(codec: str, level: str | None) -> str:
    """Which devices do not play that level; empty when all that know the codec do. None is beyond every level."""
    ranks = CODECS[codec]
    if level is not None and ranks.rank(level) <= ranks.rank(PLAYABLE):
        return ""
    if level is not None and ranks.rank(level) <= ranks.rank(LAST_PLAYABLE):
        return "phones and TVs from before about 2016 end at level 5.1"
    return "hardware decoders of phones, TVs and laptops end at level 5.1 or 5.2, about 4096x2304"

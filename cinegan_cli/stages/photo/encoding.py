"""What a file without an ICC profile says about its colours: PNG chunks, EXIF, the `colr` boxes of AVIF and HEIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from cinegan_cli.stages.photo import light
from cinegan_cli.stages.photo.deep import PNG_START
from cinegan_cli.stages.photo.light import Chromaticities, Encoding

HEAD = 2**20  # bytes of a file in which its colours are told
ADOBE = Encoding(light.ADOBE_RGB, light.power(563 / 256))
PRIMARIES: dict[int, Chromaticities] = {  # by ITU-T H.273
    1: light.SRGB,
    2: light.SRGB,
    5: light.BT601_625,
    6: light.BT601_525,
    7: light.BT601_525,
    9: light.BT2020,
    11: light.DCI_P3,
    12: light.DISPLAY_P3,
}
CURVES = {  # by ITU-T H.273; those of video are shown as sRGB by what shows still pictures
    **dict.fromkeys((1, 2, 6, 13, 14, 15), light.srgb_curve),
    4: light.power(2.2),
    5: light.power(2.8),
    8: light.power(1.0),
    16: light.pq_curve,
    18: light.hlg_curve,
}
PQ, HLG = 16, 18
SUFFIX = "its pixels are taken as sRGB."

Told = tuple[Encoding | None, tuple[str, ...]]  # None: sRGB; and notices


def encoding_of(image: Image.Image, head: bytes, name: str) -> Told:
    """The encoding of an opened picture whose file begins with `head` and is called `name`."""
    numbers = _png_numbers(head) if head[:8] == PNG_START else _box_numbers(head)
    if numbers is not None:
        return _numbered(numbers, name)
    if "srgb" in image.info:
        return None, ()
    if head[:8] == PNG_START and ("gamma" in image.info or "chromaticity" in image.info):
        return _measured(image, name)
    return _exif(image, name)


def _numbered(numbers: tuple[int, int], name: str) -> Told:
    """Of H.273's numbers for primaries and transfer curve."""
    primaries, transfer = numbers
    if primaries not in PRIMARIES or transfer not in CURVES:
        return None, (f"{name} has colours of a kind that is not known (H.273 {primaries}/{transfer}): {SUFFIX}",)
    if PRIMARIES[primaries] == light.SRGB and CURVES[transfer] is light.srgb_curve:
        return None, ()
    encoding = Encoding(PRIMARIES[primaries], CURVES[transfer])
    if transfer not in (PQ, HLG):
        return encoding, ()
    kind = "PQ" if transfer == PQ else "HLG"
    notice = f"{name} is an HDR picture ({kind}): its highlights are toned down to what sRGB shows."
    return replace(encoding, hdr=True, scene=transfer == HLG), (notice,)


def _png_numbers(head: bytes) -> tuple[int, int] | None:
    """Of a cICP chunk, which comes before the pixels."""
    before = head[: max(head.find(b"IDAT"), 0)]
    place = before.find(b"\0\0\0\x04cICP")
    return (head[place + 8], head[place + 9]) if place >= 0 else None


def _measured(image: Image.Image, name: str) -> Told:
    """Of a PNG's gAMA and cHRM chunks."""
    gamma = float(image.info.get("gamma", 1 / 2.2))
    given = tuple(map(float, image.info.get("chromaticity", light.SRGB)))
    if not 0.1 <= gamma <= 5 or len(given) != 8 or not light.is_usable(primaries := given):
        return None, (f"{name} has impossible values for its colours (gAMA, cHRM): {SUFFIX}",)
    common = all(abs(a - b) < 0.002 for a, b in zip(primaries, light.SRGB, strict=True))
    if common and abs(gamma * 2.2 - 1) < 0.03:  # what writers of sRGB put there
        return None, ()
    return Encoding(light.SRGB if common else primaries, light.power(1 / gamma)), ()


def _exif(image: Image.Image, name: str) -> Told:
    """Of EXIF's colour space and interoperability index; "R03" is Adobe RGB, as is a DCF name that begins with _."""
    exif = image.getexif()
    space = exif.get_ifd(0x8769).get(0xA001)
    if space not in (2, 0xFFFF):
        return None, ()
    try:
        index = str(exif.get_ifd(0xA005).get(1, "")).strip("\0 ")
    except KeyError:  # older versions of Pillow, where the file says nothing of it
        index = ""
    if index == "R03" or space == 2 or (not index and name.startswith("_")):
        return ADOBE, ()
    return None, (f"{name} says that its colours are not sRGB (EXIF: uncalibrated), and not what they are: {SUFFIX}",)


def _box_numbers(head: bytes) -> tuple[int, int] | None:
    """Of the nclx `colr` box of the first picture of an AVIF or HEIF file."""
    if head[4:8] != b"ftyp":
        return None
    meta = next((body[4:] for kind, body in _boxes(head) if kind == b"meta"), b"")
    parts = dict(_boxes(meta))
    inside = dict(_boxes(parts.get(b"iprp", b"")))
    properties = list(_boxes(inside.get(b"ipco", b"")))
    wanted = _associated(inside.get(b"ipma", b""), _primary(parts.get(b"pitm", b"")))
    chosen = [properties[k - 1] for k in wanted if 0 < k <= len(properties)] or properties
    colour = next((body for kind, body in chosen if kind == b"colr" and body[:4] == b"nclx"), b"")
    return struct.unpack_from(">HH", colour, 4) if len(colour) >= 8 else None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes in `data`, as far as they are there."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1 and place + 16 <= len(data):
            size, start = struct.unpack_from(">Q", data, start)[0], place + 16
        end = len(data) if size == 0 else place + size
        if end < start:
            return
        yield kind, data[start:end]
        place = end


def _primary(pitm: bytes) -> int:
    """The number of the picture to show."""
    wide = pitm[:1] == b"\1"
    return int.from_bytes(pitm[4 : 8 if wide else 6], "big")


def _associated(ipma: bytes, item: int) -> list[int]:
    """The numbers, from 1, of the properties of a picture."""
    if len(ipma) < 8:
        return []
    wide_items, wide_numbers = ipma[0] > 0, bool(ipma[3] & 1)
    place, (count,) = 8, struct.unpack_from(">I", ipma, 4)
    for _ in range(min(count, 4096)):
        size = 4 if wide_items else 2
        found, number = int.from_bytes(ipma[place : place + size], "big"), ipma[place + size : place + size + 1]
        place += size + 1
        if not number:
            break
        step = 2 if wide_numbers else 1
        entries = ipma[place : place + step * number[0]]
        place += step * number[0]
        if found == item:
            mask = 0x7FFF if wide_numbers else 0x7F
            return [int.from_bytes(entries[k : k + step], "big") & mask for k in range(0, len(entries), step)]
    return []

"""Code values to light and back: known transfer curves and primaries brought to sRGB, HDR toned down.

Light is relative: 1.0 is the white of a sheet of paper, 203 cd/m² in HDR pictures (ITU-R BT.2408).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.stages.photo.deep import Pixels

Floats = NDArray[np.float32]
Chromaticities = tuple[float, float, float, float, float, float, float, float]  # x, y of white, red, green, blue

SRGB: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
BT2020: Chromaticities = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
DISPLAY_P3: Chromaticities = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
DCI_P3: Chromaticities = (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT601_625: Chromaticities = (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)
BT601_525: Chromaticities = (0.3127, 0.3290, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)

WHITE = 203.0  # cd/m² of reference white
HLG_PEAK = 1000.0  # cd/m² of the display that HLG is rendered for
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
ROWS = 256  # of the picture at a time: floats of all of it would take twelve times its memory
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)


@dataclass(frozen=True)
class Encoding:
    """What code values mean: `curve` takes values in [0, 1] to relative light."""

    primaries: Chromaticities
    curve: Callable[[Floats], Floats]
    hdr: bool = False
    scene: bool = False  # HLG: light of the scene, which its system gamma makes light of a display


def srgb_curve(values: Floats) -> Floats:
    """IEC 61966-2-1, code values to light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_codes(light: Floats) -> Floats:
    """IEC 61966-2-1, light in [0, 1] to code values."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def power(exponent: float) -> Callable[[Floats], Floats]:
    """The curve of a plain gamma."""
    return lambda values: (values**exponent).astype(np.float32)


def pq_curve(values: Floats) -> Floats:
    """SMPTE ST 2084, code values to light of which 1.0 is reference white."""
    root = np.maximum(values, 0).astype(np.float64) ** (32 / 2523)
    nits = 1e4 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)
    return (nits / WHITE).astype(np.float32)


def pq_codes(light: Floats) -> Floats:
    """The inverse of `pq_curve`."""
    power_ = (np.maximum(light, 0).astype(np.float64) * WHITE / 1e4) ** (2610 / 16384)
    return (((0.8359375 + 18.8515625 * power_) / (1 + 18.6875 * power_)) ** (2523 / 32)).astype(np.float32)


def hlg_curve(values: Floats) -> Floats:
    """ARIB STD-B67, code values to light of the scene in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12).astype(np.float32)


def to_srgb(pixels: Pixels, encoding: Encoding) -> Pixels:
    """RGB [h, w, 3] in `encoding` as sRGB in the same depth. Colours beyond sRGB are cut to it, channel by channel.

    HDR: what is brighter than the picture's 99.9th percentile is white, and the roll-off of ITU-R BT.2390 brings that
    to reference white; a picture without highlights keeps its brightness.
    """
    peak_code = int(np.iinfo(pixels.dtype).max)
    table = encoding.curve(np.linspace(0, 1, peak_code + 1, dtype=np.float32))
    matrix = _matrix(encoding.primaries).astype(np.float32)

    def light_of(part: NDArray[Any]) -> Floats:
        light = table[part]
        if encoding.scene:
            luminance = np.maximum(light @ LUMA_2020, 1e-6)[:, :, None]
            light = light * luminance**0.2 * np.float32(HLG_PEAK / WHITE)
        return np.maximum(cv2.transform(np.ascontiguousarray(light), matrix).reshape(part.shape), 0)

    brightest = 1.0
    if encoding.hdr:
        step = max(1, max(pixels.shape) // 512)
        brightest = float(np.percentile(light_of(np.ascontiguousarray(pixels[::step, ::step])).max(2), 99.9))
    result = np.empty_like(pixels)
    for row in range(0, pixels.shape[0], ROWS):
        light = light_of(pixels[row : row + ROWS])
        if brightest > 1.0:
            light = _rolled_off(light, brightest)
        result[row : row + ROWS] = srgb_codes(np.minimum(light, 1)) * peak_code + 0.5
    return result


def _rolled_off(light: Floats, brightest: float) -> Floats:
    """BT.2390's curve from a peak of `brightest` to 1, on the largest channel, so that hues stay."""
    largest = np.maximum(light.max(2, keepdims=True), 1e-6)
    top = float(pq_codes(np.array([brightest], np.float32))[0])
    goal = float(pq_codes(np.array([1.0], np.float32))[0]) / top
    knee = 1.5 * goal - 0.5
    code = np.minimum(pq_codes(largest) / top, 1)
    t = np.maximum(code - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * goal
    toned = pq_curve(np.where(code < knee, code, spline).astype(np.float32) * np.float32(top))
    return np.asarray(light * (toned / largest), np.float32)


def is_usable(primaries: Chromaticities) -> bool:
    """Whether chromaticities are those of three different colours and a white."""
    try:
        matrix = _matrix(primaries)
    except (np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError):
        return False
    return bool(np.isfinite(matrix).all() and np.abs(matrix).max() < 100)


def _matrix(primaries: Chromaticities) -> NDArray[np.float64]:
    """Linear RGB of `primaries` to linear sRGB, white to white (Bradford)."""
    source, target = _to_xyz(primaries), _to_xyz(SRGB)
    white, goal = source.sum(1), target.sum(1)
    scale = np.diag((BRADFORD @ goal) / (BRADFORD @ white))
    return np.asarray(np.linalg.inv(target) @ np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ source)


def _to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    """Linear RGB to XYZ, (1, 1, 1) to the white of luminance 1."""
    columns = [(x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)]
    white, colours = np.array(columns[0]), np.array(columns[1:]).T
    result: NDArray[np.float64] = colours * np.linalg.solve(colours, white)
    return result

"""What the values of a mask picture mean: grey, class numbers, class colours, paint, or an alpha channel.

White moves, black stays, grey moves slower. Many programs write masks otherwise; what can only be meant one way is read
that way, and every such reading comes with a sentence for the user.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cinegan_cli.stages.photo import Planes
from cinegan_cli.types import IGNORE

Floats = npt.NDArray[Any]  # float32
Integers = npt.NDArray[Any]  # uint8 or uint16
Reading = tuple[Floats, tuple[str, ...]]  # [h, w] in [0, 1]: 1 is white; and notices

HIGHEST_CLASS = 31  # of 255: as grey it would be 12 % of the speed, all over the picture
MOST_CLASSES = 64  # different numbers or colours
STRAY = 0.01  # low values fewer than this share of those of 255 are noise, not classes
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
SAMPLE = 1_000_000  # pixels at which colours are looked at
DARK, BRIGHT = 0.1, 0.9
EVEN = 1.5 / 255  # a picture that varies less is the same everywhere
NEARLY_NOTHING = 0.002  # mean below which hardly anything is white


def read_values(planes: Planes) -> Reading:
    """What is white in a mask picture, and how much."""
    values, white, name = planes.values, planes.white, planes.name
    if white is None:
        return _of_floats(values[:, :, 0], name)
    channels = values.shape[2]
    colour = values[:, :, : channels - 1 + channels % 2]  # 1 or 3; what follows is alpha
    alpha = values[:, :, -1] if channels in (2, 4) else None
    if alpha is not None and int(alpha.min()) < white:
        return _of_alpha(colour, alpha, white, name)
    if colour.shape[2] == 1 or _is_grey(colour):
        return _of_grey(colour[:, :, 0], white, name)
    return _of_colours(colour, white, planes.indices, name)


def doubts(values: Floats, name: str, option: str) -> tuple[str, ...]:
    """Sentences about a mask [h, w] that is the same everywhere, nearly black, or nowhere white."""
    low, high, what = float(values.min()), float(values.max()), "moves" if option == "--mask" else "is frozen"
    if high - low < EVEN:
        return (f"{name} is the same everywhere ({high:.0%} of white): it tells nothing apart in the picture.",)
    if float(values.mean()) < NEARLY_NOTHING:
        return (f"{name} is nearly black: only {float(values.mean()):.2%} of the picture {what}; check {option}.",)
    if high < 0.5:
        return (f"{name} is white nowhere ({high:.0%} at most), so nothing {what} fully; paint it brighter.",)
    return ()


def _of_floats(values: Floats, name: str) -> Reading:
    """Of floats and 32-bit integers: those up to 1 are shares, up to 255 and 65535 what 8 and 16 bits would be."""
    peak = float(values.max())
    if peak <= 1.0:
        return values, ()
    white = 255 if peak <= 255 else 65535
    if peak <= 65535 and (values == np.floor(values)).all():
        return _of_grey(values.astype(np.uint8 if white == 255 else np.uint16), white, name)
    scale = np.float32(white if peak <= 65535 else peak)
    return np.asarray(values / scale, np.float32), ()


def _of_grey(levels: Integers, white: int, name: str) -> Reading:
    """Of one channel of integers, unless they are class numbers: shares of white."""
    counts = np.bincount(levels.ravel(), minlength=256)
    held = np.flatnonzero(counts)
    notices: tuple[str, ...] = ()
    if white == 65535 and 0 < held[-1] <= 255 and counts[255]:
        white, notices = 255, (f"{name} holds 8-bit values in 16 bits: 255 is taken as white.",)
    elif white == 65535 and 0 < held[-1] <= 255:
        return _classes(levels, held, name)
    void = white == 255 and counts[IGNORE] > 0
    numbers = held[(held > 0) & ~((held == IGNORE) & void)]
    low = numbers.size > 0 and numbers.size <= MOST_CLASSES and numbers[-1] * 255 <= HIGHEST_CLASS * white
    if low and (not void or counts[numbers].sum() >= STRAY * counts[IGNORE]):
        return _classes(levels, held, name)
    return np.asarray(levels.astype(np.float32) / np.float32(white), np.float32), notices


def _classes(levels: Integers, held: npt.NDArray[Any], name: str) -> Reading:
    """Class numbers: 0 is the background, 255 is not known, all others are white."""
    numbers = [int(number) for number in held if number not in (0, IGNORE)]
    shown = ", ".join(map(str, numbers[:6])) + (", ..." if len(numbers) > 6 else "")
    rest = "0 and 255 (unknown)" if IGNORE in held else "0"
    values = ((levels > 0) & (levels != IGNORE)).astype(np.float32)
    return values, (f"{name} holds class numbers ({shown}): all but {rest} are taken as white.",)


def _of_alpha(colour: Integers, alpha: Integers, white: int, name: str) -> Reading:
    """Of a picture with transparent parts: a cut-out, or paint of any colour, is its alpha; greys are dimmed by it."""
    opacity = np.asarray(alpha.astype(np.float32) / np.float32(white), np.float32)
    seen = colour[opacity > 0.5] if float(opacity.max()) > 0.5 else colour[opacity > 0]  # [n, 1 or 3]
    if seen.size == 0:
        return opacity, ()
    seen = seen[:: max(1, len(seen) // SAMPLE)]
    taken = "its alpha channel is taken as the mask (opaque is white)."
    if seen.shape[1] == 3 and not _is_grey(seen):
        return opacity, (f"{name} is a cut-out, or painted in colour: {taken}",)
    grey = seen[:, 0] / np.float32(white)
    if float(grey.min()) >= BRIGHT:
        return opacity, ()
    between = float(((grey > DARK) & (grey < BRIGHT)).mean())
    if float(grey.max()) <= DARK or (between > 0.5 and len(np.unique(seen[:, 0])) > MOST_CLASSES // 2):
        kind = "painted dark on transparent" if float(grey.max()) <= DARK else "a cut-out"
        return opacity, (f"{name} is {kind}: {taken}",)
    return np.asarray(opacity * _luminance(colour, white), np.float32), ()


def _of_colours(colour: Integers, white: int, indices: npt.NDArray[np.uint8] | None, name: str) -> Reading:
    """Of an opaque picture in colour: classes on black, paint of one colour on black, else its brightness."""
    step = max(1, round((colour.shape[0] * colour.shape[1] / SAMPLE) ** 0.5))
    sample = colour[::step, ::step].reshape(-1, 3)
    kinds = _packed(sample)
    black = kinds[0] == 0
    if len(kinds) <= MOST_CLASSES and (black or indices is not None):
        coloured, what = (colour.any(2), "black") if black else (np.asarray(indices) > 0, "its first colour")
        if indices is not None and indices.max() == IGNORE:
            coloured, what = coloured & (indices != IGNORE), f"{what} and number 255 (unknown)"
        return np.asarray(coloured, np.float32), (f"{name} shows classes by colour: all but {what} is taken as white.",)
    full = _one_paint(sample, white)
    if full is not None:
        values = np.minimum(colour.max(2).astype(np.float32) / np.float32(full), np.float32(1))
        notice = f"{name} is painted in one colour on black: that colour is taken as white."
        return np.asarray(values, np.float32), (notice,)
    notice = f"{name} is in colour: its brightness is taken as the mask; better paint it in white on black."
    return _luminance(colour, white), (notice,)


def _one_paint(sample: Integers, white: int) -> float | None:
    """The strength of paint of one saturated hue on black, where pixels [n, 3] are nearly all either; else None."""
    strength = sample.max(1) / np.float32(white)
    painted = sample[strength > 0.3].astype(np.float32)
    if not len(painted) or float((strength < DARK).mean()) < 0.01:
        return None
    hues = painted / painted.max(1, keepdims=True)
    full = float(np.percentile(painted.max(1), 90))
    soft = float(((strength > DARK) & (strength * white < 0.8 * full)).mean())
    one_hue = float(hues.std(0).max()) < 0.1 and float(hues.mean(0).min()) < 0.6
    return full if one_hue and soft < 0.3 else None


def _packed(sample: Integers) -> npt.NDArray[Any]:
    """The different colours of [n, 3] as whole numbers."""
    wide = sample.astype(np.int64)
    return np.unique(wide[:, 0] << 32 | wide[:, 1] << 16 | wide[:, 2])


def _is_grey(colour: Integers) -> bool:
    """Whether red, green and blue [..., 3] are the same everywhere."""
    return bool((colour[..., 0] == colour[..., 1]).all() and (colour[..., 1] == colour[..., 2]).all())


def _luminance(colour: Integers, white: int) -> Floats:
    """BT.709 luminance [h, w] of [h, w, 1 or 3], shares of white."""
    if colour.shape[2] == 1 or _is_grey(colour):
        return np.asarray(colour[:, :, 0].astype(np.float32) / np.float32(white), np.float32)
    return np.asarray(np.minimum(colour @ (LUMINANCE / np.float32(white)), 1), np.float32)

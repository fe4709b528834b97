"""What a setting takes: numbers, words, points and files from scripts, command lines and settings files.

Each check gives the setting's own type, or raises `UsageError`: the option, what it must be, and what came.
"""

from __future__ import annotations

import math
import os
from dataclasses import Field
from numbers import Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from cinegan_cli.errors import UsageError, one_line


def choices(hint: Any) -> tuple[str, ...]:
    """The allowed words of a `Literal` type, also an optional one; empty for other types."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((get_args(part) for part in get_args(hint) if get_origin(part) is Literal), ())


def base_type(hint: Any) -> Any:
    """The type itself of `T | None`."""
    if get_origin(hint) is UnionType:
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def checked(f: Field[Any], hint: Any, value: Any) -> Any:
    """`value` as the field's type. Raises `UsageError` naming the option, what it must be and what came."""
    option = "--" + f.name.replace("_", "-")
    kind = base_type(hint)
    if kind is Path:
        if "array" not in f.metadata:
            return _checked_path(option, value)
        return checked_source(option, value, pictures=f.metadata["array"] == "picture")
    value = _unpacked(value)
    if words := choices(hint):
        return _checked_word(option, words, value, f)
    if get_origin(kind) is tuple:
        return _checked_tuple(option, kind, value)
    if kind in (int, float):
        return _checked_number(option, kind, value, f)
    if kind is bool and not isinstance(value, bool):
        raise UsageError(f"{option} must be true or false, got {_shown(value)}")
    return _checked_text(option, value, f.metadata.get("number")) if kind is str else value


def checked_source(option: str, value: Any, *, pictures: bool = True) -> Any:
    """A file's name as a path; an array as it is, and with `pictures` one of Pillow or a file's bytes.

    Raises `UsageError`.
    """
    if is_array(value) or (pictures and is_picture(value)):
        return value
    if not isinstance(value, str | os.PathLike):
        kinds = "the name of a file, an array, a picture of Pillow or a file's bytes"
        raise UsageError(f"{option} must be {kinds if pictures else 'a file or an array'}, got {_shown(value)}")
    return _checked_path(option, value)


def is_array(value: object) -> bool:
    """Whether it is an array, told without importing numpy. Its numbers have no axes, and are none."""
    return hasattr(type(value), "__array_interface__") and getattr(value, "shape", ()) != ()


def is_picture(value: object) -> bool:
    """Whether it is a picture of Pillow or the bytes of a file. Told by the type: asking a picture decodes it."""
    return isinstance(value, bytes) or (
        hasattr(type(value), "__array_interface__") and not hasattr(type(value), "shape")
    )


def _unpacked(value: Any) -> Any:
    """Numbers and arrays of NumPy or torch as Python's numbers and lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def _shown(value: object) -> str:
    """A value for a message: one line, not too long."""
    text = one_line(repr(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _checked_word(option: str, words: tuple[str, ...], value: Any, f: Field[Any]) -> str:
    word = f.metadata.get("older", {}).get(value, value) if isinstance(value, str) else value
    if word not in words:
        raise UsageError(f"{option} must be one of {', '.join(words)}, got {_shown(value)}")
    return str(word)


def _checked_text(option: str, value: Any, number: str | None = None) -> str:
    """Text; a plain number is written into `number`, where that is given."""
    if number is not None and _is_number(value):
        return number.format(value)
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{option} must be text, got {_shown(value)}")
    return os.fspath(value)


def _checked_number(option: str, kind: type, value: Any, f: Field[Any]) -> Any:
    named = "a whole number" if kind is int else "a number"
    if not _is_number(value):
        raise UsageError(f"{option} must be {named}, got {_shown(value)}")
    low, high = f.metadata.get("minimum", -math.inf), f.metadata.get("maximum", math.inf)
    if not low <= value <= high or math.isinf(value):  # also catches NaN
        wanted = f"between {low:g} and {high:g}" if high < math.inf else f"{low:g} or more"
        raise UsageError(f"{option} must be {wanted}, got {_shown(value)}")
    if kind(value) != value and kind is int:
        raise UsageError(f"{option} must be {named}, got {_shown(value)}")
    return kind(value)


def _checked_tuple(option: str, kind: Any, value: Any) -> Any:
    """Tuples of paths, of words, or of points and arrows; one alone needs no list around it."""
    item = get_args(kind)[0]
    if item in (Path, str) and isinstance(value, str | os.PathLike):
        value = (value,)
    if not isinstance(value, list | tuple):
        raise UsageError(f"{option} must be a list, got {_shown(value)}")
    values = tuple(map(_unpacked, value))
    if item is Path:
        return tuple(_checked_path(option, v) for v in values)
    if item is str:
        return tuple(_checked_text(option, v) for v in values)
    size = len(get_args(item))
    if values and all(map(_is_number, values)):
        values = (values,)
    try:
        numbers = tuple(tuple(float(x) for x in v) for v in values)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(values) or any(len(v) != size for v in numbers):
        raise UsageError(f"{option} must be a list of {size} numbers each, got {_shown(value)}")
    return numbers


def _checked_path(option: str, value: Any) -> Path:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text:
        raise UsageError(f"{option} must be the name of a file, got {_shown(value)}")
    return Path(text)

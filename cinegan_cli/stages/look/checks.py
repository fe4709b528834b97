"""Values of a data file → typed dataclasses: every key known, every type right, every number within its range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from cinegan_cli.stages.look.colour import parse_hex

Check: TypeAlias = Callable[[Any], str | None]  # what the value must be where it is not that, None where it is


def within(low: float, high: float) -> Check:
    """A check that a number lies in [low, high]."""
    return lambda value: None if low <= value <= high else f"from {low} to {high}"


def colour(value: str) -> str | None:
    """A check that a text is a colour."""
    return None if parse_hex(value) is not None else "a colour such as #ff8800"


def rising(values: tuple[Any, ...]) -> str | None:
    """A check of two numbers or more, or of two pairs or more that begin with one: each above the one before it."""
    numbers = [value[0] if isinstance(value, tuple) else value for value in values]
    above = len(numbers) > 1 and all(low < high for low, high in pairwise(numbers))
    return None if above else "two or more, in rising order"


def build(hint: Any, value: Any, where: str = "") -> Any:
    """`value`, as JSON or TOML gives it, as the type `hint`: a number, a text, a tuple, a mapping, or a dataclass.

    Fields may be `Annotated` with checks. Raises ValueError naming the place.
    """
    if get_origin(hint) is Annotated:
        kind, *checks = get_args(hint)
        built = build(kind, value, where)
        for check in checks:
            if wanted := check(built):
                raise ValueError(f"{where}: must be {wanted}, got {value!r}")
        return built
    if get_origin(hint) in (Union, UnionType):  # of a type and None, which files do not hold
        return build(next(kind for kind in get_args(hint) if kind is not NoneType), value, where)
    if is_dataclass(hint):
        return _dataclass(hint, _required(dict, "a table", value, where), where)
    if get_origin(hint) is Mapping:
        _, kind = get_args(hint)
        named = _required(dict, "a table", value, where)
        return {name: build(kind, one, _inside(where, name)) for name, one in named.items()}
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), _required(list, "an array", value, where), where)
    if hint is float:
        number = _required((int, float), "a number", value, where)
        if isinstance(number, bool) or not math.isfinite(number):
            raise ValueError(f"{where}: must be a number, got {value!r}")
        return float(number)
    return _required(str, "a text", value, where)


def _dataclass(kind: Any, values: dict[str, Any], where: str) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    for name in values:
        if name not in hints:
            raise ValueError(f"{_inside(where, name)}: unknown; known are {', '.join(hints)}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in values:
            raise ValueError(f"{_inside(where, field.name)}: missing")
    return kind(**{name: build(hints[name], value, _inside(where, name)) for name, value in values.items()})


def _tuple(kinds: tuple[Any, ...], values: list[Any], where: str) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(values)
    if len(values) != len(kinds):
        raise ValueError(f"{where}: must be {len(kinds)} values, got {values!r}")
    return tuple(build(kind, value, f"{where}[{k}]") for k, (kind, value) in enumerate(zip(kinds, values, strict=True)))


def _required(kind: Any, name: str, value: Any, where: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{where}: must be {name}, got {value!r}")
    return value


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name

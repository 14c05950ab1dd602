"""Requests of clients: JSON messages, checked against the dataclasses of the verbs."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..fields import Fields, printable
from ..imaging.geometry import FARTHEST_MM, Point, plausible_position
from ..options import Option, options_of
from .protocol import Message
from .verbs import VERBS, Cancel, Ping, Work

MOST_ITEMS = 16  # of a list
MOST_POINTS = 100
_LARGEST_INTEGER, _LARGEST_NUMBER = 2**63 - 1, 1e12

Request: TypeAlias = Ping | Cancel | Work


def request_id(message: Message) -> int | None:
    """Return the number of a request, or None where it has no valid one."""
    try:
        return Fields(message, "the request").integer("id", 0, 2**53)
    except ValueError:
        return None


def read_request(message: Message) -> Request:
    """Return the request in a message.

    Raises:
        ValueError: with half a sentence that says which field is wrong and how.
    """
    given = Fields(message, "the request")
    given.integer("id", 0, 2**53)
    verb = _text(given, "verb")
    if verb not in VERBS:
        raise ValueError(f"there is no verb {printable(verb)}: the verbs are {', '.join(VERBS)}")
    request: Request = _read(VERBS[verb], given)
    given.end()
    return request


def _read(cls: type, given: Fields) -> Any:
    """Return a dataclass with the values of its fields, and of those of nested dataclasses."""
    hints, options = typing.get_type_hints(cls), {each.name: each for each in options_of(cls)}
    values = {}
    for part in fields(cls):
        hint = hints[part.name]
        if is_dataclass(hint):
            values[part.name] = _read(typing.cast(type, hint), given)
        elif part.default is MISSING or given.has(part.name):
            values[part.name] = _value(given, part.name, hint, options.get(part.name))
    return cls(**values)


def _value(given: Fields, name: str, hint: Any, option: Option | None) -> Any:
    """Return the value of a field of a type; a text or path-like is an absolute path."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = typing.get_args(hint) if union else (hint,)
    if os.PathLike[str] in kinds:
        return _path(given, name)
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return _READERS[kind](given, name, option)


def _integer(given: Fields, name: str, option: Option | None) -> int:
    low, high = _limits(option, _LARGEST_INTEGER)
    return given.integer(name, int(low), int(high))


def _number(given: Fields, name: str, option: Option | None) -> float:
    return given.number(name, *_limits(option, _LARGEST_NUMBER))


def _limits(option: Option | None, largest: float) -> tuple[float, float]:
    low, high = (option.low, option.high) if option is not None else (None, None)
    return -largest if low is None else low, largest if high is None else high


def _choice(given: Fields, name: str, option: Option | None) -> str:
    text = _text(given, name)
    if option is not None and option.choices and text not in option.choices:
        raise _wrong(name, f"one of {', '.join(map(str, option.choices))}", text)
    return text


def _text(given: Fields, name: str) -> str:
    """Return any text: names of ROIs and paths may hold any characters."""
    value = given.take(name)
    if not isinstance(value, str) or "\0" in value:
        raise _wrong(name, "a text", value)
    return value


def _path(given: Fields, name: str) -> str:
    value = _text(given, name)
    if not Path(value).is_absolute():  # the client may not know the worker's current folder
        raise _wrong(name, "a full path", value)
    return value


def _point(given: Fields, name: str, _option: Option | None) -> Point:
    values: Any = given.take(name)
    if not _is_point(values):
        raise _wrong(name, f"three numbers within {FARTHEST_MM:g} mm", values)
    return (float(values[0]), float(values[1]), float(values[2]))


def _points(given: Fields, name: str, _option: Option | None) -> tuple[Point, ...]:
    values: Any = given.take(name)
    points = isinstance(values, list) and all(map(_is_point, values))
    if not points or not 1 <= len(values) <= MOST_POINTS:
        raise _wrong(
            name, f"1 to {MOST_POINTS} points of three numbers within {FARTHEST_MM:g} mm", values
        )
    return tuple((float(x), float(y), float(z)) for x, y, z in values)


def _is_point(values: Any) -> bool:
    numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    return numbers and len(values) == 3 and plausible_position(values)


def _texts(given: Fields, name: str, _option: Option | None) -> tuple[str, ...]:
    values: Any = given.take(name)
    texts = isinstance(values, list) and all(isinstance(value, str) for value in values)
    if not texts or not 1 <= len(values) <= MOST_ITEMS:
        raise _wrong(name, f"a list of 1 to {MOST_ITEMS} names or files", values)
    return tuple(values)


def _wrong(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"the request's '{name}' must be {expected}, but is {printable(value)}")


_READERS: dict[Any, Callable[[Fields, str, Option | None], Any]] = {
    int: _integer,
    float: _number,
    bool: lambda given, name, _option: given.flag(name),
    str: _choice,
    Point: _point,
    tuple[Point, ...]: _points,
    tuple[str, ...]: _texts,
}

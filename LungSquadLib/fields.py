"""Fields of JSON objects that somebody else wrote, taken out one by one and checked.

Every check raises `ValueError` with half a sentence that names the field; who called turns it into
the whole sentence.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


class Fields:
    """One JSON object. Take each field by its type, then call `end`, which refuses what is left."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where} is not a JSON object")
        self._left = dict(value)
        self._where = where

    def take(self, name: str) -> Any:
        """The field's value, whatever it is."""
        if name not in self._left:
            raise ValueError(f"{self._where} has no '{name}'")
        return self._left.pop(name)

    def has(self, name: str) -> bool:
        """Whether there is such a field that is not null; a null one is taken out."""
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return False
        return True

    def text(self, name: str, *, most: int = 1000) -> str:
        """A text on one line, not empty, of at most `most` characters."""
        value = self.take(name)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, "a text that is not empty", value)
        if len(value) > most:
            raise self._wrong(name, f"a text of at most {most} characters", value)
        if not is_plain(value):
            raise self._wrong(name, "a text without control characters", value)
        return value

    def identifier(self, name: str) -> str:
        """At most 64 letters, digits and ._+- from ASCII, the first a letter or digit."""
        value = self.take(name)
        if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
            raise self._wrong(name, "at most 64 ASCII letters, digits, dots or dashes", value)
        return value

    def number(self, name: str, low: float = -1e12, high: float = 1e12) -> float:
        """A finite number from `low` to `high`."""
        value = self.take(name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise self._wrong(name, f"a number from {low:g} to {high:g}", value)
        return float(value)

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.take(name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise self._wrong(name, f"a whole number from {low} to {high}", value)
        return int(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def child(self, name: str) -> Fields:
        """A field that is itself an object."""
        return Fields(self.take(name), self._path(name))

    def items(self, name: str, read: Callable[[Fields], T], *, most: int) -> tuple[T, ...]:
        """A list of at most `most` objects, each read by `read`."""
        values = self._list(name, most)
        path = self._path(name)
        return tuple(read(Fields(value, f"{path}[{i}]")) for i, value in enumerate(values))

    def numbers(
        self, name: str, low: float = -1e12, high: float = 1e12, *, most: int
    ) -> tuple[float, ...]:
        """A list of at most `most` finite numbers from `low` to `high`."""
        return self._each(name, lambda entry: entry.number("entry", low, high), most)

    def texts(self, name: str, *, most: int) -> tuple[str, ...]:
        """A list of at most `most` texts."""
        return self._each(name, lambda entry: entry.text("entry"), most)

    def digest(self, name: str, *, digits: int) -> str:
        """A hexadecimal number of so many digits, in small letters."""
        value = self.take(name)
        if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise self._wrong(name, f"{digits} hexadecimal digits", value)
        return value

    def digests(self, name: str, *, digits: int, most: int) -> tuple[str, ...]:
        """A list of at most `most` hexadecimal numbers of so many digits."""
        return self._each(name, lambda entry: entry.digest("entry", digits=digits), most)

    def table(self, name: str, read: Callable[[Fields], T], *, most: int) -> dict[str, T]:
        """An object of at most `most` objects, each read by `read`, with identifiers for keys."""
        value = self.take(name)
        if not isinstance(value, dict) or len(value) > most:
            raise self._wrong(name, f"an object of at most {most} entries", value)
        path = self._path(name)
        for key in value:
            if not IDENTIFIER.fullmatch(key):
                raise ValueError(f"{path} has the key {printable(key)}, which is not an identifier")
        return {key: read(Fields(entry, f"{path}.{key}")) for key, entry in value.items()}

    def end(self) -> None:
        """Refuse fields that nobody took."""
        for name in self._left:
            raise ValueError(f"{self._where} has a field {printable(name)} that means nothing")

    def _list(self, name: str, most: int) -> list[Any]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(name, f"a list of at most {most} entries", value)
        return value

    def _each(self, name: str, read: Callable[[Fields], T], most: int) -> tuple[T, ...]:
        """Read each value of a list as the field "entry" of an object."""
        values, path = self._list(name, most), self._path(name)
        return tuple(read(Fields({"entry": v}, f"{path}[{i}]")) for i, v in enumerate(values))

    def _path(self, name: str) -> str:
        return f"{self._where}'s '{name}'"

    def _wrong(self, name: str, expected: str, value: Any) -> ValueError:
        return ValueError(f"{self._path(name)} must be {expected}, but is {printable(value)}")


def parsed_json(text: str) -> Any:
    """JSON of somebody else's; `ValueError` also where Python would be lenient or give up."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its JSON is broken at character {error.pos} ({error.msg})") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("its JSON has the same key twice")
    return result


def identifier(text: str) -> str:
    """A text made fit for an identifier: what it must not hold becomes a hyphen."""
    fit = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")
    return fit[:64] or "unnamed"


def is_plain(text: str) -> bool:
    """Whether a text can be shown on one line: no control, direction or surrogate characters."""
    return all(unicodedata.category(character) not in _UNSHOWN for character in text)


def quoted_path(path: Any) -> str:
    """A path in quotes, its start left off where it is long."""
    text = _showable(str(path))
    return f"'{text if len(text) <= 300 else '...' + text[-300:]}'"


def reason(error: BaseException) -> str:
    """What an error of another library says, as the end of a sentence without its full stop."""
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    text = _showable(" ".join(message.split())).rstrip(". ")
    return (text if len(text) <= 400 else text[:400] + "...") or type(error).__name__


def _showable(text: str) -> str:
    """The text with a question mark for every character that cannot be shown."""
    return "".join("?" if unicodedata.category(c) in _UNSHOWN else c for c in text)


def printable(value: Any, *, most: int = 40) -> str:
    """A value as short printable ASCII, whatever it is."""
    if isinstance(value, str):
        return ascii(value if len(value) <= most else value[:most] + "...")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a huge number"
    if isinstance(value, float):
        return repr(value)
    return "an object" if isinstance(value, dict) else "a list"


_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

"""Options as dataclasses: their fields carry the help, the range and the unit.

From such a dataclass come the arguments of the command line, the checks of values, the JSON that a
run's folder keeps, and the tables of the documentation:

    @dataclass(frozen=True)
    class TrainingOptions:
        epochs: int = option(40, help="passes over the training cases, at most", low=1)
        label: str | None = option(None, help="column of the labels", metavar="COL")

        def __post_init__(self) -> None:
            check(self)

Types are bool, int, float, str, Path and `Literal`, each also as `X | None`, `tuple[X, ...]`
(values separated by commas on the command line) or `tuple[X, X]` (so many values). Fields without
`option` are not options: they are neither arguments nor checked.
"""

from __future__ import annotations

import argparse
import csv
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError

T = TypeVar("T")

SEEDS = 1 << 32  # seeds are below: the range that numpy's and torch's generators share
_METADATA = "option"


def option(
    default: Any = MISSING,
    *,
    help: str,  # noqa: A002 - as argparse calls it
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str | int] = (),
    unit: str = "",
    flag: str = "",
    metavar: str | tuple[str, ...] = "",
    group: str = "",
) -> Any:
    """Return a dataclass field that is an option.

    Args:
        default: its value where none is given; left out: it must be given.
        help: what it sets, as a phrase without capital and full stop.
        low: least value that is allowed; of a tuple, for each of its values.
        high: largest value that is allowed.
        above: limit that a value must exceed.
        below: limit that a value must stay under.
        choices: the values that are allowed.
        unit: of the number.
        flag: on the command line; made from the field's name where it is left out. A bool that is
            true by default becomes `--no-NAME`.
        metavar: name of the value in the help.
        group: title of the section of the help.
    """
    given = {
        "help": help,
        "low": low,
        "high": high,
        "above": above,
        "below": below,
        "choices": tuple(choices),
        "unit": unit,
        "flag": flag,
        "metavar": metavar,
        "group": group,
    }
    return field(default=default, metadata={_METADATA: given})


def option_group(title: str) -> Callable[..., Any]:
    """Return `option` for the options of one section of the help."""
    return partial(option, group=title)


def seed_option(help: str = "random seed", *, group: str = "") -> Any:  # noqa: A002
    """Return the field of a random seed, 0 by default."""
    return option(0, help=help, low=0, high=SEEDS - 1, group=group)


@dataclass(frozen=True)
class Option:
    """An option as its dataclass defines it.

    Attributes:
        name: of the field; `flag`: on the command line.
        type: of a value: bool, int, float, str or Path.
        count: values of a tuple of fixed length, 0 of one of any length, None of a single value.
        optional: whether None is allowed.
        default: `dataclasses.MISSING` where a value must be given.
    """

    name: str
    flag: str
    type: type
    count: int | None
    optional: bool
    default: Any
    help: str
    low: float | None
    high: float | None
    above: float | None
    below: float | None
    choices: tuple[str | int, ...]
    unit: str
    metavar: str | tuple[str, ...]
    group: str

    @property
    def range(self) -> str:
        """The values that are allowed, as the end of "must be ...", or "" if all are."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.low is not None and self.high is not None:
            return f"{_text(self.low)} to {_text(self.high)}"
        limits = [
            f"{_text(self.low)} or more" if self.low is not None else "",
            f"above {_text(self.above)}" if self.above is not None else "",
            f"below {_text(self.below)}" if self.below is not None else "",
            f"at most {_text(self.high)}" if self.high is not None else "",
        ]
        return " and ".join(limit for limit in limits if limit)

    @property
    def default_text(self) -> str:
        """The default as it is written on the command line, or "" where there is none."""
        if self.default in (MISSING, None, ()) or self.type is bool:
            return ""
        if self.count is None:
            return _text(self.default)
        return ("," if self.count == 0 else " ").join(map(_text, self.default))

    @property
    def full_help(self) -> str:
        """The help with the unit and the default."""
        default = f"default: {self.default_text}" if self.default_text else ""
        details = ", ".join(part for part in (self.unit, default) if part)
        return f"{self.help} ({details})" if details else self.help

    def check(self, value: Any) -> None:
        """Raise `InputError` for a value that is not allowed."""
        if value is None and self.optional:
            return
        if self.count is None:
            values: Sequence[Any] = (value,)
        elif not isinstance(value, tuple) or self.count not in (0, len(value)):
            length = f"{self.count} values" if self.count else "a list of values"
            raise InputError(f"{self.flag} takes {length}, not {value}.")
        else:
            values = value
        for single in values:
            if not self._has_type(single):
                raise InputError(f"{self.flag} must be {_TYPE_NAMES[self.type]}, not {single}.")
            if not self._allows(single):
                raise InputError(
                    f"{self.flag} must be {self.range or 'a number'}, not {_text(single)}."
                )

    def _has_type(self, value: Any) -> bool:
        if self.type is float:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, self.type) and (self.type is bool or not isinstance(value, bool))

    def _allows(self, value: Any) -> bool:
        return (
            (self.type is not float or math.isfinite(value))
            and (not self.choices or value in self.choices)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
}
_METAVARS = {int: "N", float: "X", str: "TEXT", Path: "FILE"}


def _options_of(options: object) -> tuple[Option, ...]:
    cls: Any = type(options)
    return options_of(cls)


@cache
def options_of(cls: type) -> tuple[Option, ...]:
    """Return the options that a dataclass defines, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    return tuple(
        _option(part.name, hints[part.name], part.default, part.metadata[_METADATA])
        for part in fields(cls)
        if _METADATA in part.metadata
    )


def _option(name: str, hint: Any, default: Any, given: Mapping[str, Any]) -> Option:
    optional = typing.get_origin(hint) in (typing.Union, types.UnionType)
    if optional:
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
    count = None
    if typing.get_origin(hint) is tuple:
        kinds = typing.get_args(hint)
        hint, count = kinds[0], 0 if kinds[-1] is Ellipsis else len(kinds)
    choices = given["choices"]
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        hint = type(choices[0])
    if hint not in _TYPE_NAMES:
        raise TypeError(f"The option '{name}' has a type that no option can have: {hint}.")
    negated = "no-" if hint is bool and default is True else ""
    flag = given["flag"] or f"--{negated}{name.replace('_', '-')}"
    known = {**given, "flag": flag, "choices": choices}
    return Option(name=name, type=hint, count=count, optional=optional, default=default, **known)


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """Add the options of a dataclass to a parser; `from_namespace` reads them back.

    Sections of the help follow in the order of `parser`'s, then of the dataclass.
    """
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    groups |= {str(group.title): group for group in parser._action_groups}
    for each in options_of(cls):
        if each.group not in groups:
            groups[each.group] = parser.add_argument_group(each.group)
        # An option that is not given leaves no attribute: the dataclass has the defaults.
        groups[each.group].add_argument(
            each.flag,
            dest=each.name,
            default=argparse.SUPPRESS,
            required=each.default is MISSING,
            help=each.full_help.replace("%", "%%"),
            **_value_arguments(each),
        )


def _value_arguments(each: Option) -> dict[str, Any]:
    if each.type is bool:
        return {"action": "store_false" if each.default is True else "store_true"}
    if each.count == 0:
        metavar = each.metavar or ("A,B,..." if each.type is str else "N,...")
        return {"action": "extend", "type": _list_of(each.type), "metavar": metavar}
    single: dict[str, Any] = {"type": each.type}
    if each.choices:
        single["choices"] = each.choices
    elif each.count is None or each.metavar:
        single["metavar"] = each.metavar or _METAVARS[each.type]
    return single if each.count is None else {**single, "nargs": each.count}


def _list_of(kind: type) -> Callable[[str], tuple[Any, ...]]:
    def values(text: str) -> tuple[Any, ...]:
        try:
            return tuple(kind(value) for value in listed(text))
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"takes {_TYPE_NAMES[kind].partition(' ')[2]}s separated by commas, not '{text}'"
            ) from None

    return values


def listed(text: str | None) -> tuple[str, ...]:
    """Return values separated by commas, as in a line of CSV: quotes protect a comma."""
    lines = csv.reader([text or ""], skipinitialspace=True)
    return tuple(value.strip() for line in lines for value in line)


def from_namespace(cls: Callable[..., T], namespace: argparse.Namespace, **values: Any) -> T:
    """Return the options that a parser has read; `values` are those of further fields."""
    given = {
        each.name: getattr(namespace, each.name)
        for each in options_of(typing.cast(type, cls))
        if each.name not in values and hasattr(namespace, each.name)
    }
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return cls(**{**given, **lists, **values})


def check(options: Any) -> None:
    """Raise `InputError`, naming the flag, for the first option whose value is not allowed."""
    for each in _options_of(options):
        each.check(getattr(options, each.name))


def refuse_ignored(options: Any, names: Sequence[str], because: str) -> None:
    """Raise `InputError` where options have been changed that would be ignored.

    Args:
        options: the dataclass.
        names: of the fields that would be ignored.
        because: the end of a sentence that begins with their flags.
    """
    changed = [
        each.flag
        for each in _options_of(options)
        if each.name in names and getattr(options, each.name) != each.default
    ]
    if changed:
        raise InputError(f"{', '.join(changed)} would be ignored: {because}")


def described(options: Any) -> dict[str, Any]:
    """Return all fields of a dataclass as JSON has them."""
    return {name: _as_json(value) for name, value in asdict(options).items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(each) for name, each in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


def option_table(cls: type) -> list[dict[str, str]]:
    """Return a row for each option: name, flag, type, default, range, unit and help."""
    return [
        {
            "name": each.name,
            "flag": each.flag,
            "type": each.type.__name__ + ("" if each.count is None else f"[{each.count or '...'}]"),
            "default": "required" if each.default is MISSING else each.default_text,
            "range": each.range,
            "unit": each.unit,
            "help": each.help,
        }
        for each in options_of(cls)
    ]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

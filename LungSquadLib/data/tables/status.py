"""What a column says of events, and of time: R's codes, units of time, ages in days."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...errors import InputError, one_line
from .numerals import read_numerals
from .text import is_missing
from .words import number_of, taken

DAYS_A_YEAR = 365.25
_UNITS = (
    (re.compile(r"(^|[^a-z])(months?|mths?|mos?|monate)([^a-z]|$)"), "months", DAYS_A_YEAR / 12),
    (re.compile(r"(^|[^a-z])(years?|yrs?|jahre)([^a-z]|$)"), "years", DAYS_A_YEAR),
    (re.compile(r"(^|[^a-z])(weeks?|wks?|wochen)([^a-z]|$)"), "weeks", 7.0),
)
_YOUNGEST_IN_DAYS, _OLDEST = 1000, 120  # numbers beyond 120 are no years


class Column(NamedTuple):
    """A fact's column.

    Attributes:
        values: "" where nothing is known, None where a cell is no value of the fact.
        notes: sentences.
    """

    values: list[str | None]
    notes: tuple[str, ...] = ()


def read_status(fact: str, cells: Sequence[str]) -> Column:
    """An event or a survival as "1" and "0", all cells read alike.

    Where an event's codes are 1 and 2 and nothing else, 1 is censored and 2 dead, as R's survival
    package has it. Codes that may be something else (0, 1 and 2, of competing events say) say
    nothing.

    Args:
        fact: "event" or "survival2y".
        cells: N texts.
    """
    said = [cell for cell in cells if not is_missing(cell)]
    codes = {value for cell in said if (value := number_of(cell)) is not None}
    words = any(number_of(cell) is None for cell in said)
    if codes <= {0, 1}:
        return Column(["" if is_missing(cell) else taken(fact, cell) for cell in cells])
    if fact == "event" and codes <= {1, 2} and not words:
        values = {1.0: "0", 2.0: "1"}
        note = (
            "The event's codes 1 and 2 were read as R's survival package has them: 1 censored, "
            "2 dead."
        )
        return Column([values.get(number_of(cell) or 0, "") for cell in cells], (note,))
    return Column([""] * len(cells), (f"{_untold(fact, cells)} It was left empty.",))


def _untold(fact: str, cells: Sequence[str]) -> str:
    codes = sorted({one_line(cell, most=20) for cell in cells if not is_missing(cell)})
    return (
        f"The column of the {fact} has {', '.join(codes[:6])}: which of them is which cannot be "
        "told. Write 1 and 0, or say in a mapping file what they mean."
    )


class FollowUp(NamedTuple):
    """Times and events (1 or 0), NaN where one of the two is missing; sentences."""

    time: list[float]
    event: list[float]
    notes: tuple[str, ...]


def read_follow_up(
    times: Sequence[str], events: Sequence[str], where: Callable[[int], str]
) -> FollowUp:
    """Times, in whatever unit, and events.

    Args:
        times: N cells.
        events: N cells.
        where: names a row, numbered from 0, at the beginning of a sentence.

    Raises:
        InputError: a time is no number or below 0, or an event is none.
    """
    found, status = read_numerals(times), read_status("event", events)
    for n, (time, event) in enumerate(zip(found.values, status.values, strict=True)):
        if time is None:
            raise InputError(f"{where(n)}: the time '{one_line(times[n], most=40)}' is no number.")
        if time < 0:
            raise InputError(f"{where(n)}: the time {time:g} is below 0. Correct it or empty it.")
        if event is None:
            raise InputError(
                f"{where(n)}: the event '{one_line(events[n], most=40)}' is neither 1 (or dead) "
                "nor 0 (or alive)."
            )
    if not any(status.values) and any(not is_missing(cell) for cell in events):
        raise InputError(_untold("event", events))
    numbers = [math.nan if not event else float(event) for event in status.values]
    return FollowUp([time for time in found.values if time is not None], numbers, status.notes)


def read_days(name: str, cells: Sequence[str]) -> Column:
    """A time in days; the name of its column may say that it has months or years.

    Args:
        name: of the column, as the table has it.
        cells: N texts.
    """
    numbers, notes = _numbers(name, cells)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()
    for pattern, unit, days in _UNITS:
        if pattern.search(words):
            notes.append(f"The {unit} of '{one_line(name, most=60)}' were made days.")
            numbers = [None if one is None else one * days for one in numbers]
            break
    return Column([_text(one) for one in numbers], tuple(notes))


def read_ages(name: str, cells: Sequence[str]) -> Column:
    """Ages in years, 0 to 120; where all are in days, they are divided.

    Args:
        name: of the column, as the table has it.
        cells: N texts.
    """
    numbers, notes = _numbers(name, cells)
    known = [abs(one) for one in numbers if one is not None and not math.isnan(one)]
    if known and min(known) >= _YOUNGEST_IN_DAYS:  # days to birth are below 0
        notes.append(f"The ages are in days and were divided by {DAYS_A_YEAR}.")
        numbers = [None if one is None else abs(one) / DAYS_A_YEAR for one in numbers]
    ages = [None if one is None or one < 0 or one > _OLDEST else one for one in numbers]
    return Column([_text(one) for one in ages], tuple(notes))


def _numbers(name: str, cells: Sequence[str]) -> tuple[list[float | None], list[str]]:
    found = read_numerals(cells)
    note = f"The column '{one_line(name, most=60)}' was read with {found.note}."
    return found.values, [note] if found.note else []


def _text(value: float | None) -> str | None:
    if value is None:
        return None
    return "" if math.isnan(value) else f"{value:.10g}"

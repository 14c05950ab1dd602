"""Clinical facts of patients: their names, allowed values, and how cells of a table are read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ...errors import InputError, one_line
from .number_columns import number_of, read_numerals
from .text import is_missing

# What is kept harmonised, and the values that each may have; None where it is a number or a name.
FACTS: dict[str, tuple[str, ...] | None] = {
    "histology": ("LUAD", "LUSC", "other"),
    "t_stage": ("T1", "T2", "T3", "T4"),
    "edition": ("5", "6", "7", "8", "9"),
    "n_stage": ("N0", "N1", "N2", "N3"),
    "m_stage": ("M0", "M1"),
    "sex": ("female", "male"),
    "age": None,
    "smoking": ("never", "former", "current"),
    "site": None,
    "time": None,
    "event": ("0", "1"),
    "survival2y": ("0", "1"),
}
# From which time and event follow; they are not kept.
DAYS = ("days_to_death", "days_to_last_contact")

_ADENO = r"\badenocarcinoma|bronchi?oloalveolar|^mucinous \(colloid\)|^(luad|adeno|ac|adc|adk)$"
_SQUAMOUS = r"\bsquamous|^(lusc|scc|sqcc|sqc)$"
_OTHER = (
    r"\b(large[- ]cell|small[- ]cell|carcinoid|sarcomatoid|pleomorphic|adenosquamous|nsclc|nos|"
    r"otherwise specified|other)\b"
)


def _histology(word: str) -> str | None:
    """LUAD, LUSC or other; None for a word that is not known.

    WHO's subtypes of adenocarcinoma count as LUAD; large cell, adenosquamous and "not otherwise
    specified" as other.
    """
    said = word.casefold()
    if re.search(r"\bnon[- ]?(squamous|adeno)", said):
        return None
    adeno, squamous = (re.search(one, said) is not None for one in (_ADENO, _SQUAMOUS))
    if adeno != squamous:
        return "LUAD" if adeno else "LUSC"
    return "other" if adeno or re.search(_OTHER, said) else None


def _t_stage(word: str) -> str | None:
    """T1 to T4, whatever follows (a, b, c, mi); None for Tis, TX, T0 and what is none."""
    found = re.fullmatch(
        r"[cpy]*T?([1-4])(mi|\(mi\)|[abc])?(\((m|\d+)\))?", word.strip(), re.IGNORECASE
    )
    return f"T{found[1]}" if found else None


def _n_stage(word: str) -> str | None:
    found = re.fullmatch(r"[cpy]*N?([0-3X])[abc]?\d?", word.strip(), re.IGNORECASE)
    return _unless_x("N", found)


def _m_stage(word: str) -> str | None:
    found = re.fullmatch(r"[cpy]*M?([01X])[abc]?\d?", word.strip(), re.IGNORECASE)
    return _unless_x("M", found)


def _unless_x(letter: str, found: re.Match[str] | None) -> str | None:
    """NX and MX say that nothing is known."""
    if found is None:
        return None
    return "" if found[1] in "xX" else letter + found[1]


def _edition(word: str) -> str | None:
    found = re.fullmatch(r"([5-9])(th)?( edition)?(\.0)?", word.strip(), re.IGNORECASE)
    return found[1] if found else None


def _sex(word: str) -> str | None:
    return {"f": "female", "female": "female", "m": "male", "male": "male"}.get(word.casefold())


def _smoking(word: str) -> str | None:
    said = word.casefold()
    if re.search(r"\b(never|non[- ]?smoker|lifelong non)", said):
        return "never"
    if re.search(r"\b(former|reformed|ex[- ]?smoker|quit)", said):
        return "former"
    return "current" if re.search(r"\b(current|active)", said) else None


def _event(word: str) -> str | None:
    said = _bare(word)
    if said in ("1", "dead", "deceased", "died", "death", "expired", "true", "yes"):
        return "1"
    return "0" if said in ("0", "alive", "living", "censored", "false", "no") else None


def _survival2y(word: str) -> str | None:
    said = _bare(word)
    if said in ("1", "alive", "living", "true", "yes"):
        return "1"
    return "0" if said in ("0", "dead", "deceased", "died", "false", "no") else None


def _bare(word: str) -> str:
    """A word in small letters, without cBioPortal's code before it ("1:DECEASED")."""
    value = number_of(word)
    return re.sub(r"^[01]:", "", word.casefold()) if value is None else f"{value:g}"


def _number(word: str) -> str | None:
    value = number_of(word)
    return None if value is None else f"{value:.10g}"


def _age(word: str) -> str | None:
    value = number_of(word)
    return f"{value:.10g}" if value is not None and 0 <= value <= 120 else None


_TAKEN: Mapping[str, Callable[[str], str | None]] = {
    "histology": _histology,
    "t_stage": _t_stage,
    "edition": _edition,
    "n_stage": _n_stage,
    "m_stage": _m_stage,
    "sex": _sex,
    "age": _age,
    "smoking": _smoking,
    "site": str.strip,
    "time": _number,
    "event": _event,
    "survival2y": _survival2y,
    **dict.fromkeys(DAYS, _number),
}


def taken(fact: str, word: str) -> str | None:
    """What a word, or a number, of a fact is taken for; None where it cannot be.

    Args:
        fact: of `FACTS` or `DAYS`.
        word: a cell that is not missing.
    """
    return _TAKEN[fact](word)


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

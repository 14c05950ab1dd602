"""Clinical facts of patients: which there are, and how the cells of a table are read into them.

A fact has one name and the same values in all collections. To add one (performance status, say),
write its entry of `FACTS`; a table's column of the same name is then read, and `layouts` or a
mapping file names the columns of other tables that have it. Columns that are no facts need nothing:
they stay under their own names, as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import InputError, one_line
from .number_columns import parse_number, read_number_column
from .text import is_missing

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


@dataclass(frozen=True)
class Fact:
    """A clinical fact of a patient.

    Attributes:
        parse: the value of a cell that is not missing; None where the cell is no value.
        values: those that the fact may have; None where it is a number or a name.
        read: reads a column, given its name in the table and its cells, where these have a meaning
            only together (units, codes); without it, each cell is parsed.
        covariate: whether it belongs to the clinical baseline of a training on tables.
        kept: whether it is kept; survival is computed from those that are not.
    """

    parse: Callable[[str], str | None]
    values: tuple[str, ...] | None = None
    read: Callable[[str, Sequence[str]], Column] | None = None
    covariate: bool = False
    kept: bool = True


def read_fact(name: str, column: str, cells: Sequence[str]) -> Column:
    """Read a column of a table into the values of a fact.

    Args:
        name: of the fact, one of `FACTS`.
        column: its name in the table, which may have the unit.
        cells: N texts.
    """
    fact = FACTS[name]
    if fact.read is not None:
        return fact.read(column, cells)
    return Column(["" if is_missing(cell) else fact.parse(cell) for cell in cells])


def covariates() -> list[str]:
    """Return the facts of the clinical baseline, sorted."""
    return sorted(name for name, fact in FACTS.items() if fact.covariate)


_ADENO = r"\badenocarcinoma|bronchi?oloalveolar|^mucinous \(colloid\)|^(luad|adeno|ac|adc|adk)$"
_SQUAMOUS = r"\bsquamous|^(lusc|scc|sqcc|sqc)$"
_OTHER = (
    r"\b(large[- ]cell|small[- ]cell|carcinoid|sarcomatoid|pleomorphic|adenosquamous|nsclc|nos|"
    r"otherwise specified|other)\b"
)


def _histology(cell: str) -> str | None:
    """Return LUAD, LUSC or other; None for a word that is not known.

    A code of ICD-O-3 is one too. WHO's subtypes of adenocarcinoma count as LUAD; large cell,
    adenosquamous and "not otherwise specified" as other.
    """
    word = cell.casefold()
    if code := re.fullmatch(r"(8\d{3})(/?3|\.0)?", word):
        return _icd_o_histology(int(code[1]))
    if re.search(r"\bnon[- ]?(squamous|adeno)", word):
        return None
    adeno, squamous = (re.search(form, word) is not None for form in (_ADENO, _SQUAMOUS))
    if adeno != squamous:
        return "LUAD" if adeno else "LUSC"
    return "other" if adeno or re.search(_OTHER, word) else None


# Morphology of ICD-O-3 in the groups of the IARC (Cancer Incidence in Five Continents), lung: first
# and last code.
_ADENO_CODES = (
    *((8140, 8140), (8211, 8211), (8230, 8231), (8250, 8260), (8323, 8323), (8480, 8490)),
    *((8550, 8552), (8570, 8574), (8576, 8576)),
)
_SQUAMOUS_CODES = ((8050, 8078), (8083, 8084))


def _icd_o_histology(code: int) -> str:
    for value, groups in (("LUAD", _ADENO_CODES), ("LUSC", _SQUAMOUS_CODES)):
        if any(first <= code <= last for first, last in groups):
            return value
    return "other"


def _t_stage(cell: str) -> str | None:
    """Return T1 to T4, whatever follows (a, b, c, mi); None for Tis, TX, T0 and no stage."""
    stage = re.fullmatch(
        r"[cpy]*T?([1-4])(mi|\(mi\)|[abc])?(\((m|\d+)\))?", cell.strip(), re.IGNORECASE
    )
    return f"T{stage[1]}" if stage else None


def _n_stage(cell: str) -> str | None:
    stage = re.fullmatch(r"[cpy]*N?([0-3X])[abc]?\d?", cell.strip(), re.IGNORECASE)
    return _unless_x("N", stage)


def _m_stage(cell: str) -> str | None:
    stage = re.fullmatch(r"[cpy]*M?([01X])[abc]?\d?", cell.strip(), re.IGNORECASE)
    return _unless_x("M", stage)


def _unless_x(letter: str, stage: re.Match[str] | None) -> str | None:
    """Return the stage; "" for NX and MX, of which nothing is known."""
    if stage is None:
        return None
    return "" if stage[1] in "xX" else letter + stage[1]


def _edition(cell: str) -> str | None:
    edition = re.fullmatch(r"([5-9])(th)?( edition)?(\.0)?", cell.strip(), re.IGNORECASE)
    return edition[1] if edition else None


def _sex(cell: str) -> str | None:
    return {"f": "female", "female": "female", "m": "male", "male": "male"}.get(cell.casefold())


def _smoking(cell: str) -> str | None:
    word = cell.casefold()
    if re.search(r"\b(never|non[- ]?smoker|lifelong non)", word):
        return "never"
    if re.search(r"\b(former|reformed|ex[- ]?smoker|quit)", word):
        return "former"
    return "current" if re.search(r"\b(current|active)", word) else None


def _event(cell: str) -> str | None:
    word = _without_code(cell)
    if word in ("1", "dead", "deceased", "died", "death", "expired", "true", "yes"):
        return "1"
    return "0" if word in ("0", "alive", "living", "censored", "false", "no") else None


def _survival2y(cell: str) -> str | None:
    word = _without_code(cell)
    if word in ("1", "alive", "living", "true", "yes"):
        return "1"
    return "0" if word in ("0", "dead", "deceased", "died", "false", "no") else None


def _without_code(cell: str) -> str:
    """Return a word in small letters, without cBioPortal's code before it ("1:DECEASED")."""
    value = parse_number(cell)
    return re.sub(r"^[01]:", "", cell.casefold()) if value is None else f"{value:g}"


def _number(cell: str) -> str | None:
    value = parse_number(cell)
    return None if value is None else f"{value:.10g}"


def _age(cell: str) -> str | None:
    value = parse_number(cell)
    return f"{value:.10g}" if value is not None and 0 <= value <= _OLDEST else None


def read_event(cells: Sequence[str]) -> Column:
    """Read the codes of an event: "1" where it happened, "0" where the patient is censored.

    Codes 1 and 2 and nothing else are those of R's survival package: 1 censored, 2 dead. Codes that
    may be something else (0, 1 and 2, of competing events say) give no value.

    Args:
        cells: N texts.
    """
    codes, words = _codes(cells)
    if 2 in codes and codes <= {1, 2} and not words:
        values = {1.0: "0", 2.0: "1"}
        note = (
            "The event's codes 1 and 2 were read as R's survival package has them: 1 censored, "
            "2 dead."
        )
        return Column([values.get(parse_number(cell) or 0, "") for cell in cells], (note,))
    return _read_codes("event", cells)


def _read_codes(name: str, cells: Sequence[str]) -> Column:
    """Read words and the codes 0 and 1; no value where there are other codes."""
    if _codes(cells)[0] <= {0, 1}:
        return Column(["" if is_missing(cell) else FACTS[name].parse(cell) for cell in cells])
    return Column([""] * len(cells), (f"{_ambiguous(name, cells)} It was left empty.",))


def _codes(cells: Sequence[str]) -> tuple[set[float], bool]:
    """Return the numbers among the cells, and whether there are words too."""
    numbers = [parse_number(cell) for cell in cells if not is_missing(cell)]
    return {number for number in numbers if number is not None}, None in numbers


def _ambiguous(name: str, cells: Sequence[str]) -> str:
    codes = sorted({one_line(cell, most=20) for cell in cells if not is_missing(cell)})
    return (
        f"The column of the {name} has the codes {', '.join(codes[:6])}, whose meaning is not "
        "known. Write 1 and 0, or give the meaning of each code in a mapping file."
    )


class FollowUp(NamedTuple):
    """Times and events (1 or 0), NaN where one of the two is missing; sentences."""

    time: list[float]
    event: list[float]
    notes: tuple[str, ...]


def read_follow_up(
    times: Sequence[str], events: Sequence[str], where: Callable[[int], str]
) -> FollowUp:
    """Read times, in whatever unit, and events.

    Args:
        times: N cells.
        events: N cells.
        where: names a row, numbered from 0, at the beginning of a sentence.

    Raises:
        InputError: a time is no number or below 0, or an event is none.
    """
    numbers, status = read_number_column(times).values, read_event(events)
    for n, (time, event) in enumerate(zip(numbers, status.values, strict=True)):
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
        raise InputError(_ambiguous("event", events))
    known = [math.nan if not event else float(event) for event in status.values]
    return FollowUp([time for time in numbers if time is not None], known, status.notes)


def read_days(column: str, cells: Sequence[str]) -> Column:
    """Read a time in days; the name of its column may say that it has weeks, months or years.

    Args:
        column: its name in the table.
        cells: N texts.
    """
    numbers, notes = _numbers(column, cells)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).casefold()
    for pattern, unit, days in _UNITS:
        if pattern.search(words):
            notes.append(f"The {unit} of '{one_line(column, most=60)}' were converted to days.")
            numbers = [None if number is None else number * days for number in numbers]
            break
    return Column(list(map(_text, numbers)), tuple(notes))


def read_ages(column: str, cells: Sequence[str]) -> Column:
    """Read ages in years, 0 to 120; where all are in days, they are divided.

    Args:
        column: its name in the table.
        cells: N texts.
    """
    numbers, notes = _numbers(column, cells)
    known = [abs(number) for number in numbers if number is not None and not math.isnan(number)]
    if known and min(known) >= _YOUNGEST_IN_DAYS:  # days to birth are below 0
        notes.append(f"The ages are in days and were divided by {DAYS_A_YEAR}.")
        numbers = [None if number is None else abs(number) / DAYS_A_YEAR for number in numbers]
    ages = [None if age is None or age < 0 or age > _OLDEST else age for age in numbers]
    return Column(list(map(_text, ages)), tuple(notes))


def _numbers(column: str, cells: Sequence[str]) -> tuple[list[float | None], list[str]]:
    numbers = read_number_column(cells)
    note = f"The column '{one_line(column, most=60)}' was read with {numbers.note}."
    return numbers.values, [note] if numbers.note else []


def _text(value: float | None) -> str | None:
    if value is None:
        return None
    return "" if math.isnan(value) else f"{value:.10g}"


FACTS: dict[str, Fact] = {
    "histology": Fact(_histology, ("LUAD", "LUSC", "other")),
    "t_stage": Fact(_t_stage, ("T1", "T2", "T3", "T4")),
    "edition": Fact(_edition, ("5", "6", "7", "8", "9")),
    "n_stage": Fact(_n_stage, ("N0", "N1", "N2", "N3")),
    "m_stage": Fact(_m_stage, ("M0", "M1")),
    "sex": Fact(_sex, ("female", "male"), covariate=True),
    "age": Fact(_age, read=read_ages, covariate=True),
    "smoking": Fact(_smoking, ("never", "former", "current"), covariate=True),
    "site": Fact(str.strip),
    "time": Fact(_number, read=read_days),
    "event": Fact(_event, ("0", "1"), read=lambda _, cells: read_event(cells)),
    "survival2y": Fact(
        _survival2y, ("0", "1"), read=lambda _, cells: _read_codes("survival2y", cells)
    ),
    "days_to_death": Fact(_number, read=read_days, kept=False),
    "days_to_last_contact": Fact(_number, read=read_days, kept=False),
}

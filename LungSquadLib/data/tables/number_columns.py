"""Columns of numbers as people write them: decimal commas, thousands, percent signs, units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .text import is_missing

# Words that say in a column of numbers that nothing is known; elsewhere they may be a category.
_NOTHING = frozenset(("none", "nil", "nd", "n.d.", "n.a.", "unk", "tbd", "not done", "'-"))
_UNIT = re.compile(
    r"(?P<number>[+-]?[\d.,]*\d(?:e[+-]?\d+)?)\s*(?P<unit>%|[mc]?m([23²³]|\^[23])?|[mµμ]?l|cc|hu|"
    r"[kmµμn]?g|c?gy|[pn]g/ml|g/dl|[mµμn]mol/l|mm ?hg|y|yrs?|years?|months?|wks?|weeks?|d|days?)",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+")
_BLANK_THOUSANDS = re.compile(r"(?<=\d)['’ \u00a0\u202f](?=\d{3}(?!\d))")
# What programs write for want of a number.
SENTINELS = (-9999.0, -999.0, -99.0, -9.0, -1.0, 99.0, 999.0, 9999.0, 99999.0)


class Numerals(NamedTuple):
    """A column of numbers.

    Attributes:
        values: NaN where nothing is known, None where a cell is no number.
        note: how they were read, where not as they stand; half a sentence, or "".
    """

    values: list[float | None]
    note: str

    @property
    def odd(self) -> list[int]:
        """The rows, from 0, whose cells are no numbers."""
        return [n for n, value in enumerate(self.values) if value is None]

    @property
    def known(self) -> int:
        """How many numbers there are."""
        return sum(value is not None and not math.isnan(value) for value in self.values)

    @property
    def mostly(self) -> bool:
        """Whether at least half of the cells that say something are numbers."""
        return 0 < self.known >= len(self.odd)


def number_of(word: str) -> float | None:
    """The finite number that a cell says, written with a point; None for anything else."""
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word.strip(), re.ASCII) is None:
        return None
    value = float(word)
    return value if math.isfinite(value) else None


def says_no_number(cell: str) -> bool:
    """Whether a cell of a column of numbers says that nothing is known."""
    return is_missing(cell) or cell.strip().casefold() in _NOTHING


def read_numerals(cells: Sequence[str], *, comma: bool = False) -> Numerals:
    """Read a column of numbers as one: each cell is read as all others are.

    A comma is decimal where no cell has a point for it and not all commas may part thousands; it
    parts thousands where all may, and the numbers without a comma are below 1000. Percent signs
    divide by 100; a unit is taken off where all have the same one.

    Args:
        cells: N texts.
        comma: a comma does not part thousands, as where semicolons part the cells.
    """
    texts = ["" if says_no_number(cell) else cell.strip() for cell in cells]
    values = list(map(_value, texts))
    if None not in values:
        return Numerals(values, "")
    texts = [_BLANK_THOUSANDS.sub("", text.replace("\u2212", "-")) for text in texts]
    if None not in (values := list(map(_value, texts))):
        return Numerals(values, "blanks or marks within numbers taken out")
    texts, unit = _without_unit(texts)
    texts, commas = _with_points(texts, comma=comma)
    values = list(map(_value, texts))
    if unit == "%":
        values = [None if value is None else value / 100 for value in values]
    taken_off = (
        "" if not unit else "percent as hundredths" if unit == "%" else f"'{unit}' taken off"
    )
    return Numerals(values, " and ".join(filter(None, (commas, taken_off))))


def sentinels(values: np.ndarray) -> dict[float, int]:
    """Numbers that may say that nothing is known, such as -99, and in how many columns.

    They are such where they lie farther from all other numbers of their column than these lie
    apart.

    Args:
        values: (N, D), NaN where nothing is known.
    """
    found: dict[float, int] = {}
    for sentinel in SENTINELS:
        is_it = values == sentinel
        columns = is_it.any(axis=0)
        if not columns.any():
            continue
        others = np.where(is_it[:, columns], np.nan, values[:, columns])
        low, high = np.fmin.reduce(others, 0), np.fmax.reduce(others, 0)
        far = (sentinel < 2 * low - high) | (sentinel > 2 * high - low)
        count = int((far & (low < high)).sum())
        if count:
            found[sentinel] = count
    return found


def _value(text: str) -> float | None:
    return math.nan if not text else number_of(text)


def _without_unit(texts: list[str]) -> tuple[list[str], str]:
    """Without the unit that at least half of the cells have, and the unit; "" where there is none.

    A cell without the unit, or with another, is no number then.
    """
    found = [_UNIT.fullmatch(text) for text in texts]
    units = {one["unit"].casefold() for one in found if one}
    with_unit, filled = sum(map(bool, found)), sum(map(bool, texts))
    if len(units) != 1 or 2 * with_unit < filled:
        return texts, ""
    bare = [
        one["number"] if one else f"{text} without unit" if text else ""
        for text, one in zip(texts, found, strict=True)
    ]
    return bare, units.pop()


def _with_points(texts: list[str], *, comma: bool) -> tuple[list[str], str]:
    """With points for decimal commas and without thousands' separators; what was done."""
    commas = [text for text in texts if "," in text]
    others = [value for text in texts if "," not in text and (value := _value(text)) is not None]
    points = any("." in text for text in texts)
    decimal = not points and all(map(_DECIMAL_COMMA.fullmatch, commas))
    thousands = all(map(_THOUSANDS.fullmatch, commas)) and not any(
        abs(value) >= 1000 for value in others
    )
    if not commas:
        return texts, ""
    if decimal and not all(map(_THOUSANDS.fullmatch, commas)):
        return [text.replace(",", ".") for text in texts], "commas as decimal points"
    if thousands and not comma:
        return [text.replace(",", "") for text in texts], "commas as thousands' separators"
    pointed = [text for text in texts if "." in text]
    if comma and pointed and all(map(_POINT_THOUSANDS.fullmatch, pointed)):
        plain = [text.replace(".", "").replace(",", ".") for text in texts]
        return plain, "points as thousands' separators and commas as decimal points"
    return texts, ""

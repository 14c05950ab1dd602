"""Columns of numbers as people write them: decimal commas, thousands, percent signs, units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .text import is_missing

# Words that in a column of numbers stand for a missing one; elsewhere they may be a category.
_NO_NUMBER = frozenset(("none", "nil", "nd", "n.d.", "n.a.", "unk", "tbd", "not done", "'-"))
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


class NumberColumn(NamedTuple):
    """A column of numbers.

    Attributes:
        values: NaN where nothing is known, None where a cell is no number.
        note: how they were read, where not as they stand; half a sentence, or "".
    """

    values: list[float | None]
    note: str

    @property
    def invalid_rows(self) -> list[int]:
        """The rows, from 0, whose cells are no numbers."""
        return [n for n, value in enumerate(self.values) if value is None]

    @property
    def known(self) -> int:
        """The count of numbers."""
        return sum(value is not None and not math.isnan(value) for value in self.values)

    @property
    def is_numeric(self) -> bool:
        """Whether at least half of the cells that are not missing are numbers."""
        return 0 < self.known >= len(self.invalid_rows)


def parse_number(cell: str) -> float | None:
    """Return the finite number that a cell holds, written with a point; None for anything else."""
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell.strip(), re.ASCII) is None:
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


def is_missing_number(cell: str) -> bool:
    """Return whether a cell of a column of numbers is missing."""
    return is_missing(cell) or cell.strip().casefold() in _NO_NUMBER


def read_number_column(cells: Sequence[str], *, comma: bool = False) -> NumberColumn:
    """Read a column of numbers as a whole: all cells are read in the same way.

    A comma is decimal where no cell has a point for it and not all commas may part thousands; it
    parts thousands where all may, and the numbers without a comma are below 1000. Percent signs
    divide by 100; a unit is taken off where all have the same one.

    Args:
        cells: N texts.
        comma: a comma does not part thousands, as where semicolons part the cells.
    """
    texts = ["" if is_missing_number(cell) else cell.strip() for cell in cells]
    values = list(map(_value, texts))
    if None not in values:
        return NumberColumn(values, "")
    texts = [_BLANK_THOUSANDS.sub("", text.replace("\u2212", "-")) for text in texts]
    if None not in (values := list(map(_value, texts))):
        return NumberColumn(values, "blanks or marks within numbers taken out")
    texts, unit = _without_unit(texts)
    texts, commas = _with_points(texts, comma=comma)
    values = list(map(_value, texts))
    if unit == "%":
        values = [None if value is None else value / 100 for value in values]
    removed = "" if not unit else "percent as hundredths" if unit == "%" else f"'{unit}' taken off"
    return NumberColumn(values, " and ".join(filter(None, (commas, removed))))


def sentinels(values: np.ndarray) -> dict[float, int]:
    """Return numbers that may stand for a missing one, such as -99, and in how many columns.

    Such a number lies farther from all other numbers of its column than these lie apart.

    Args:
        values: (N, D), NaN where nothing is known.
    """
    counts: dict[float, int] = {}
    for sentinel in SENTINELS:
        is_sentinel = values == sentinel
        columns = is_sentinel.any(axis=0)
        if not columns.any():
            continue
        rest = np.where(is_sentinel[:, columns], np.nan, values[:, columns])
        low, high = np.fmin.reduce(rest, 0), np.fmax.reduce(rest, 0)
        far = (sentinel < 2 * low - high) | (sentinel > 2 * high - low)
        count = int((far & (low < high)).sum())
        if count:
            counts[sentinel] = count
    return counts


def _value(text: str) -> float | None:
    return math.nan if not text else parse_number(text)


def _without_unit(texts: list[str]) -> tuple[list[str], str]:
    """Return the cells without the unit that at least half of them have, and the unit or "".

    A cell without the unit, or with another, is no number then.
    """
    matches = [_UNIT.fullmatch(text) for text in texts]
    units = {match["unit"].casefold() for match in matches if match}
    with_unit, filled = sum(map(bool, matches)), sum(map(bool, texts))
    if len(units) != 1 or 2 * with_unit < filled:
        return texts, ""
    bare = [
        match["number"] if match else f"{text} without unit" if text else ""
        for text, match in zip(texts, matches, strict=True)
    ]
    return bare, units.pop()


def _with_points(texts: list[str], *, comma: bool) -> tuple[list[str], str]:
    """Return cells with points for decimal commas, without separators of thousands; and a note."""
    commas = [text for text in texts if "," in text]
    if not commas:
        return texts, ""
    plain = [value for text in texts if "," not in text and (value := _value(text)) is not None]
    points = any("." in text for text in texts)
    decimal = not points and all(map(_DECIMAL_COMMA.fullmatch, commas))
    all_thousands = all(map(_THOUSANDS.fullmatch, commas))
    if decimal and not all_thousands:
        return [text.replace(",", ".") for text in texts], "commas as decimal points"
    if all_thousands and not comma and not any(abs(value) >= 1000 for value in plain):
        return [text.replace(",", "") for text in texts], "commas as thousands' separators"
    pointed = [text for text in texts if "." in text]
    if comma and pointed and all(map(_POINT_THOUSANDS.fullmatch, pointed)):
        swapped = [text.replace(".", "").replace(",", ".") for text in texts]
        return swapped, "points as thousands' separators and commas as decimal points"
    return texts, ""

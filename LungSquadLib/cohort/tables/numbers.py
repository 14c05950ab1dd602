"""A table of numbers as it stands in its file, read in one pass."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError, one_line
from .text import decoded, delimiter_of, is_missing, lines, ragged, split
from .words import number_of

_NUMBER_LIKE = re.compile(r"[+-]?([\d.,]+(e[+-]?\d+)?|inf(inity)?)", re.IGNORECASE)
_LOOKED_AT = 20  # rows by which columns of text are known
_SPELLINGS = ("", "NA", "N/A", "#N/A", "nan", "NaN", "NAN", "null", "NULL", "[Not Available]")
_MISSING = {word.encode(): b"nan" for word in _SPELLINGS}  # the missing cells that are read quickly


@dataclass(frozen=True, eq=False)
class Numbers:
    """A table: the names of its R rows and C columns, its numbers, and its columns of text.

    Attributes:
        corner: the cell over the names of the rows.
        rows: names as they stand in the file.
        columns: of `values`.
        values: (R, C) float32, NaN where a cell is missing.
        texts: the further columns, R cells each.
    """

    corner: str
    rows: list[str]
    columns: list[str]
    values: np.ndarray
    texts: dict[str, list[str]]


def read_numbers(
    path: str | os.PathLike[str], *, key: Callable[[list[str]], int], text: Callable[[str], bool]
) -> Numbers:
    """Read a table of numbers; a column of which the first rows hold none is text.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        key: which column has the names of the rows.
        text: whether a column is text by its name.

    Raises:
        InputError: as `text.lines`; or it has no rows, a ragged one, or a cell that is no number.
        OSError: the file cannot be read.
    """
    found = lines(path)
    first = next(found, None)
    if first is None:
        raise InputError(f"'{path}' is empty.")
    delimiter = delimiter_of(first, path)
    header = [decoded(cell, path).strip() for cell in split(first, delimiter, f"'{path}'")]
    look = list(itertools.islice(found, _LOOKED_AT))
    sample = [split(line, delimiter, f"'{path}', row {n}") for n, line in enumerate(look, 1)]
    if not sample:
        raise InputError(f"'{path}' has no rows.")
    if all(len(row) == len(header) + 1 for row in sample):  # R has nothing over the names of rows
        header.insert(0, "")
    place = key(header)
    texts = [
        n
        for n, name in enumerate(header)
        if n != place and (text(name) or _is_text([row[n] for row in sample if n < len(row)]))
    ]
    kept = [n for n in range(len(header)) if n != place and n not in set(texts)]
    if not kept:
        raise InputError(f"'{path}' has no column of numbers.")
    form = _Form(path, header, delimiter, place, kept, texts)
    rows = [form.row(line, number) for number, line in enumerate(itertools.chain(look, found), 1)]
    names, numbers, said = zip(*rows, strict=True)
    columns = zip(*said, strict=True) if texts else ()
    return Numbers(
        header[place],
        list(names),
        [header[n] for n in kept],
        np.stack(numbers),
        {header[n]: list(cells) for n, cells in zip(texts, columns, strict=True)},
    )


@dataclass(frozen=True)
class _Form:
    """Where in a row the name, the numbers and the texts stand."""

    path: str | os.PathLike[str]
    header: list[str]
    delimiter: bytes
    name: int
    numbers: list[int]
    texts: list[int]

    def row(self, line: bytes, number: int) -> tuple[str, np.ndarray, list[str]]:
        """Name, numbers and texts of a line; rows count from 1."""
        cells = split(line, self.delimiter, f"'{self.path}', row {number}")
        if len(cells) != len(self.header):
            raise InputError(ragged(self.path, number, len(cells), len(self.header)))
        name = decoded(cells[self.name], self.path).strip()
        texts = [decoded(cells[place], self.path) for place in self.texts]
        underscores = line.count(b"_") - sum(cells[n].count(b"_") for n in (self.name, *self.texts))
        if texts:
            cells = [cells[place] for place in self.numbers]
        else:
            del cells[self.name]
        return name, self._numbers(cells, number, quickly=not underscores), texts

    def _numbers(self, cells: list[bytes], row: int, *, quickly: bool) -> np.ndarray:
        numbers = _quickly(cells) if quickly else None  # which would take 1_0 for ten
        if numbers is None:
            with np.errstate(over="ignore"):
                numbers = np.fromiter(self._carefully(cells, row), np.float32, len(cells))
        if np.isinf(numbers).any():
            place = self.numbers[int(np.isinf(numbers).argmax())]
            raise InputError(f"{self._where(row, place)}: it is beyond what can be computed with.")
        return numbers

    def _carefully(self, cells: Sequence[bytes], row: int) -> Iterator[float]:
        for place, cell in zip(self.numbers, cells, strict=True):
            word = decoded(cell, self.path)
            value = math.nan if is_missing(word) else number_of(word)
            if value is None:
                comma = re.fullmatch(r"\s*-?\d+,\d+\s*", word)
                hint = " Write numbers with a point, not with a comma." if comma else ""
                said = f"'{one_line(word, most=40)}' is no number."
                raise InputError(f"{self._where(row, place)}: {said}{hint}")
            yield value

    def _where(self, row: int, place: int) -> str:
        return f"'{self.path}', row {row}, column {place + 1}"


def _quickly(cells: Sequence[bytes]) -> np.ndarray | None:
    """Numbers of cells; None where one is neither a number nor missing as most tables say it.

    This is where the time goes: 20 million cells in some seconds.
    """
    filled = [cell or b"nan" for cell in cells]
    for _ in range(2):
        try:
            with np.errstate(over="ignore"):  # what is too large is infinite, and seen
                return np.fromiter(map(float, filled), np.float32, len(cells))
        except ValueError:
            filled = [_MISSING.get(cell, cell) for cell in cells]
    return None


def _is_text(cells: Sequence[bytes]) -> bool:
    """Whether cells of a column say something, and none of it could be meant for a number."""
    words = [cell.decode(errors="replace").strip() for cell in cells]
    said = [word for word in words if not is_missing(word)]
    return bool(said) and not any(map(_NUMBER_LIKE.fullmatch, said))

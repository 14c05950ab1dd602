"""Reads a table of numbers from its file, in one pass."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import InputError, one_line
from .number_columns import is_missing_number, parse_number, read_number_column
from .text import decoded, delimiter_of, is_index, is_missing, lines, ragged, split

_NUMBER_LIKE = re.compile(r"[+-]?([\d.,]+(e[+-]?\d+)?|inf(inity)?)", re.IGNORECASE)
_WITH_COMMA = re.compile(rb"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
_PERHAPS_THOUSANDS = re.compile(rb"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")
_POINT = re.compile(rb"\d\.|\.\d")
_UID = re.compile(r"\d+(\.\d+){3,}")
_SAMPLED = 20  # rows by which columns of text are known
_SPELLINGS = ("", "NA", "N/A", "#N/A", "nan", "NaN", "NAN", "null", "NULL", "[Not Available]")
_MISSING = {word.encode(): b"nan" for word in _SPELLINGS}  # the missing cells that are read quickly


@dataclass(frozen=True, eq=False)
class Numbers:
    """A table: names of R rows and C columns, numbers, and columns of text.

    Attributes:
        corner: the header over the names of the rows.
        rows: names as in the file.
        columns: of `values`.
        values: (R, C) float32, NaN where a cell is missing.
        texts: the further columns, R cells each.
        notes: sentences.
    """

    corner: str
    rows: list[str]
    columns: list[str]
    values: np.ndarray
    texts: dict[str, list[str]]
    notes: tuple[str, ...] = ()


def read_numbers(
    path: str | os.PathLike[str], *, key: Callable[[list[str]], int], text: Callable[[str], bool]
) -> Numbers:
    """Read a table of numbers; a column without numbers in its first rows is text.

    Where semicolons or tabs part the cells, a comma is decimal, unless points are so too. A column
    whose numbers all have the same unit, or a percent sign, is numeric. Columns that count
    the rows, and empty ones without a name, are left out.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        key: returns, for the header, the column with the names of the rows.
        text: whether a column is text by its name.

    Raises:
        InputError: as `text.lines`; or it has no rows, a ragged one, or a cell that is no number.
        OSError: the file cannot be read.
    """
    content = lines(path)
    first = next(content, None)
    if first is None:
        raise InputError(f"'{path}' is empty.")
    start = list(itertools.islice(content, _SAMPLED))
    delimiter = delimiter_of(first, path, start)
    header = [decoded(cell, path).strip() for cell in split(first, delimiter, f"'{path}'")]
    sample = [split(line, delimiter, f"'{path}', row {n}") for n, line in enumerate(start, 1)]
    if not sample:
        raise InputError(f"'{path}' has no rows.")
    if all(len(row) == len(header) + 1 for row in sample):  # R has nothing over the names of rows
        header.insert(0, "")
    key_column = key(header)
    texts = [
        n
        for n, name in enumerate(header)
        if n != key_column and (text(name) or _is_text([row[n] for row in sample if n < len(row)]))
    ]
    kept = [n for n in range(len(header)) if n != key_column and n not in set(texts)]
    if not kept:
        raise InputError(f"'{path}' has no column of numbers.")
    form = _Form(path, header, delimiter, key_column, kept, texts)
    rows = [
        form.row(line, number) for number, line in enumerate(itertools.chain(start, content), 1)
    ]
    form.check_marks()
    names, numbers, text_cells = zip(*rows, strict=True)
    columns = zip(*text_cells, strict=True) if texts else ()
    table = Numbers(
        header[key_column],
        list(names),
        [header[n] for n in kept],
        np.stack(numbers),
        {header[n]: list(cells) for n, cells in zip(texts, columns, strict=True)},
        ("Its commas were read as decimal points.",) if b"," in form.marks else (),
    )
    return _with_number_columns(_without_index(table), path, text, comma=form.comma)


def _without_index(table: Numbers) -> Numbers:
    """Return the table without the columns that count its rows, and those without a name."""
    counted = _counts_rows(table.values)
    kept = [
        n
        for n, name in enumerate(table.columns)
        if not is_index(name, [f"{value:g}" for value in table.values[:, n]] if counted[n] else ())
    ]
    texts = {name: cells for name, cells in table.texts.items() if not is_index(name, cells)}
    removed = len(table.columns) - len(kept) + len(table.texts) - len(texts)
    if not removed:
        return table
    note = f"{removed} columns have no name, or count the rows, and were left out."
    return replace(
        table,
        columns=[table.columns[n] for n in kept],
        values=table.values[:, kept],
        texts=texts,
        notes=(*table.notes, note),
    )


def _counts_rows(values: np.ndarray) -> np.ndarray:
    """Return whether each column rises by one from row to row."""
    counting = np.ones(values.shape[1], bool)
    for before, row in itertools.pairwise(values):
        counting[counting] = row[counting] - before[counting] == 1
        if not counting.any():  # as a rule after two rows
            break
    return counting


def _with_number_columns(
    table: Numbers, path: str | os.PathLike[str], text: Callable[[str], bool], *, comma: bool
) -> Numbers:
    """Return the table with text columns of numbers with a unit or percent sign made numeric.

    Raises:
        InputError: at least half of the cells of such a column are numbers, and not all.
    """
    numeric, texts, notes = {}, dict(table.texts), []
    for name, cells in table.texts.items():
        if text(name):
            continue
        numbers = read_number_column(cells, comma=comma)
        if not numbers.is_numeric:
            continue
        if numbers.invalid_rows:
            row = numbers.invalid_rows[0]
            raise InputError(
                f"'{path}', row {row + 1}, column '{one_line(name, most=60)}': "
                f"'{one_line(cells[row].strip(), most=40)}' is no number, as most of its "
                "cells are. Correct it, empty the cell, or take the column out."
            )
        numeric[name] = np.array(numbers.values, np.float32)
        notes.append(f"The column '{one_line(name, most=60)}' was read with {numbers.note}.")
        del texts[name]
    if not numeric:
        return table
    return replace(
        table,
        columns=[*table.columns, *numeric],
        values=np.column_stack([table.values, *numeric.values()]),
        texts=texts,
        notes=(*table.notes, *notes),
    )


@dataclass(frozen=True)
class _Form:
    """Which cells of a row are the name, the numbers and the texts."""

    path: str | os.PathLike[str]
    header: list[str]
    delimiter: bytes
    name: int
    numbers: list[int]
    texts: list[int]
    # Marks in the numbers so far: commas, points, and commas that are decimal for sure.
    marks: set[bytes] = field(default_factory=set)

    @property
    def comma(self) -> bool:
        """Whether a comma may be decimal."""
        return self.delimiter != b","

    def check_marks(self) -> None:
        """Raise `InputError` where commas may be decimal or part thousands."""
        if b"," in self.marks and self.marks != {b",", b"decimal"}:
            raise InputError(
                f"'{self.path}' has numbers with commas that may be decimal or part "
                "thousands. Write all numbers with a point, and without thousands' "
                "separators."
            )

    def row(self, line: bytes, number: int) -> tuple[str, np.ndarray, list[str]]:
        """Return name, numbers and texts of a line; rows count from 1."""
        cells = split(line, self.delimiter, f"'{self.path}', row {number}")
        if len(cells) != len(self.header):
            raise InputError(ragged(self.path, number, len(cells), len(self.header)))
        name = decoded(cells[self.name], self.path).strip()
        texts = [decoded(cells[n], self.path) for n in self.texts]
        underscores = line.count(b"_") - sum(cells[n].count(b"_") for n in (self.name, *self.texts))
        if texts:
            cells = [cells[n] for n in self.numbers]
        else:
            del cells[self.name]
        if self.comma:
            cells = self._with_points(cells)
        return name, self._numbers(cells, number, quickly=not underscores), texts

    def _with_points(self, cells: list[bytes]) -> list[bytes]:
        """Return cells with points for decimal commas, and note which of the two the row has."""
        joined = b"\t".join(cells)
        if b"." not in self.marks and _POINT.search(joined):
            self.marks.add(b".")
        if b"," not in joined:
            return cells
        commas = [n for n, cell in enumerate(cells) if _WITH_COMMA.fullmatch(cell)]
        self.marks.update((b",",) if commas else ())
        if not all(_PERHAPS_THOUSANDS.fullmatch(cells[n]) for n in commas):
            self.marks.add(b"decimal")
        for n in commas:
            cells[n] = cells[n].replace(b",", b".")
        return cells

    def _numbers(self, cells: list[bytes], row: int, *, quickly: bool) -> np.ndarray:
        numbers = _quickly(cells) if quickly else None  # which would take 1_0 for ten
        if numbers is None:
            with np.errstate(over="ignore"):
                numbers = np.fromiter(self._carefully(cells, row), np.float32, len(cells))
        if np.isinf(numbers).any():
            column = self.numbers[int(np.isinf(numbers).argmax())]
            raise InputError(f"{self._where(row, column)}: the number is too large.")
        return numbers

    def _carefully(self, cells: Sequence[bytes], row: int) -> Iterator[float]:
        for column, cell in zip(self.numbers, cells, strict=True):
            word = decoded(cell, self.path)
            value = math.nan if is_missing_number(word) else parse_number(word)
            if value is None:
                comma = re.fullmatch(r"\s*-?\d+(,\d+)+(\.\d+)?\s*", word)
                hint = (
                    " Write numbers with a point, and without thousands' separators."
                    if comma
                    else " Correct it, or empty the cell."
                )
                fault = f"'{one_line(word, most=40)}' is no number."
                raise InputError(f"{self._where(row, column)}: {fault}{hint}")
            yield value

    def _where(self, row: int, column: int) -> str:
        name = one_line(self.header[column], most=60)
        return f"'{self.path}', row {row}, column {column + 1} ('{name}')"


def _quickly(cells: Sequence[bytes]) -> np.ndarray | None:
    """Return the numbers of cells; None where a cell is no number and not missing as usual.

    Most of the time is spent here: 20 million cells in some seconds.
    """
    filled = [cell or b"nan" for cell in cells]
    for _ in range(2):
        try:
            with np.errstate(over="ignore"):  # what is too large is infinite, and refused
                return np.fromiter(map(float, filled), np.float32, len(cells))
        except ValueError:
            filled = [_MISSING.get(cell, cell) for cell in cells]
    return None


def _is_text(cells: Sequence[bytes]) -> bool:
    """Return whether a column has cells that are not missing, and none looks like a number."""
    words = [cell.decode(errors="replace").strip() for cell in cells]
    filled = [word for word in words if not is_missing(word)]
    numbers = (_NUMBER_LIKE.fullmatch(word) and not _UID.fullmatch(word) for word in filled)
    return bool(filled) and not any(numbers)

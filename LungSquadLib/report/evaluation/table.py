"""A CSV table of labels and scores, of which only the wanted columns are kept."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cohort.store import MISSING
from ...errors import InputError, one_line

_LARGEST = 256 << 20


@dataclass(frozen=True)
class Table:
    """Columns of text, all equally long; `source` is what sentences call the table.

    `unread` are the names of columns that nobody asked for.
    """

    source: str
    columns: Mapping[str, tuple[str, ...]]
    unread: frozenset[str] = frozenset()

    @classmethod
    def of(cls, source: str, columns: Mapping[str, Sequence[object]]) -> Table:
        """A table of values that a program has; None and NaN are missing."""
        texts = {
            name: tuple("" if value is None else str(value) for value in values)
            for name, values in columns.items()
        }
        return cls(source, texts)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def cells(self, name: str) -> list[str | None]:
        """A column's cells, without the blanks round them; None where nothing is said.

        Raises:
            InputError: there is no such column.
        """
        if name not in self.columns:
            raise InputError(_lacking(self.source, name, self.columns))
        stripped = (cell.strip() for cell in self.columns[name])
        return [None if cell.casefold() in MISSING else cell for cell in stripped]

    def numbers(self, name: str) -> list[float]:
        """A column of finite numbers; NaN where nothing is said.

        Raises:
            InputError: there is no such column, or a cell holds something else.
        """
        cells = enumerate(self.cells(name), 1)
        return [math.nan if cell is None else self._number(name, n, cell) for n, cell in cells]

    def _number(self, name: str, row: int, cell: str) -> float:
        value = number_in(cell)
        if value is None:
            raise InputError(
                f"'{self.source}', row {row}: '{one_line(cell, most=40)}' in the column "
                f"'{one_line(name, most=100)}' is no finite number."
            )
        return value


def number_in(cell: str) -> float | None:
    """The finite number that a cell says, if it does."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def shown(name: str, most: int = 40) -> str:
    """A name from a table, cut where it would fill the line."""
    plain = one_line(name)
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def read_table(path: str | os.PathLike[str], wanted: Iterable[str]) -> Table:
    """Read the wanted columns of a CSV table.

    Raises:
        InputError: no file, no CSV in UTF-8, no rows, a wanted column missing or there twice, or a
            row of another length than the header.
        OSError: the file cannot be read.
    """
    source, names = Path(path), list(dict.fromkeys(wanted))
    if source.exists() and not source.is_file():  # a folder, or a pipe that never ends
        raise InputError(f"'{path}' is no file; a CSV table is wanted.")
    if source.is_file() and source.stat().st_size > _LARGEST:
        raise InputError(f"'{path}' is larger than {_LARGEST >> 20} MB: that is no such table.")
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            return _read(os.fspath(path), csv.reader(file, strict=True), names)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not a CSV table in UTF-8 ({one_line(error)}).") from error


def _read(path: str, lines: Iterable[list[str]], names: Sequence[str]) -> Table:
    rows = iter(lines)
    header = [name.strip() for name in next(rows, [])]
    for name in names:
        if name not in header:
            raise InputError(_lacking(path, name, header))
        if header.count(name) > 1:
            raise InputError(f"'{path}' has the column '{one_line(name)}' more than once.")
    places = [header.index(name) for name in names]
    kept: list[list[str]] = []
    for number, row in enumerate(filter(None, rows), 1):  # an empty line is no row
        if len(row) != len(header):
            raise InputError(
                f"'{path}', row {number}: it has {len(row)} cells, the header has {len(header)}."
            )
        kept.append([row[place] for place in places])
    if not kept:
        raise InputError(f"'{path}' has no rows.")
    columns = dict(zip(names, zip(*kept, strict=True), strict=True))
    return Table(path, columns, frozenset(header) - set(names))


def _lacking(source: str, name: str, columns: Iterable[str]) -> str:
    listed = list(columns)
    found = ", ".join(f"'{one_line(name, most=40)}'" for name in listed[:12]) or "none"
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return (
        f"'{source}' lacks the column '{one_line(name, most=100)}'; it has {found}{more}. "
        "Is the delimiter a comma?"
    )

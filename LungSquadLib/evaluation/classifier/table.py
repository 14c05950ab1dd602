"""A CSV table of labels and scores, of which only the wanted columns are kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...data.tables.number_columns import parse_number, read_number_column
from ...data.tables.text import is_no_label, read_rows
from ...errors import InputError, one_line

_LARGEST = 256 << 20


@dataclass(frozen=True)
class Table:
    """Columns of text, all equally long; `source` is its name in messages.

    `unread` are the names of the other columns of the file.
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
        return [None if is_no_label(cell) else cell for cell in stripped]

    def numbers(self, name: str) -> list[float]:
        """A column of finite numbers; NaN where nothing is said.

        Raises:
            InputError: there is no such column, or a cell holds something else.
        """
        cells = [cell or "" for cell in self.cells(name)]
        numbers = read_number_column(cells)
        if numbers.invalid_rows:
            row = numbers.invalid_rows[0]
            raise InputError(
                f"{self.row(row)}: '{one_line(cells[row], most=40)}' in the column "
                f"'{one_line(name, most=100)}' is no finite number."
            )
        return [value for value in numbers.values if value is not None]

    def row(self, number: int) -> str:
        """Return the name of a row in messages, numbered from 0."""
        return f"'{self.source}', row {number + 1}"


def number_in(cell: str) -> float | None:
    """The finite number that a cell says, if it does."""
    return parse_number(cell)


def format_name(name: str, most: int = 40) -> str:
    """A name from a table, cut where it would fill the line."""
    plain = one_line(name)
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def read_table(path: str | os.PathLike[str], wanted: Iterable[str]) -> Table:
    """Read the wanted columns of a table: CSV, TSV or with semicolons.

    Raises:
        InputError: as `cohort.tables.text.read_rows`, or a wanted column is missing or there twice.
        OSError: the file cannot be read.
    """
    names = list(dict.fromkeys(wanted))
    header, rows = read_rows(path, most=_LARGEST, repeated=True)
    for name in names:
        if name not in header:
            raise InputError(_lacking(os.fspath(path), name, header))
        if header.count(name) > 1:
            raise InputError(f"'{path}' has the column '{one_line(name)}' more than once.")
    indices = [header.index(name) for name in names]
    columns = {name: tuple(row[n] for row in rows) for name, n in zip(names, indices, strict=True)}
    return Table(os.fspath(path), columns, frozenset(header) - set(names))


def _lacking(source: str, name: str, columns: Iterable[str]) -> str:
    listed = list(columns)
    names = ", ".join(f"'{one_line(name, most=40)}'" for name in listed[:12]) or "none"
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return f"'{source}' lacks the column '{one_line(name, most=100)}'; it has {names}{more}."

"""One patient's expression profile, read from a table of genes and numbers."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...errors import InputError, parsing
from ...fields import quoted_path
from .genes import gene_names
from .number_columns import is_missing_number, parse_number
from .text import lines

_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_PERHAPS_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_POINT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")
_NUMBER_LIKE = re.compile(r"[<>=~]*[+-]?\d[\d.,' ]*%?")
_LARGEST = 64 << 20  # bytes of text: thirty times all human genes


@dataclass(frozen=True)
class Profile:
    """The expression of one patient.

    Attributes:
        genes: the number of each gene that has one.
        sha256: of genes and numbers, whatever their order and format in the file.
        dates: how many names of genes are dates, of which the gene is not known.
    """

    genes: Mapping[str, float]
    sha256: str
    dates: int = 0

    @classmethod
    def of(cls, genes: Mapping[str, float]) -> Profile:
        """Return the profile of these numbers; NaN where a gene is not known.

        Raises:
            InputError: two names of one gene (with and without its version, say) have different
                numbers.
        """
        names = gene_names(list(genes)).names
        known: dict[str, float] = {}
        for gene, value in sorted(zip(names, map(float, genes.values()), strict=True)):
            if gene and not math.isnan(value) and known.setdefault(gene, value) != value:
                raise InputError("The profile has two different numbers of one gene.")
        lines = "".join(f"{gene}\t{value!r}\n" for gene, value in known.items())
        return cls(known, hashlib.sha256(lines.encode()).hexdigest(), names.count(""))

    def to_dict(self) -> dict[str, object]:
        """Return its description for outputs, which names neither the patient nor the file."""
        return {"genes": len(self.genes), "sha256": self.sha256}


def read_profile(path: str | os.PathLike[str]) -> Profile:
    """Read one patient's expression from a table: CSV, TSV or with semicolons, gzip or not.

    Two columns, gene and number, with a header or without; or a row of genes above a row of
    numbers, as a matrix of one patient has them. An empty cell or NA is a gene that is not known.

    Args:
        path: the file.

    Raises:
        InputError: it is none, is too large, holds several patients, a text in place of a number,
            or a gene twice with different numbers. The sentence quotes no cell: it may be an ID.
        OSError: the file cannot be read.
    """
    with parsing(path, "a table of genes and numbers"):
        text = b"\n".join(lines(path, most=_LARGEST)).decode()
        rows = _rows(text)
    try:
        return Profile.of(_genes(rows))
    except ValueError as error:
        raise InputError(f"The profile {quoted_path(path)} cannot be used: {error}.") from None


def _rows(text: str) -> list[list[str]]:
    """Return the cells of all lines; the delimiter is that of the first line."""
    delimiter = max("\t;,", key=text.partition("\n")[0].count)
    table = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    rows = [[cell.strip() for cell in row] for row in table]
    width = max((n for row in rows for n, cell in enumerate(row, 1) if cell), default=0)
    return _with_points([row[:width] for row in rows if any(row)])


def _with_points(rows: list[list[str]]) -> list[list[str]]:
    """Return rows with points for decimal commas, where commas can be nothing else."""
    cells = [cell for row in rows for cell in row]
    commas = list(filter(_COMMA.fullmatch, cells))
    if all(map(_PERHAPS_THOUSANDS.fullmatch, commas)) or any(map(_POINT.fullmatch, cells)):
        return rows
    return [
        [cell.replace(",", ".") if _COMMA.fullmatch(cell) else cell for cell in row] for row in rows
    ]


def _genes(rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return genes and numbers of a table in either shape; `ValueError` with half a sentence."""
    widths = {len(row) for row in rows}
    if not rows:
        raise ValueError("it is empty")
    if len(widths) > 1 and not (len(rows) == 2 and len(rows[1]) == len(rows[0]) + 1):
        raise ValueError("its lines have different numbers of cells")
    if widths == {2}:
        return _numbers(_long(rows), "line")
    if len(rows) == 2:
        return _numbers(_wide(rows), "column")
    if widths == {1}:
        raise ValueError("it has one column; write gene and number, with a comma or a tab between")
    patients = min(len(rows), len(rows[0])) - 1
    raise ValueError(
        f"it holds {patients} patients or more; write the one patient's genes and numbers alone"
    )


def _long(rows: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """Return line, gene and number of a table of two columns, without its header."""
    header = not _is_number(rows[0][1]) and not _NUMBER_LIKE.fullmatch(rows[0][1])
    entries = [(n, gene, value) for n, (gene, value) in enumerate(rows, 1)][header:]
    if entries and all(_is_number(gene) and not _is_number(value) for _, gene, value in entries):
        raise ValueError("its columns are swapped: the genes come first, then their numbers")
    return entries


def _wide(rows: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """Return column, gene and number of a row of genes above a row of numbers.

    The first cells may name the patient; they are left out.
    """
    genes, values = list(rows[0]), list(rows[1])
    if len(values) == len(genes) + 1:  # as R writes it
        genes = ["", *genes]
    named = not genes[0] or not _is_number(values[0])
    return [(n, *pair) for n, pair in enumerate(zip(genes, values, strict=True), 1)][named:]


def _numbers(entries: Sequence[tuple[int, str, str]], unit: str) -> dict[str, float]:
    """Return the number of each gene; `unit` is "line" or "column", for messages."""
    genes: dict[str, float] = {}
    where: dict[str, int] = {}
    names = gene_names([gene for _, gene, _ in entries]).names
    for (number, gene, text), name in zip(entries, names, strict=True):
        if not gene:
            raise ValueError(f"{unit} {number} names no gene")
        value = _number(text)
        if value is None:
            raise ValueError(f"{unit} {number} holds a text where a number belongs")
        if math.isnan(value):
            continue
        if not name:  # a date, which `Profile.of` leaves out
            genes[gene] = value
            continue
        if genes.setdefault(name, value) != value:
            raise ValueError(
                f"{unit}s {where[name]} and {number} have different numbers of the same gene"
            )
        where.setdefault(name, number)
    if not genes:
        raise ValueError("it holds no number")
    return genes


def _is_number(text: str) -> bool:
    return _number(text) is not None


def _number(text: str) -> float | None:
    """Return a finite number, NaN where the cell is missing, None for any other text."""
    return math.nan if is_missing_number(text) else parse_number(text)

"""Tables as text: opened within limits, split into cells; what stands for a missing value."""

from __future__ import annotations

import csv
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...errors import InputError, one_line

LARGEST = 2 << 30  # bytes of a table of numbers; 20,000 genes of 1,000 patients take 0.4 GB
LARGEST_CLINICAL = 64 << 20
_LONGEST_LINE, _MOST_LINES = 64 << 20, 1_000_000
_SMALL, _MOST_GROWTH = 8 << 20, 50  # a packed table grows by 2 to 20 times, a trap by 1,000
_DELIMITERS = ("\t", ",", ";")

# As tables say that nothing is known, in small letters; TCGA puts such words into brackets.
_MISSING = frozenset(
    (
        *("", "na", "n/a", "#n/a", "nan", "null", ".", "-", "--", "?", "unknown", "missing"),
        *("not available", "not applicable", "not collected", "not recorded", "not reported"),
        *("not recorded in database", "not assessed", "not evaluated", "not known"),
    )
)
_BRACKETED = re.compile(r"\[[A-Za-z /]+\]")


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known."""
    word = cell.strip()
    return word.casefold() in _MISSING or _BRACKETED.fullmatch(word) is not None


def known(cell: str) -> str:
    """What a cell says, without the blanks round it; "" where it is missing."""
    return "" if is_missing(cell) else cell.strip()


def lines(path: str | os.PathLike[str], *, most: int = LARGEST) -> Iterator[bytes]:
    """The lines of a table, unpacked if it is packed, one after the other in little memory.

    Empty lines, and those before the header that begin with "#", are passed over.

    Raises:
        InputError: it is no file, or larger than `most` bytes, or grows too much as it is unpacked,
            or has a line that no table has.
        OSError: it cannot be read.
    """
    source = Path(path)
    if source.exists() and not source.is_file():  # a folder, or a pipe that never ends
        raise InputError(f"'{path}' is no file; a table (CSV, TSV, or one of them as .gz) is.")
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(
                f"'{path}' has {size >> 20} MB, and tables of at most {most >> 20} MB are read: "
                "keep the columns that are needed."
            )
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        opened = gzip.GzipFile(fileobj=file) if packed else file
        limit = min(most, max(_SMALL, _MOST_GROWTH * size)) if packed else most
        try:
            yield from _lines(opened, path, limit)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"'{path}' is damaged: it cannot be unpacked ({error}).") from error


def _lines(
    file: BinaryIO | gzip.GzipFile, path: str | os.PathLike[str], limit: int
) -> Iterator[bytes]:
    left, count, started = limit, 0, False
    while line := file.readline(_LONGEST_LINE + 1):
        left, count = left - len(line), count + 1
        if count > _MOST_LINES:
            raise InputError(f"'{path}' has more than {_MOST_LINES:,} lines: it is no such table.")
        if left < 0:
            raise InputError(
                f"'{path}' unpacks to more than {limit >> 20} MB: it is no table, or a trap. "
                "Unpack it and look at it."
            )
        if len(line) > _LONGEST_LINE:
            raise InputError(
                f"'{path}' has a line of more than {_LONGEST_LINE >> 20} MB: it is no table."
            )
        line = line.rstrip(b"\r\n")
        if not started:
            line = line.removeprefix(b"\xef\xbb\xbf")
            started = bool(line) and not line.startswith(b"#")
            if not started:
                continue
        if line:
            yield line


def delimiter_of(header: bytes, path: str | os.PathLike[str]) -> bytes:
    """Tab, comma or semicolon, whichever parts the header into most cells.

    Raises:
        InputError: none of them does, or it is no text.
    """
    text = decoded(header, path)
    best = max(_DELIMITERS, key=text.count)
    if best not in text:
        raise InputError(
            f"'{path}' has one column ('{one_line(text, most=60)}'): cells must be parted by "
            "commas, tabs or semicolons."
        )
    return best.encode()


def split(line: bytes, delimiter: bytes, where: str) -> list[bytes]:
    """The cells of a line; one that is quoted may hold the delimiter.

    Raises:
        InputError: its quotes are wrong; `where` begins the sentence.
    """
    if b'"' not in line:
        return line.split(delimiter)
    if line[:1] == b'"' and line.count(b'"') == 2:  # a quoted name before numbers: quickly
        name, _, rest = line[1:].partition(b'"')
        if rest[:1] == delimiter:
            return [name, *rest[1:].split(delimiter)]
    try:
        rows = csv.reader([line.decode()], delimiter=delimiter.decode(), strict=True)
        return [cell.encode() for cell in next(rows)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{where}: it is no line of a table ({one_line(error)}).") from error


def decoded(data: bytes, path: str | os.PathLike[str]) -> str:
    """Text in UTF-8.

    Raises:
        InputError: it is not.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"'{path}' is no text in UTF-8 ({error.reason}): save the table as CSV in UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"'{path}' holds NUL characters: save the table as CSV in UTF-8.")
    return text


def read_rows(
    path: str | os.PathLike[str], *, most: int = LARGEST_CLINICAL
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a small table, without the blanks round its cells.

    Raises:
        InputError: as `lines`; or it is no table, has no rows, a column twice or a ragged row.
        OSError: it cannot be read.
    """
    content = list(lines(path, most=most))
    if not content:
        raise InputError(f"'{path}' is empty.")
    delimiter = delimiter_of(content[0], path).decode()
    texts = (decoded(line, path) + "\n" for line in content)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(texts, delimiter=delimiter)]
    except csv.Error as error:
        raise InputError(f"'{path}' is no table ({one_line(error)}).") from error
    header, *body = rows
    check_header(header, path)
    for number, row in enumerate(body, 1):
        if len(row) != len(header):
            raise InputError(ragged(path, number, len(row), len(header)))
    if not body:
        raise InputError(f"'{path}' has no rows.")
    return header, body


def read_header(path: str | os.PathLike[str]) -> list[str]:
    """The header of a table, without the blanks round its cells; see `lines`."""
    first = next(lines(path), None)
    if first is None:
        raise InputError(f"'{path}' is empty.")
    cells = split(first, delimiter_of(first, path), f"'{path}'")
    return [decoded(cell, path).strip() for cell in cells]


def check_header(header: list[str], path: str | os.PathLike[str]) -> None:
    """`InputError` where a column of a table that is read by name is there twice."""
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise InputError(f"'{path}' has the column '{one_line(twice, most=60)}' more than once.")


def ragged(path: str | os.PathLike[str], row: int, has: int, wanted: int) -> str:
    """The sentence for a row of another length than the header; rows count from 1."""
    return (
        f"'{path}', row {row}: it has {has} cells, the header has {wanted}; a cell with a "
        "delimiter in it must be quoted."
    )

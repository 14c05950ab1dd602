"""Tables as text: opened within limits, split into cells; which cells are missing."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ...errors import InputError, one_line

LARGEST = 2 << 30  # bytes of a table of numbers; 20,000 genes of 1,000 patients take 0.4 GB
LARGEST_CLINICAL = 64 << 20
_LONGEST_LINE, _MOST_LINES = 64 << 20, 1_000_000
_SMALL, _MOST_GROWTH = 8 << 20, 50  # a packed table grows by 2 to 20 times, a trap by 1,000
_DELIMITERS = ("\t", ",", ";")
_SAMPLED = 20  # rows by which the delimiter is known
_WORKBOOKS = {
    b"PK\x03\x04": "an Excel workbook (.xlsx) or another ZIP file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATOR = re.compile(rb'"?sep=.?"?[,;\t]*', re.IGNORECASE)  # a first line for Excel alone
# Names that pandas and R give to a column without a name; then names of row numbers.
_NAMELESS = re.compile(r"|unnamed: ?\d+(_level_\d+)?|\.\.\.\d+", re.IGNORECASE)
_INDEX_NAMES = frozenset(
    ("x", "index", "level_0", "row", "row_id", "rownames", "row_names", "#", "no", "no.", "nr")
)
_MANY = 20  # rows: fewer may be 1, 2, 3 ... by chance

# Cells that are missing, in small letters; TCGA puts such words into brackets.
_MISSING = frozenset(
    (
        *("", "na", "n/a", "<na>", "nan", "nat", "null", ".", "-", "--", "'--", "?", "unknown"),
        *("missing", "#n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),
        *("not available", "not applicable", "not collected", "not recorded", "not reported"),
        *("not recorded in database", "not assessed", "not evaluated", "not known"),
    )
)
_BRACKETED = re.compile(r"\[[A-Za-z /]+\]")


# Of labels, which may be "-", "?" or "unknown".
_NO_LABEL = frozenset(("", "na", "n/a", "<na>", "nan", "nat", "null", "#n/a", "'--"))


def is_missing(cell: str) -> bool:
    """Return whether a cell is missing."""
    word = cell.strip()
    return word.casefold() in _MISSING or _BRACKETED.fullmatch(word) is not None


def is_no_label(cell: str) -> bool:
    """Return whether a cell is missing in a column of labels, which may be "-" or "unknown"."""
    word = cell.strip()
    return word.casefold() in _NO_LABEL or _BRACKETED.fullmatch(word) is not None


def known(cell: str) -> str:
    """Return a cell without the blanks round it; "" where it is missing."""
    return "" if is_missing(cell) else cell.strip()


def may_be_index(name: str) -> bool:
    """Return whether a name is one of those of columns that count the rows."""
    return _NAMELESS.fullmatch(name) is not None or name.casefold() in _INDEX_NAMES


def is_index(name: str, cells: Sequence[str]) -> bool:
    """Return whether a column has no name, or holds only the numbers of its rows."""
    if _NAMELESS.fullmatch(name):
        return True
    if len(cells) < 2 or (len(cells) < _MANY and not may_be_index(name)):
        return False
    first = cells[0].removesuffix(".0")
    return first in ("0", "1") and all(
        cell.removesuffix(".0") == str(n) for n, cell in enumerate(cells, int(first))
    )


def lines(path: str | os.PathLike[str], *, most: int = LARGEST) -> Iterator[bytes]:
    """Yield the lines of a table in UTF-8, unpacked if it is packed, in little memory.

    Empty lines, and those before the header that begin with "#" or name the delimiter to Excel
    ("sep=;"), are passed over. UTF-16 with its mark, as Excel's "Unicode text" has it, is recoded.

    Raises:
        InputError: it is no file, a workbook, larger than `most` bytes, grows too much as it is
            unpacked, or has too many or too long lines.
        OSError: it cannot be read.
    """
    source = Path(path)
    if source.exists() and not source.is_file():  # a folder, or a pipe that never ends
        raise InputError(f"'{path}' is not a file. Give a table (CSV or TSV, also as .gz).")
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(
                f"'{path}' has {size >> 20} MB, and tables of at most {most >> 20} MB are read: "
                "keep the columns that are needed."
            )
        start = file.read(4)
        if start in _WORKBOOKS:
            raise InputError(
                f"'{path}' is {_WORKBOOKS[start]}, and tables are text: save the sheet as "
                "'CSV UTF-8' and give that file."
            )
        packed = start[:2] == b"\x1f\x8b"
        file.seek(0)
        opened = gzip.GzipFile(fileobj=file) if packed else file
        limit = min(most, max(_SMALL, _MOST_GROWTH * size)) if packed else most
        try:
            start = opened.read(2)
            opened.seek(0)
            yield from _lines(
                _recoded(opened, path, limit) if start in _UTF16 else opened, path, limit
            )
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"'{path}' is damaged: it cannot be unpacked ({error}).") from error


def _recoded(file: BinaryIO | gzip.GzipFile, path: str | os.PathLike[str], limit: int) -> BinaryIO:
    """Return a UTF-16 file as UTF-8."""
    data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"'{path}' has more than {limit >> 20} MB of UTF-16: save it in UTF-8.")
    try:
        return io.BytesIO(data.decode("utf-16").encode())
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is damaged: it begins as UTF-16 and is not.") from error


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
        if not started:
            line = line.removeprefix(b"\xef\xbb\xbf")
        for part in line.splitlines():  # old Macs, and Excel on new ones, end lines with CR alone
            if not started:
                passed = not part or part.startswith(b"#") or _SEPARATOR.fullmatch(part)
                started = not passed
            if started and part.strip(b",;\t "):  # a spreadsheet's empty rows have delimiters
                yield part


def delimiter_of(
    header: bytes, path: str | os.PathLike[str], sample: Sequence[bytes] = ()
) -> bytes:
    """Return tab, comma or semicolon: which parts header and rows alike into most cells.

    Args:
        header: the first line.
        path: for the message.
        sample: the next lines, if any.

    Raises:
        InputError: the header has no delimiter, or is no text.
    """
    text = decoded(header, path)
    rows = [line.decode(errors="replace") for line in sample]

    def worth(delimiter: str) -> tuple[bool, int]:
        count = _count(text, delimiter)
        # R has nothing over the names of rows.
        alike = count > 1 and all(_count(row, delimiter) - count in (0, 1) for row in rows)
        return alike, count

    best = max(_DELIMITERS, key=worth)
    if best not in text:
        raise InputError(
            f"'{path}' has one column ('{one_line(text, most=60)}'): cells must be separated by "
            "commas, tabs or semicolons."
        )
    return best.encode()


def _count(line: str, delimiter: str) -> int:
    """Return how many cells a line has; a quoted cell may hold the delimiter."""
    if '"' not in line:
        return line.count(delimiter) + 1
    try:
        return len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)))
    except csv.Error:
        return 0


def split(line: bytes, delimiter: bytes, where: str) -> list[bytes]:
    """Return the cells of a line; a quoted cell may hold the delimiter.

    Raises:
        InputError: its quotes are wrong; the message begins with `where`.
    """
    if b'"' not in line:
        return line.split(delimiter)
    if line[:1] == b'"' and line.count(b'"') == 2:  # a quoted name before numbers: quickly
        name, _, rest = line[1:].partition(b'"')
        if rest[:1] == delimiter:
            return [name, *rest[1:].split(delimiter)]
    try:
        rows = csv.reader(
            [line.decode()], delimiter=delimiter.decode(), strict=True, skipinitialspace=True
        )
        return [cell.encode() for cell in next(rows)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{where}: it is no line of a table ({one_line(error)}).") from error


def decoded(data: bytes, path: str | os.PathLike[str]) -> str:
    """Decode UTF-8.

    Raises:
        InputError: the data are no text in UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"'{path}' is no text in UTF-8 ({error.reason}): it may be in Latin-1 or another "
            "encoding of Windows. Save the table as 'CSV UTF-8'."
        ) from error
    if "\0" in text:
        raise InputError(f"'{path}' holds NUL characters: save the table as CSV in UTF-8.")
    return text


def read_rows(
    path: str | os.PathLike[str], *, most: int = LARGEST_CLINICAL, repeated: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Read header and rows of a small table, without the blanks round its cells.

    Commas, tabs or semicolons part the cells. Rows without any text, and columns with neither a
    name nor any text, are left out; the names that pandas and R give to columns without a name
    ("Unnamed: 0") are "".

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        most: bytes.
        repeated: allow a column more than once.

    Raises:
        InputError: as `lines`; or it is no table, has no rows, a column twice or a ragged row.
        OSError: it cannot be read.
    """
    content = list(lines(path, most=most))
    if not content:
        raise InputError(f"'{path}' is empty.")
    delimiter = delimiter_of(content[0], path, content[1 : 1 + _SAMPLED]).decode()
    texts = (decoded(line, path) + "\n" for line in content)
    form = {"delimiter": delimiter, "strict": True, "skipinitialspace": True}
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(texts, **form)]  # type: ignore[arg-type]
    except csv.Error as error:
        hint = "a quoted cell has no end" if "end of data" in str(error) else one_line(error)
        raise InputError(f"'{path}' is no table ({hint}).") from error
    header = ["" if _NAMELESS.fullmatch(name) else name for name in rows[0]]
    body = [_trimmed(row, len(header)) for row in rows[1:] if any(row)]
    if body and all(len(row) == len(header) + 1 for row in body):
        header.insert(0, "")  # R has nothing over the names of rows
    for number, row in enumerate(body, 1):
        if len(row) != len(header):
            raise InputError(ragged(path, number, len(row), len(header)))
    if not body:
        raise InputError(f"'{path}' has no rows.")
    if not repeated:
        check_header(header, path)
    kept = [n for n, name in enumerate(header) if name or any(row[n] for row in body)]
    return [header[n] for n in kept], [[row[n] for n in kept] for row in body]


def _trimmed(row: list[str], width: int) -> list[str]:
    """Return a row without the empty cells that a spreadsheet added behind its end."""
    return row if any(row[width:]) else row[:width]


def read_header(path: str | os.PathLike[str]) -> list[str]:
    """Read the header of a table, without the blanks round its cells; see `lines`."""
    content = list(itertools.islice(lines(path), 1 + _SAMPLED))
    if not content:
        raise InputError(f"'{path}' is empty.")
    first, *sample = content
    cells = split(first, delimiter_of(first, path, sample), f"'{path}'")
    return [decoded(cell, path).strip() for cell in cells]


def check_header(header: list[str], path: str | os.PathLike[str]) -> None:
    """Raise `InputError` where a table that is read by name has a column twice."""
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise InputError(f"'{path}' has the column '{one_line(twice, most=60)}' more than once.")


def ragged(path: str | os.PathLike[str], row: int, has: int, wanted: int) -> str:
    """Return the message for a row of another length than the header; rows count from 1."""
    return (
        f"'{path}', row {row}: it has {has} cells, the header has {wanted}; a cell with a "
        "delimiter in it must be quoted."
    )

"""The manifest: a CSV table with one row a case.

Columns: `ct` and `mask` (paths, relative to the manifest's folder or absolute); optional `case` (a
name for the outputs), `patient_id` (a cohort needs it), `roi`, `label`, `series`, `site`, `profile`
(a path: the patient's expression). Other columns, such as the labels to learn, are kept as text.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, one_line

_LARGEST = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # by Windows
_LABEL = re.compile(r"-?[0-9]{1,18}")
_KNOWN = ("ct", "mask", "case", "patient_id", "roi", "label", "series", "site", "profile")


@dataclass(frozen=True)
class Row:
    """One case of a manifest.

    `number` counts from 1, without the header; `cells` is the row as it stands in the table, and
    `columns` those of its cells that mean nothing to us.
    """

    number: int
    ct: Path
    mask: Path
    case: str
    patient_id: str
    roi: str | None
    label: int | None
    series: str | None
    site: str
    profile: Path | None
    cells: Mapping[str, str]

    @property
    def columns(self) -> dict[str, str]:
        return {name: text for name, text in self.cells.items() if name and name not in _KNOWN}


def read_manifest(
    path: str | os.PathLike[str], *, required: Sequence[str] = ("ct", "mask")
) -> list[Row]:
    """Read and check a manifest, in which no cell of the `required` columns may be empty.

    Raises:
        InputError: no such file, no CSV, no rows, a column missing, a name that cannot be a file's,
            or one name twice; the message says in which row.
        OSError: the file cannot be read.
    """
    source = Path(path)
    if source.exists() and not source.is_file():  # a folder, or a pipe that never ends
        raise InputError(f"'{path}' is no file; a manifest is a CSV table.")
    if source.is_file() and source.stat().st_size > _LARGEST:
        raise InputError(f"'{path}' is larger than {_LARGEST >> 20} MB: it is no manifest.")
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in table.fieldnames or []]
            table.fieldnames = columns
            missing = [name for name in required if name not in columns]
            if missing:
                raise InputError(_missing(path, missing, list(columns)))
            twice = [name for name in columns if name and columns.count(name) > 1]
            if twice:
                raise InputError(f"'{path}' has the column '{twice[0]}' more than once.")
            rows = [_row(path, number, cells, required) for number, cells in enumerate(table, 1)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not a CSV table in UTF-8 ({error}).") from error
    if not rows:
        raise InputError(f"'{path}' has no rows.")
    # Folders on Windows and macOS do not tell "a" from "A".
    counted = Counter(row.case.casefold() for row in rows)
    twice = [row.case for row in rows if counted[row.case.casefold()] > 1]
    if twice:
        raise InputError(f"'{path}' has the case '{twice[0]}' more than once; names must differ.")
    return rows


def _row(
    path: str | os.PathLike[str], number: int, cells: dict[str, str], required: Sequence[str]
) -> Row:
    if None in cells or None in cells.values():
        raise InputError(f"'{path}', row {number}: it has more or fewer cells than the header.")
    values = {name: value.strip() for name, value in cells.items()}
    for name in required:
        if not values[name]:
            raise InputError(f"'{path}', row {number}: the cell '{name}' is empty.")
    if any("\0" in value for value in values.values()):
        raise InputError(
            f"'{path}', row {number}: it holds a NUL character; save it as UTF-8 text."
        )
    case = values.get("case") or f"case-{number:04d}"
    if not _NAME.fullmatch(case) or case.endswith(".") or _RESERVED.match(case):
        raise InputError(
            f"'{path}', row {number}: the case '{one_line(case)}' cannot name a folder on every "
            "system; use letters, digits, '.', '_' and '-'."
        )
    label = values.get("label") or None
    if label is not None and not _LABEL.fullmatch(label):
        raise InputError(
            f"'{path}', row {number}: the label '{one_line(label)}' is not a whole number."
        )
    folder = Path(path).parent
    return Row(
        number,
        folder / values["ct"],
        folder / values["mask"],
        case,
        values.get("patient_id", ""),
        values.get("roi") or None,
        int(label) if label is not None else None,
        values.get("series") or None,
        values.get("site", ""),
        folder / values["profile"] if values.get("profile") else None,
        values,
    )


def look(path: Path) -> str:
    """What tells, without reading it, whether a file or folder is another one than before."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"


def _missing(path: str | os.PathLike[str], missing: list[str], columns: list[str]) -> str:
    named = " and ".join(f"'{name}'" for name in missing)
    found = one_line(", ".join(f"'{name}'" for name in columns[:20]) or "none")
    return f"'{path}' lacks the column {named}; it has {found}. Is the delimiter a comma?"

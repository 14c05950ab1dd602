"""The manifest: a table with one row a case, as CSV, with tabs or with semicolons.

Columns: `ct` and `mask` (paths, from the manifest's folder, absolute, or from home, `~`); optional
`case` (a name for the outputs), `patient_id` (a cohort needs it), `roi`, `label` (the value of the
tumour in a label map), `series`, `site`, `profile` (a path: the patient's expression). Other
columns, such as the labels to learn, are kept as text, unless they say who the patients are.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError, one_line
from ..identifying import identifying, identifying_cells, sentence_about
from .tables.text import decoded, delimiter_of, lines

_LARGEST = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # by Windows
_LABEL = re.compile(r"(-?[0-9]{1,18})(\.0*)?")  # 1.0 is pandas' 1
_KNOWN = ("ct", "mask", "case", "patient_id", "roi", "label", "series", "site", "profile")
_FILES = ("ct", "mask", "profile")
_EMPTY = frozenset(("", "nan", "na", "n/a", "none", "null"))


@dataclass(frozen=True)
class Row:
    """One case of a manifest.

    Attributes:
        number: from 1, without the header.
        cells: as they stand in the table, by column.
        kept: the further columns that cases keep.
        left_out: columns that identify the patients, each with the reason.
        problem: why the case cannot be read, a sentence; "" where nothing is wrong with the row.
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
    kept: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def columns(self) -> dict[str, str]:
        return {name: self.cells[name] for name in self.kept}

    def check(self) -> None:
        """Raise `InputError` where the row is faulty, or a file that it names is not there."""
        if self.problem:
            raise InputError(self.problem)
        for name in _FILES:
            path = getattr(self, name)
            if path is not None and not path.exists():
                raise InputError(self.absent(name))

    def absent(self, name: str) -> str:
        """The sentence for a file that is not there; it names it as the manifest does."""
        written = self.cells.get(name, "")
        hint = "relative paths begin at the manifest's folder"
        if re.match(r"[A-Za-z]:[\\/]|\\\\", written) and os.sep == "/":
            hint = "a path of Windows, which does not exist on this machine"
        elif str(getattr(self, name)) == written or written.startswith("~"):
            hint = "an absolute path"
        return f"There is no file or folder '{one_line(written)}' (column '{name}'; {hint})."


def read_manifest(
    path: str | os.PathLike[str],
    *,
    required: Sequence[str] = ("ct", "mask"),
    keep: Collection[str] = (),
    keep_identity: bool = False,
) -> list[Row]:
    """Read and check a manifest.

    What is wrong with one row, an empty cell of a required column say, is that row's `problem`.

    Args:
        path: CSV, or with tabs or semicolons; in UTF-8.
        required: columns that must be there, with no empty cell.
        keep: columns to keep that say who the patients are.
        keep_identity: keep names of cases that are, or have in them, the patients' IDs.

    Raises:
        InputError: no such file, no table, no rows or none that is sound, a column missing, a label
            that no mask has, a name that cannot be a file's, or one name twice; the message says in
            which row.
        OSError: the file cannot be read.
    """
    header, body = _table(path)
    columns = _known_names(header)
    missing = [name for name in required if name not in columns]
    if missing:
        raise InputError(_missing(path, missing, columns))
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise InputError(f"'{path}' has the column '{one_line(twice[0])}' more than once.")
    absent = [name for name in keep if name not in columns]
    if absent:
        raise InputError(_missing(path, absent, columns))
    if not body:
        raise InputError(f"'{path}' has no rows.")
    parsed = [_cells(path, number, row, columns) for number, row in enumerate(body, 1)]
    left_out = _left_out([cells for cells, _ in parsed], keep, keep_identity=keep_identity)
    kept = tuple(n for n in columns if n and n not in _KNOWN and n not in left_out)
    rows = [
        _row(path, number, (cells, problem or _lacking(cells, required)), kept, left_out)
        for number, (cells, problem) in enumerate(parsed, 1)
    ]
    if all(row.problem for row in rows):
        raise InputError(f"'{path}', row 1: {rows[0].problem}")
    # Folders on Windows and macOS do not tell "a" from "A".
    counted = Counter(row.case.casefold() for row in rows)
    twice = [row.case for row in rows if counted[row.case.casefold()] > 1]
    if twice:
        raise InputError(f"'{path}' has the case '{twice[0]}' more than once; names must differ.")
    return rows


def _table(path: str | os.PathLike[str]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows, without blanks round the cells and without empty rows."""
    content = list(lines(path, most=_LARGEST))
    if not content:
        raise InputError(f"'{path}' is empty: it lacks the columns 'ct' and 'mask'.")
    try:
        delimiter = delimiter_of(content[0], path).decode()
    except InputError:
        header_line = decoded(content[0], path)
        raise InputError(_missing(path, ("ct", "mask"), [header_line])) from None
    texts = (decoded(line, path) + "\n" for line in content)
    try:
        table = csv.reader(texts, delimiter=delimiter, strict=True, skipinitialspace=True)
        header, *body = [[cell.strip() for cell in row] for row in table]
    except csv.Error as error:
        raise InputError(f"'{path}' is not a CSV table ({one_line(error)}).") from error
    return header, body


def _known_names(header: Sequence[str]) -> list[str]:
    """Return the columns, known ones in the manifest's spelling: "Patient ID" is `patient_id`.

    Beside a column in this spelling, another spelling of it ("Mask") is a further column.
    """
    names = []
    for name in header:
        plain = re.sub(r"[ _-]+", "_", name.casefold())
        plain = {"patientid": "patient_id"}.get(plain, plain)
        names.append(plain if plain in _KNOWN and plain not in header else name)
    return names


def _cells(
    path: str | os.PathLike[str], number: int, row: Sequence[str], columns: Sequence[str]
) -> tuple[dict[str, str], str]:
    """Return the cells of a row by column, and its problem or ""."""
    problem = ""
    if len(row) != len(columns):
        extra = row[len(columns) :]
        if len(row) < len(columns) or any(extra):  # empty ones a spreadsheet adds
            problem = (
                f"it has more or fewer cells than the header ({len(row)}, not {len(columns)}); a "
                "cell with a delimiter in it must be quoted."
            )
        row = [*row[: len(columns)], *[""] * (len(columns) - len(row))]
    cells = dict(zip(columns, row, strict=True))
    if any("\0" in cell for cell in row):
        raise InputError(
            f"'{path}', row {number}: it holds a NUL character; save it as UTF-8 text."
        )
    return cells, problem


def _lacking(cells: Mapping[str, str], required: Sequence[str]) -> str:
    empty = [name for name in required if cells[name].casefold() in _EMPTY]
    return f"the cell '{empty[0]}' is empty." if empty else ""


def _left_out(
    rows: Sequence[Mapping[str, str]], keep: Collection[str], *, keep_identity: bool
) -> dict[str, str]:
    """Return the columns that identify the patients, with the reason; of known ones, two may."""
    patients = [cells.get("patient_id", "") for cells in rows]
    names = [name for name in rows[0] if name and name not in _KNOWN]
    columns = {name: [row[name] for row in rows] for name in names}
    left_out = identifying(columns, patients, keep=keep)
    if keep_identity:
        return left_out
    for name in ("case", "site"):  # by what stands in them: their names are ours
        cells = [row.get(name, "") for row in rows]
        why = identifying_cells(cells, patients, names=name == "case")
        if why and name not in keep:
            left_out[name] = why
    return left_out


def _row(
    path: str | os.PathLike[str],
    number: int,
    read: tuple[dict[str, str], str],
    kept: tuple[str, ...],
    left_out: Mapping[str, str],
) -> Row:
    cells, problem = read

    def value(name: str) -> str:
        cell = cells.get(name, "")
        return "" if cell.casefold() in _EMPTY else cell

    case = value("case") or f"case-{number:04d}"
    if not _NAME.fullmatch(case) or case.endswith(".") or _RESERVED.match(case):
        raise InputError(
            f"'{path}', row {number}: the case '{one_line(case)}' cannot name a folder on every "
            "system; use letters, digits, '.', '_' and '-'."
        )
    folder = Path(path).parent
    return Row(
        number,
        _resolved(folder, value("ct")),
        _resolved(folder, value("mask")),
        f"case-{number:04d}" if "case" in left_out else case,
        value("patient_id"),
        value("roi") or None,
        _label(path, number, value("label")),
        value("series") or None,
        value("site") if "site" not in left_out else "",
        _resolved(folder, value("profile")) if value("profile") else None,
        cells,
        kept,
        left_out,
        problem,
    )


def _label(path: str | os.PathLike[str], number: int, cell: str) -> int | None:
    if not cell:
        return None
    match = _LABEL.fullmatch(cell)
    meant = (
        "The column 'label' is the tumour's value in the mask's label map; if it is the class to "
        "learn, give it another name, such as 'class'."
    )
    if match is None:
        raise InputError(
            f"'{path}', row {number}: the label '{one_line(cell)}' is not a whole number. {meant}"
        )
    if int(match[1]) == 0:
        raise InputError(f"'{path}', row {number}: the label 0 is the mask's background. {meant}")
    return int(match[1])


def _resolved(folder: Path, written: str) -> Path:
    """Return the path in a cell: from the manifest's folder, from home, or with backslashes."""
    if len(written) > 1 and written[0] == written[-1] and written[0] in "\"'":
        written = written[1:-1].strip()
    if written.startswith("~"):
        try:
            return Path(written).expanduser()
        except RuntimeError:  # of a user who is not known here
            return folder / written
    path = folder / written
    if os.sep == "/" and "\\" in written and not path.exists():
        turned = folder / written.replace("\\", "/")
        return turned if turned.exists() else path
    return path


def messages_about(rows: Sequence[Row], *, columns: bool = True) -> list[str]:
    """Sentences for the terminal about what of a manifest does not go into outputs.

    Args:
        rows: of one manifest.
        columns: whether outputs would have the further columns.
    """
    left_out = rows[0].left_out
    further = {name: why for name, why in left_out.items() if columns or name == "site"}
    further.pop("case", None)
    messages = [sentence_about(further)] if further else []
    if "case" in left_out:
        messages.append(
            f"The names of the cases say who the patients are ({left_out['case']}): outputs call "
            "them case-0001 and so on. --keep-identity keeps the names."
        )
    return messages


def look(path: Path) -> str:
    """Return size and time of a file or folder, by which a change is noticed without reading it."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"


def _missing(path: str | os.PathLike[str], missing: Sequence[str], columns: Sequence[str]) -> str:
    named = " and ".join(f"'{one_line(name, most=60)}'" for name in missing)
    column = "column" if len(missing) == 1 else "columns"
    present = one_line(", ".join(f"'{name}'" for name in columns[:20]) or "none")
    return (
        f"'{path}' lacks the {column} {named}; it has {present}. Cells are separated by "
        "commas, tabs or semicolons."
    )

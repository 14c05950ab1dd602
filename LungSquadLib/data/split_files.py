"""Splits as tables: those that somebody brings, and those that a run has made."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import InputError, one_line
from ..files import whole_file
from .splits import Fold
from .store import StoredCase

SYNTHETIC = "synthetic"  # the part, and in a run the folder, of what was made to train on
_PARTS = ("train", "validation", "test")
_LARGEST = 64 << 20


def read_split(path: str | os.PathLike[str], cases: Sequence[StoredCase]) -> Fold:
    """A split that somebody made: a CSV with the columns `case` and `part`, others are left alone.

    Cases that it does not name are in no part. Rows of the part "synthetic", which runs write of
    what they inpainted, are passed over: it is made again.

    Raises:
        InputError: no such table, an unknown case or part, a case twice, or a part with no case.
        OSError: the file cannot be read.
    """
    known = {case.case for case in cases}
    part_of: dict[str, str] = {}
    for number, (case, part) in enumerate(_rows(path), 1):
        if part == SYNTHETIC:
            continue
        where = f"'{path}', row {number}: "
        if case not in known:
            raise InputError(f"{where}there is no case '{one_line(case)}' in the store.")
        if part not in _PARTS:
            raise InputError(f"{where}the part '{one_line(part)}' is none of {', '.join(_PARTS)}.")
        if case in part_of:
            raise InputError(f"{where}the case '{case}' is there for the second time.")
        part_of[case] = part
    for part in _PARTS:
        if part not in part_of.values():
            raise InputError(f"'{path}' has no case for the part '{part}'.")
    train, validation, test = (
        tuple(sorted(case for case, its in part_of.items() if its == part)) for part in _PARTS
    )
    return Fold(train, validation, test)


def write_splits(
    path: str | os.PathLike[str], rows: Iterable[tuple[int, int, Mapping[str, Sequence[str]]]]
) -> None:
    """Write folds as CSV: seed, fold, case, part; whole or not at all.

    Args:
        path: of the file.
        rows: the seed, the fold's number and its parts, by their names.
    """
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("seed", "fold", "case", "part"))
        for seed, number, parts in rows:
            for part, names in parts.items():
                table.writerows((seed, number, name, part) for name in names)


def _rows(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    source = Path(path)
    if source.exists() and not source.is_file():
        raise InputError(
            f"'{path}' is not a file. Give a CSV table with the columns case and part."
        )
    if source.is_file() and source.stat().st_size > _LARGEST:
        raise InputError(f"'{path}' is larger than {_LARGEST >> 20} MB: it is no split.")
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            for name in ("case", "part"):
                if (table.fieldnames or []).count(name) != 1:
                    raise InputError(f"'{path}' needs one column '{name}'; it has 'case,part'.")
            return [((row["case"] or "").strip(), (row["part"] or "").strip()) for row in table]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' is not a CSV table in UTF-8 ({error}).") from error

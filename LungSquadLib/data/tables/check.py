"""What tables were taken for: a report on each, before anything is made of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, understood
from ...identifying import tells_by_name
from .clinical import read_clinical
from .facts import DAYS, FACTS
from .layouts import DEEP_PROGNOSIS, Layout, layout_of, patient_column, read_mapping
from .matrix import Clinical, Dropped, Matrix
from .matrix_file import read_matrix
from .text import read_header


def check_tables(
    paths: Sequence[str | os.PathLike[str]],
    *,
    mapping: Path | None = None,
    keep_ids: bool = False,
) -> dict[str, Any]:
    """What tables were taken for, and what patients they share, for JSON.

    Tables have the numbers of their places, from 1. Patients are counted, not named. A table that
    cannot be read has a "problem" and nothing else.

    Args:
        paths: of clinical tables, matrices of expression, tables of features.
        mapping: a JSON file, see `layouts.read_mapping`.
        keep_ids: list who was left out, by their IDs.

    Raises:
        InputError: the mapping cannot be read.
        OSError: it cannot be read.
    """
    given = read_mapping(mapping) if mapping is not None else None
    kinds: dict[int, str] = {}
    problems: dict[int, str] = {}
    for number, path in enumerate(paths):
        with _noted(problems, number):
            kinds[number] = _kind(read_header(path), given)
    tables: dict[int, Clinical | Matrix] = {}
    # Clinical tables first: their patients tell which way round a matrix stands.
    for number in sorted(kinds, key=lambda n: kinds[n] != "clinical"):
        path, kind, name = paths[number], kinds[number], str(number + 1)
        with _noted(problems, number):
            if kind == "clinical":
                tables[number] = read_clinical(path, name=name, mapping=mapping)
                continue
            others = set(chain.from_iterable(table.patients for table in tables.values()))
            tables[number] = read_matrix(path, name=name, kind=kind, others=others, mapping=mapping)
    return {
        "tables": [
            _described(tables[number], keep_ids=keep_ids)
            if number in tables
            else {"table": number + 1, "problem": problems[number]}
            for number in range(len(paths))
        ],
        "common": _common([tables[number] for number in sorted(tables)]),
    }


@contextmanager
def _noted(problems: dict[int, str], number: int) -> Iterator[None]:
    """Keep in mind why a table cannot be read, and go on."""
    try:
        yield
    except (InputError, OSError) as error:
        problems[number] = str(understood(error))


def _kind(header: Sequence[str], mapping: Layout | None) -> str:
    """What a table is read as: "clinical", "features" or "expression"."""
    layout = layout_of(header, mapping)
    facts = len({*FACTS, *DAYS} & set(header))
    further = sum(not tells_by_name(name) for name in header)
    if layout is not None and layout is not DEEP_PROGNOSIS:
        clinical = layout is mapping or layout.signature or 2 * facts >= further
        return "clinical" if clinical else "features"
    first = patient_column(header[:1])
    return "features" if layout or first else "expression"


def _described(table: Clinical | Matrix, *, keep_ids: bool) -> dict[str, Any]:
    left_out = Counter(one.why for one in table.dropped)
    result: dict[str, Any] = {
        "table": int(table.name),
        **(_clinical(table) if isinstance(table, Clinical) else _matrix(table)),
        "facts": {
            fact: dict(Counter(filter(None, table.facts[fact])).most_common())
            for fact, values in FACTS.items()
            if values is not None and fact in table.facts
        },
        "left_out": dict(left_out.most_common()),
        "notes": list(table.notes),
    }
    if keep_ids:
        result["dropped"] = _listed(table.dropped)
    return result


def _clinical(table: Clinical) -> dict[str, Any]:
    cells = list(chain.from_iterable(table.facts.values()))
    return {
        "taken_for": "clinical table",
        "layout": table.layout,
        "patients": len(table.patients),
        "columns": len(table.facts),
        "missing": round(cells.count("") / max(len(cells), 1), 4),
        "words": [vars(word) for word in table.words],
    }


def _matrix(table: Matrix) -> dict[str, Any]:
    return {
        "taken_for": "expression" if table.kind == "expression" else "features of patients",
        "patients": len(table.patients),
        "columns": len(table.columns),
        "missing": round(float(np.isnan(table.values).mean()), 4),
        "scale": table.scale,
    }


def _common(tables: Sequence[Clinical | Matrix]) -> list[dict[str, Any]]:
    """How many patients each two tables share."""
    return [
        {
            "tables": [int(one.name), int(other.name)],
            "patients": len(set(one.patients) & set(other.patients)),
        }
        for number, one in enumerate(tables)
        for other in tables[number + 1 :]
    ]


def _listed(dropped: Iterable[Dropped]) -> list[dict[str, str]]:
    return [{"patient": one.patient, "why": one.why} for one in dropped]

"""A report on tables before they are used: layout, patients, facts, and what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, understood
from ...identifying import is_identifying_name
from .clinical import read_clinical
from .facts import FACTS
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
    """Return how each table is read, and how many patients tables share, for JSON.

    Tables are numbered from 1 in the given order. Patients are counted, not named. A table that
    cannot be read has a "problem" and nothing else.

    Args:
        paths: of clinical tables, matrices of expression, tables of features.
        mapping: a JSON file, see `layouts.read_mapping`.
        keep_ids: list the patients who were left out by their IDs.

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
    # Clinical tables first: by their patients the orientation of a matrix is known.
    for number in sorted(kinds, key=lambda n: kinds[n] != "clinical"):
        path, kind, name = paths[number], kinds[number], str(number + 1)
        with _noted(problems, number):
            if kind == "clinical":
                tables[number] = read_clinical(path, name=name, mapping=mapping)
                continue
            patients = set(chain.from_iterable(table.patients for table in tables.values()))
            tables[number] = read_matrix(
                path, name=name, kind=kind, known_patients=patients, mapping=mapping
            )
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
    """Note why a table cannot be read, and go on."""
    try:
        yield
    except (InputError, OSError) as error:
        problems[number] = str(understood(error))


def _kind(header: Sequence[str], mapping: Layout | None) -> str:
    """Return the kind of a table: "clinical", "features" or "expression"."""
    layout = layout_of(header, mapping)
    facts = len(FACTS.keys() & set(header))
    further = sum(not is_identifying_name(name) for name in header)
    if layout is not None and layout is not DEEP_PROGNOSIS:
        clinical = layout is mapping or layout.signature or 2 * facts >= further
        return "clinical" if clinical else "features"
    first = patient_column(header[:1])
    return "features" if layout or first else "expression"


def _described(table: Clinical | Matrix, *, keep_ids: bool) -> dict[str, Any]:
    left_out = Counter(entry.why for entry in table.dropped)
    result: dict[str, Any] = {
        "table": int(table.name),
        **(_clinical(table) if isinstance(table, Clinical) else _matrix(table)),
        "facts": {
            fact: dict(Counter(filter(None, table.facts[fact])).most_common())
            for fact, its in FACTS.items()
            if its.values is not None and fact in table.facts
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
        "kind": "clinical table",
        "layout": table.layout,
        "patients": len(table.patients),
        "columns": len(table.facts),
        "missing": round(cells.count("") / max(len(cells), 1), 4),
        "readings": [vars(reading) for reading in table.readings],
    }


def _matrix(table: Matrix) -> dict[str, Any]:
    return {
        "kind": "expression" if table.kind == "expression" else "features of patients",
        "patients": len(table.patients),
        "columns": len(table.columns),
        "missing": round(float(np.isnan(table.values).mean()), 4),
        "scale": table.scale,
    }


def _common(tables: Sequence[Clinical | Matrix]) -> list[dict[str, Any]]:
    """Return how many patients each two tables share."""
    return [
        {
            "tables": [int(first.name), int(second.name)],
            "patients": len(set(first.patients) & set(second.patients)),
        }
        for first, second in combinations(tables, 2)
    ]


def _listed(dropped: Iterable[Dropped]) -> list[dict[str, str]]:
    return [{"patient": entry.patient, "why": entry.why} for entry in dropped]

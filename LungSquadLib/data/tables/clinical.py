"""Clinical tables: read into facts of patients, repeated columns merged, columns as numbers."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import InputError, one_line
from .facts import FACTS
from .layouts import KNOWN, Layout, layout_of, read_mapping
from .matrix import Clinical, Dropped, Matrix
from .number_columns import read_number_column, sentinels
from .patient_facts import facts_of_patients
from .patients import patient_of
from .text import known, read_rows

_MOST_VALUES = 50  # of a category: more are no category


def read_clinical(
    path: str | os.PathLike[str],
    *,
    name: str = "clinical",
    mapping: Path | None = None,
    keep: Collection[str] = (),
) -> Clinical:
    """Read a clinical table of a known layout, or of the layout in a mapping file.

    Rows of the same patient are merged; a fact in which they differ is left empty and listed.
    Columns that identify patients, see `identifying`, are not kept.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        name: of the source.
        mapping: a JSON file, see `layouts.read_mapping`; used where the table has all its columns.
        keep: columns to keep though they identify the patients.

    Raises:
        InputError: the table or the mapping cannot be read, or its layout is not known.
        OSError: a file cannot be read.
    """
    header, rows = read_rows(path, repeated=True)
    given = read_mapping(mapping) if mapping is not None else None
    layout = layout_of(header, given)
    if layout is None:
        raise InputError(_unknown(path, header, given))
    patient_column = header.index(layout.patient)
    # TCGA's biotab files repeat the names of the columns in two more rows.
    repeated = (layout.patient, "CDE_ID:")
    rows = [row for row in rows if not row[patient_column].startswith(repeated)]
    rows, redacted = _without_redacted(header, rows, patient_column, name)
    if not rows:
        raise InputError(f"'{path}' has no patients.")
    merged = merged_columns(path, header, rows, layout, name)
    cells = dict(merged.columns)
    facts = facts_of_patients(cells.pop(layout.patient), cells, layout, source=name, keep=keep)
    return Clinical(
        name,
        layout.name,
        facts.patients,
        facts.columns,
        (*redacted, *merged.dropped, *facts.dropped),
        (*facts.notes, *merged.notes),
        facts.readings,
    )


def clinical_matrix(clinical: Clinical, columns: Sequence[str]) -> Matrix:
    """Return columns as numbers: numeric columns as they are, categories one-hot encoded.

    Raises:
        InputError: there is no such column, it is empty, has more values than a category has, or
            most of its cells are numbers and some are not.
    """
    names: list[str] = []
    parts: list[np.ndarray] = []
    notes: list[str] = []
    for column in dict.fromkeys(columns):
        if column not in clinical.facts:
            listed = ", ".join(f"'{one_line(name, most=40)}'" for name in list(clinical.facts)[:30])
            raise InputError(
                f"'{clinical.name}' has no column '{one_line(column)}'; it has {listed}."
            )
        cells = clinical.facts[column]
        values = sorted(set(cells) - {""})
        numbers = read_number_column(cells)
        invalid = numbers.invalid_rows
        if numbers.is_numeric and invalid:
            listed = ", ".join(f"'{one_line(cells[n], most=30)}'" for n in invalid[:3])
            raise InputError(
                f"The column '{one_line(column)}' of '{clinical.name}' is of numbers, but "
                f"{len(invalid)} of its cells hold something else ({listed}): write numbers there, "
                "or leave these cells empty."
            )
        if not values or (invalid and len(values) > _MOST_VALUES):
            raise InputError(
                f"The column '{one_line(column)}' of '{clinical.name}' has {len(values)} values: "
                "it is neither numbers nor a category. Leave it out."
            )
        if numbers.is_numeric:
            names.append(column)
            parts.append(np.array(numbers.values, np.float32)[:, None])
            if numbers.note:
                notes.append(f"The column '{column}' was read with {numbers.note}.")
            continue
        names += [f"{column}={value}" for value in values]
        one_hot = np.array([[cell == value for value in values] for cell in cells], np.float32)
        one_hot[[cell == "" for cell in cells]] = np.nan
        parts.append(one_hot)
    if not parts:
        raise InputError(f"No column of '{clinical.name}' was named for the source of numbers.")
    table = np.concatenate(parts, axis=1)
    notes += [
        f"The number {value:g} lies far from all other numbers of its column: if it stands for "
        "a missing value, empty these cells."
        for value in sentinels(table)
    ]
    scale = "as the table has them; a category's value is 1 or 0"
    return Matrix(
        clinical.name,
        "clinical",
        clinical.patients,
        tuple(names),
        table,
        scale,
        notes=tuple(notes),
    )


def _without_redacted(
    header: Sequence[str], rows: list[list[str]], patient_column: int, name: str
) -> tuple[list[list[str]], list[Dropped]]:
    """Remove the patients whom TCGA withdrew, by a word in the column Redaction."""
    if "Redaction" not in header:
        return rows, []
    redaction = header.index("Redaction")
    withdrawn = [patient_of(row[patient_column]) for row in rows if known(row[redaction])]
    kept = [row for row in rows if not known(row[redaction])]
    return kept, [Dropped(patient, name, "withdrawn by TCGA") for patient in withdrawn]


def _unknown(path: str | os.PathLike[str], header: Sequence[str], mapping: Layout | None) -> str:
    listed = ", ".join(f"'{one_line(name, most=40)}'" for name in header[:8])
    lacking = (mapping.named | {mapping.patient}) - set(header) if mapping else set()
    mapped = f" It lacks the mapping's '{one_line(min(lacking), most=60)}'." if lacking else ""
    return (
        f"'{path}' has no known layout ({'; '.join(layout.name for layout in KNOWN)}); its "
        f"columns begin {listed}.{mapped} Write a mapping file with the fact of each column."
    )


class MergedColumns(NamedTuple):
    """Columns by name, each once; facts in which repeated columns differ; sentences."""

    columns: dict[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def merged_columns(
    path: str | os.PathLike[str],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    layout: Layout,
    source: str,
) -> MergedColumns:
    """Merge columns that a table has more than once, as TCGA's biotab has the histology.

    Columns of a fact agree where they are read as the same value ("Lung Adenocarcinoma" and "Lung
    Adenocarcinoma Mixed Subtype"); where they do not, the fact is left empty and listed. Other
    columns with different cells are left out.

    Args:
        path: for the sentence.
        header: C names, some repeated.
        rows: of C cells each.
        layout: which column has which fact.
        source: the name of the table in `dropped`.

    Raises:
        InputError: the table has two columns of the patients' IDs, which differ.
    """
    facts = {column: fact for fact, names in layout.columns.items() for column in names}
    facts |= {n: n for n, fact in FACTS.items() if fact.kept and n not in layout.columns}
    columns: dict[str, tuple[str, ...]] = {}
    dropped: list[Dropped] = []
    notes: list[str] = []
    ids = header.index(layout.patient)
    for name in dict.fromkeys(header):
        repeats = [n for n, column in enumerate(header) if column == name]
        if len(repeats) == 1 or not name:
            columns[name] = tuple(row[repeats[0]] for row in rows)
            continue
        cells = [
            tuple(dict.fromkeys(filter(None, (known(row[n]) for n in repeats)))) for row in rows
        ]
        differing = [n for n, texts in enumerate(cells) if len(texts) > 1]
        quoted = f"'{one_line(name, most=60)}'"
        if differing and name == layout.patient:
            raise InputError(
                f"'{path}' has the column {quoted} {len(repeats)} times, and in row "
                f"{differing[0] + 1} they name different patients: remove the wrong column."
            )
        fact = facts.get(name)
        if differing and fact is None:
            notes.append(f"The column {quoted} is repeated with different cells: left out.")
            continue
        values = [_consensus(fact, texts, layout) for texts in cells]
        for n, texts in enumerate(cells):
            if len(texts) > 1 and not values[n]:
                both = " and ".join(f"'{one_line(text, most=40)}'" for text in texts)
                dropped.append(
                    Dropped(patient_of(rows[n][ids]), source, f"{fact} is left empty: {both}")
                )
        columns[name] = tuple(values)
        notes.append(f"The table has the column {quoted} {len(repeats)} times: merged.")
    return MergedColumns(columns, tuple(dropped), tuple(notes))


def _consensus(fact: str | None, texts: Sequence[str], layout: Layout) -> str:
    """Return the text of repeated cells; "" where they are different values of the fact."""
    if len(texts) < 2 or fact is None:
        return texts[0] if texts else ""
    words = layout.words.get(fact, {})
    values = {words.get(text, FACTS[fact].parse(text) or text) for text in texts}
    return texts[0] if len(values) == 1 else ""

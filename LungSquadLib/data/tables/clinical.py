"""Clinical tables: read into facts of patients, repeated columns merged, columns as numbers."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import InputError, one_line
from .facts import FACTS, taken
from .layouts import KNOWN, Layout, layout_of, read_mapping
from .matrix import Clinical, Dropped, Matrix
from .number_columns import read_numerals, sentinels
from .patient_facts import harmonise
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
    """Read a clinical table of a known layout, or of one that a mapping describes.

    Rows of one patient are merged; a fact that they contradict each other in is left empty and
    listed. Columns that say who a patient is, see `identifying`, are not kept.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        name: of the source.
        mapping: a JSON file, see `layouts.read_mapping`; it counts where the table has all its
            columns, or is of no known layout.
        keep: columns to keep though they say who the patients are.

    Raises:
        InputError: the table or the mapping cannot be read, or its layout is not known.
        OSError: a file cannot be read.
    """
    header, rows = read_rows(path, repeated=True)
    given = read_mapping(mapping) if mapping is not None else None
    layout = layout_of(header, given)
    if layout is None:
        raise InputError(_unknown(path, header, given))
    place = header.index(layout.patient)
    # The real biotab says again what its columns are, twice.
    rows = [row for row in rows if not row[place].startswith((layout.patient, "CDE_ID:"))]
    rows, redacted = _without_redacted(header, rows, place, name)
    if not rows:
        raise InputError(f"'{path}' has no patients.")
    merged = merged_columns(path, header, rows, layout, name)
    cells = dict(merged.columns)
    facts = harmonise(cells.pop(layout.patient), cells, layout, source=name, keep=keep)
    return Clinical(
        name,
        layout.name,
        facts.patients,
        facts.columns,
        (*redacted, *merged.dropped, *facts.dropped),
        (*facts.notes, *merged.notes),
        facts.words,
    )


def clinical_matrix(clinical: Clinical, columns: Sequence[str]) -> Matrix:
    """Numbers of some columns: a column of numbers as it is, of any other one for each value.

    Raises:
        InputError: there is no such column, it says nothing, has more values than a category has,
            or most of its cells are numbers and some are not.
    """
    names: list[str] = []
    parts: list[np.ndarray] = []
    notes: list[str] = []
    for column in dict.fromkeys(columns):
        if column not in clinical.facts:
            listed = ", ".join(f"'{one_line(one, most=40)}'" for one in list(clinical.facts)[:30])
            raise InputError(
                f"'{clinical.name}' has no column '{one_line(column)}'; it has {listed}."
            )
        cells = clinical.facts[column]
        values = sorted(set(cells) - {""})
        found = read_numerals(cells)
        if found.mostly and found.odd:
            odd = ", ".join(f"'{one_line(cells[n], most=30)}'" for n in found.odd[:3])
            raise InputError(
                f"The column '{one_line(column)}' of '{clinical.name}' is of numbers, but "
                f"{len(found.odd)} of its cells hold something else ({odd}): write numbers there, "
                "or leave these cells empty."
            )
        if not values or (found.odd and len(values) > _MOST_VALUES):
            raise InputError(
                f"The column '{one_line(column)}' of '{clinical.name}' has {len(values)} values: "
                "it is neither numbers nor a category. Leave it out."
            )
        if found.mostly:
            names.append(column)
            parts.append(np.array(found.values, np.float32)[:, None])
            notes += [f"The column '{column}' was read with {found.note}."] if found.note else []
            continue
        names += [f"{column}={value}" for value in values]
        made = np.array([[cell == value for value in values] for cell in cells], np.float32)
        made[[cell == "" for cell in cells]] = np.nan
        parts.append(made)
    if not parts:
        raise InputError(f"No column of '{clinical.name}' was named to make numbers of.")
    table = np.concatenate(parts, axis=1)
    notes += [
        f"The number {value:g} lies far from all others of its column: if it says that nothing is "
        "known, empty these cells."
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
    header: Sequence[str], rows: list[list[str]], place: int, name: str
) -> tuple[list[list[str]], list[Dropped]]:
    """TCGA withdraws patients by a word in the column Redaction."""
    if "Redaction" not in header:
        return rows, []
    redaction = header.index("Redaction")
    gone = [patient_of(row[place]) for row in rows if known(row[redaction])]
    kept = [row for row in rows if not known(row[redaction])]
    return kept, [Dropped(patient, name, "withdrawn by TCGA") for patient in gone]


def _unknown(path: str | os.PathLike[str], header: Sequence[str], mapping: Layout | None) -> str:
    listed = ", ".join(f"'{one_line(name, most=40)}'" for name in header[:8])
    lacking = (mapping.named | {mapping.patient}) - set(header) if mapping else set()
    mapped = f" It lacks the mapping's '{one_line(min(lacking), most=60)}'." if lacking else ""
    return (
        f"'{path}' is of no layout that is known ({'; '.join(one.name for one in KNOWN)}); its "
        f"columns begin {listed}.{mapped} Say in a mapping file which column has which fact."
    )


class Merged(NamedTuple):
    """Columns by name, each once; facts that its repetitions contradict; sentences."""

    columns: dict[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def merged_columns(
    path: str | os.PathLike[str],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    layout: Layout,
    source: str,
) -> Merged:
    """One column of each name: what its repetitions say, where they agree.

    Those of a fact agree where they are taken for the same value ("Lung Adenocarcinoma" and "Lung
    Adenocarcinoma Mixed Subtype"); where they do not, the fact is left empty and listed. Other
    columns with different cells are left out.

    Args:
        path: for the sentence.
        header: C names, some more than once.
        rows: of C cells each.
        layout: which column has which fact.
        source: what the table is called in `dropped`.

    Raises:
        InputError: the column of the patients' IDs is there twice, and differs.
    """
    facts = {column: fact for fact, names in layout.columns.items() for column in names}
    facts |= {fact: fact for fact in FACTS if fact not in layout.columns}
    columns: dict[str, tuple[str, ...]] = {}
    dropped: list[Dropped] = []
    notes: list[str] = []
    ids = header.index(layout.patient)
    for name in dict.fromkeys(header):
        places = [n for n, one in enumerate(header) if one == name]
        if len(places) == 1 or not name:
            columns[name] = tuple(row[places[0]] for row in rows)
            continue
        cells = [
            tuple(dict.fromkeys(filter(None, (known(row[n]) for n in places)))) for row in rows
        ]
        differing = [n for n, said in enumerate(cells) if len(said) > 1]
        shown = one_line(name, most=60)
        if differing and name == layout.patient:
            raise InputError(
                f"'{path}' has the column '{shown}' {len(places)} times, and in row "
                f"{differing[0] + 1} they name different patients: take one out."
            )
        fact = facts.get(name)
        if differing and fact is None:
            notes.append(f"The column '{shown}' is there twice with different cells: left out.")
            continue
        agreed = [_agreed(fact, said, layout) for said in cells]
        for n, said in enumerate(cells):
            if len(said) > 1 and not agreed[n]:
                both = " and ".join(f"'{one_line(one, most=40)}'" for one in said)
                dropped.append(
                    Dropped(patient_of(rows[n][ids]), source, f"{fact} is left empty: {both}")
                )
        columns[name] = tuple(agreed)
        notes.append(f"The column '{shown}' is there {len(places)} times and was merged.")
    return Merged(columns, tuple(dropped), tuple(notes))


def _agreed(fact: str | None, said: Sequence[str], layout: Layout) -> str:
    """What cells say together; "" where they contradict each other."""
    if len(said) < 2 or fact is None:
        return said[0] if said else ""
    own = layout.words.get(fact, {})
    values = {own.get(one, taken(fact, one) or one) for one in said}
    return said[0] if len(values) == 1 else ""

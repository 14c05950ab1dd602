"""Columns that a table has more than once, as TCGA's biotab has the histology."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import InputError, one_line
from .layouts import Layout
from .matrix import Dropped
from .patients import patient_of
from .text import known
from .words import FACTS, taken


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

"""Joins tables by patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ...identity import pseudonyms
from .harmonise import agreed
from .matrix import Clinical, Dropped, Joined, Matrix
from .patients import PSEUDONYM, form_of
from .words import FACTS


def join(
    matrices: Sequence[Matrix], clinicals: Sequence[Clinical] = (), *, keep_ids: bool = False
) -> Joined:
    """Tables of the same patients side by side: every patient of whom there are numbers.

    Facts of several tables are merged; one that they contradict each other in is left empty and
    listed. Stores have pseudonyms already; IDs of other tables are matched to them.

    Args:
        matrices: sources, each with a name of its own.
        clinicals: whose facts are taken; without matrices, their patients are joined.
        keep_ids: leave IDs as they are. Without it, they become pseudonyms, which takes a tenth of
            a second each.

    Raises:
        InputError: two sources have one name, or a table has no patient in common with the others.
    """
    names = [matrix.name.casefold() for matrix in matrices]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"Two sources are called '{twice}': give each a name of its own.")
    tables: list[Matrix | Clinical] = [*matrices, *clinicals]
    if not tables:
        raise InputError("There is no table to join.")
    hidden = _hidden(tables)
    _check_common(tables, hidden)  # before pseudonyms are made, which takes long
    name_of = _names(tables, hidden, keep_ids=keep_ids)
    inside = {name_of[one] for table in matrices or clinicals for one in table.patients}
    patients = tuple(sorted(inside))
    facts, dropped = _facts(patients, tables, name_of)
    dropped += [
        Dropped(name_of[patient], table.name, "in no source of numbers")
        for table in clinicals
        for patient in table.patients
        if name_of[patient] not in inside
    ]
    dropped += [
        replace(one, patient=name_of[one.patient]) for table in tables for one in table.dropped
    ]
    sources = tuple(_aligned(matrix, patients, name_of) for matrix in matrices)
    listed = sorted(set(dropped), key=lambda one: (one.source, one.patient, one.why))
    notes = tuple(f"{table.name}: {note}" for table in tables for note in table.notes)
    return Joined(patients, sources, facts, tuple(listed), notes)


def _hidden(tables: Iterable[Matrix | Clinical]) -> dict[str, str]:
    """The pseudonym of each patient, where a table has pseudonyms that must be matched; or {}."""
    named = _named(tables)
    given = {one for one in named if PSEUDONYM.fullmatch(one)}
    return {**{one: one for one in given}, **pseudonyms(named - given)} if given else {}


def _named(tables: Iterable[Matrix | Clinical]) -> set[str]:
    """All patients that are in tables, or were left out of them."""
    return {
        one
        for table in tables
        for one in (*table.patients, *(dropped.patient for dropped in table.dropped))
    }


def _names(
    tables: Iterable[Matrix | Clinical], hidden: Mapping[str, str], *, keep_ids: bool
) -> Mapping[str, str]:
    """What each patient is called in the result."""
    named = _named(tables)
    if not keep_ids:
        return hidden or pseudonyms(named)
    back = {its: one for one, its in hidden.items() if one != its}
    return {one: back.get(one, one) for one in named}


def _check_common(tables: Sequence[Matrix | Clinical], hidden: Mapping[str, str]) -> None:
    """`InputError` where a table shares no patient with any other."""
    sets = [{hidden.get(one, one) for one in table.patients} for table in tables]
    for number, (table, own) in enumerate(zip(tables, sets, strict=True)):
        others = [one for n, one in enumerate(sets) if n != number]
        if others and not own & set().union(*others):
            other = tables[1 if number == 0 else 0]
            raise InputError(
                f"No patient of '{table.name}' is in another table: their IDs do not match (they "
                f"are like {form_of(table.patients[0])} there, like {form_of(other.patients[0])} "
                f"in '{other.name}')."
            )


def _facts(
    patients: Sequence[str], tables: Sequence[Matrix | Clinical], name_of: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], list[Dropped]]:
    """Facts of all tables in the order of the patients, and contradictions."""
    rows = [{name_of[one]: n for n, one in enumerate(table.patients)} for table in tables]
    found = {name for table in tables for name in table.facts}
    names = [*(name for name in FACTS if name in found), *sorted(found - set(FACTS))]
    facts: dict[str, list[str]] = {name: [] for name in names}
    dropped = []
    for patient in patients:
        said: dict[str, set[str]] = {name: set() for name in names}
        for table, row in zip(tables, rows, strict=True):
            if (number := row.get(patient)) is not None:
                for name, cells in table.facts.items():
                    said[name].add(cells[number])
        values, empty = agreed({name: texts - {""} for name, texts in said.items()})
        dropped += [Dropped(patient, "several tables", why) for why in empty]
        for name, value in values.items():
            facts[name].append(value)
    return {name: tuple(values) for name, values in facts.items()}, dropped


def _aligned(matrix: Matrix, patients: Sequence[str], name_of: Mapping[str, str]) -> Matrix:
    """The rows of some patients, NaN where the matrix lacks one."""
    place = {patient: n for n, patient in enumerate(patients)}
    rows = [place[name_of[one]] for one in matrix.patients]
    if rows == list(range(len(patients))):
        return replace(matrix, patients=tuple(patients), facts={}, dropped=(), notes=())
    values = np.full((len(patients), len(matrix.columns)), np.nan, np.float32)
    values[rows] = matrix.values
    return replace(matrix, patients=tuple(patients), values=values, facts={}, dropped=(), notes=())

"""Tables joined by patient, and the folder they are written to.

`join.json` lists the sources and where they came from, `source-NAME.npy` has a source's numbers
(float32, a row a patient) and `source-NAME.columns.json` the names of its columns, `facts.csv` the
patients, in the order of all rows, with their facts, and `dropped.csv` who was left out.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from ... import __version__
from ...errors import InputError, parsing
from ...fields import Fields, parsed_json
from ...files import whole_folder, write_csv, write_json
from ...identity import pseudonyms
from ...models.inputs import KINDS, read_cube
from ..store import refuse_newer
from .facts import FACTS
from .matrix import Clinical, Dropped, Joined, Matrix
from .patient_facts import agreed
from .patients import PSEUDONYM, form_of


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


JOIN, FACTS_FILE, DROPPED_FILE = "join.json", "facts.csv", "dropped.csv"
FORMAT_VERSION = 1
_DROPPED = ("patient", "source", "why")
_LARGEST_JSON = 64 << 20
_MOST_SOURCES, _MOST_PATIENTS, _MOST_COLUMNS = 32, 1_000_000, 1_000_000


def write_joined(
    folder: str | os.PathLike[str], joined: Joined, *, inputs: Mapping[str, Sequence[str]]
) -> None:
    """Write joined tables, all or nothing.

    Args:
        folder: where; it may be there, and what else lies in it stays.
        joined: names of its sources are fit for files.
        inputs: SHA-256 of the files that each source came from.

    Raises:
        InputError: something is in the way.
        OSError: it cannot be written.
    """
    described = {
        "format_version": FORMAT_VERSION,
        "lungsquad": __version__,
        "notice": "Research software, not a medical device.",
        "patients": len(joined.patients),
        "sources": [
            {
                "name": one.name,
                "kind": one.kind,
                "columns": len(one.columns),
                "scale": one.scale,
                "extractor": one.extractor,
                "cube": None if one.cube is None else asdict(one.cube),
            }
            for one in joined.sources
        ],
        "notes": list(joined.notes),
        "inputs": {name: list(hashes) for name, hashes in inputs.items()},
    }
    with whole_folder(folder, last=JOIN) as temporary:
        for one in joined.sources:
            np.save(temporary / _numbers(one.name), one.values.astype("<f4", copy=False))
            write_json(temporary / _columns(one.name), list(one.columns))
        rows = [
            {"patient": patient, **{name: cells[n] for name, cells in joined.facts.items()}}
            for n, patient in enumerate(joined.patients)
        ]
        write_csv(temporary / FACTS_FILE, ("patient", *joined.facts), rows, exact=True)
        dropped = [vars(one) for one in joined.dropped]
        write_csv(temporary / DROPPED_FILE, _DROPPED, dropped, exact=True)
        write_json(temporary / JOIN, described)


def open_joined(folder: str | os.PathLike[str]) -> Joined:
    """The joined tables that `write_joined` wrote.

    Raises:
        InputError: there are none, a newer version wrote them, or they are damaged.
        OSError: they cannot be read.
    """
    place = Path(folder)
    if not (place / JOIN).is_file():
        raise InputError(
            f"'{folder}' holds no joined tables: make them with `lungsquad tables join`."
        )
    with parsing(place, "a folder of joined tables"):
        fields = Fields(_json(place / JOIN), "it")
        version, wrote = fields.integer("format_version", 1, 1 << 30), fields.text("lungsquad")
        refuse_newer(place, version, FORMAT_VERSION, wrote=wrote)
        count = fields.integer("patients", 1, _MOST_PATIENTS)
        names, rows = _table(place / FACTS_FILE)
        if names[0] != "patient" or len(rows) != count or len(set(names)) < len(names):
            raise ValueError(f"{FACTS_FILE} does not have a row for each patient")
        patients, *cells = zip(*rows, strict=True)
        if len(set(patients)) < count:
            raise ValueError("a patient is there twice")
        sources = fields.items("sources", partial(_source, place, patients), most=_MOST_SOURCES)
        if len({one.name.casefold() for one in sources}) < len(sources):
            raise ValueError("two sources have one name")
        facts = dict(zip(names[1:], cells, strict=True))
        head, dropped = _table(place / DROPPED_FILE)
        if head != list(_DROPPED):
            raise ValueError(f"{DROPPED_FILE} is another table")
        notes = fields.texts("notes", most=1000)
        return Joined(patients, sources, facts, tuple(Dropped(*row) for row in dropped), notes)


def is_joined(folder: str | os.PathLike[str]) -> bool:
    """Whether there are joined tables in a folder."""
    return (Path(folder) / JOIN).is_file()


def _source(place: Path, patients: tuple[str, ...], fields: Fields) -> Matrix:
    name, kind = fields.identifier("name"), fields.identifier("kind")
    columns, width = _json(place / _columns(name)), fields.integer("columns", 0, _MOST_COLUMNS)
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        raise ValueError(f"the columns of '{name}' are no list of names")
    if kind not in KINDS or len(set(columns)) < len(columns) or len(columns) != width:
        raise ValueError(f"the source '{name}' is not what it is said to be")
    # Mapped before it is read: a file that says it is huge takes no memory.
    values = np.load(place / _numbers(name), mmap_mode="r", allow_pickle=False)
    if values.dtype != "<f4" or values.shape != (len(patients), width):
        raise ValueError(f"the numbers of '{name}' are not a row for each patient")
    values = np.array(values, np.float32)
    if np.isinf(values).any():
        raise ValueError(f"a number of '{name}' is infinite")
    extractor = fields.digest("extractor", digits=64) if fields.has("extractor") else None
    cube = read_cube(fields.child("cube")) if fields.has("cube") else None
    scale = fields.text("scale", most=400)
    fields.end()
    return Matrix(name, kind, patients, tuple(columns), values, scale, extractor, cube)


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows, all equally long, of a table of ours."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    if not header or any(len(row) != len(header) for row in rows):
        raise ValueError(f"{path.name} has a ragged row")
    return header, rows


def _json(path: Path) -> object:
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"{path.name} is too large")
    return parsed_json(path.read_text(encoding="utf-8"))


def _numbers(name: str) -> str:
    return f"source-{name}.npy"


def _columns(name: str) -> str:
    return f"source-{name}.columns.json"

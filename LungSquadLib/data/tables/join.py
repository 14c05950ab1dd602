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
from .patient_facts import consensus
from .patients import PSEUDONYM, form_of


def join(
    matrices: Sequence[Matrix], clinicals: Sequence[Clinical] = (), *, keep_ids: bool = False
) -> Joined:
    """Join tables by patient: every patient of whom there are numbers.

    Facts of several tables are merged; a fact in which they contradict each other is left empty and
    listed. Stores have pseudonyms already; IDs of other tables are matched to them.

    Args:
        matrices: sources of numbers, with different names.
        clinicals: tables of facts; without matrices, their patients are joined.
        keep_ids: leave IDs as they are. Without it, they become pseudonyms, which takes a tenth of
            a second each.

    Raises:
        InputError: two sources have the same name, or a table shares no patient with another.
    """
    names = [matrix.name.casefold() for matrix in matrices]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"Two sources are called '{twice}': give them different names.")
    tables: list[Matrix | Clinical] = [*matrices, *clinicals]
    if not tables:
        raise InputError("There is no table to join.")
    pseudonym_of = _pseudonyms(tables)
    _check_common(tables, pseudonym_of)  # before pseudonyms are made, which takes long
    name_of = _names(tables, pseudonym_of, keep_ids=keep_ids)
    kept = {name_of[patient] for table in matrices or clinicals for patient in table.patients}
    patients = tuple(sorted(kept))
    facts, dropped = _facts(patients, tables, name_of)
    dropped += [
        Dropped(name_of[patient], table.name, "in no source of numbers")
        for table in clinicals
        for patient in table.patients
        if name_of[patient] not in kept
    ]
    dropped += [
        replace(entry, patient=name_of[entry.patient])
        for table in tables
        for entry in table.dropped
    ]
    sources = tuple(_aligned(matrix, patients, name_of) for matrix in matrices)
    listed = sorted(set(dropped), key=lambda entry: (entry.source, entry.patient, entry.why))
    notes = tuple(f"{table.name}: {note}" for table in tables for note in table.notes)
    return Joined(patients, sources, facts, tuple(listed), notes)


def _pseudonyms(tables: Iterable[Matrix | Clinical]) -> dict[str, str]:
    """Return the pseudonym of each patient where some table has pseudonyms; {} where none has."""
    patients = _all_patients(tables)
    given = {patient for patient in patients if PSEUDONYM.fullmatch(patient)}
    return {**{name: name for name in given}, **pseudonyms(patients - given)} if given else {}


def _all_patients(tables: Iterable[Matrix | Clinical]) -> set[str]:
    """Return all patients that are in tables, or were left out of them."""
    return {
        patient
        for table in tables
        for patient in (*table.patients, *(dropped.patient for dropped in table.dropped))
    }


def _names(
    tables: Iterable[Matrix | Clinical], pseudonym_of: Mapping[str, str], *, keep_ids: bool
) -> Mapping[str, str]:
    """Return the name of each patient in the result."""
    patients = _all_patients(tables)
    if not keep_ids:
        return pseudonym_of or pseudonyms(patients)
    id_of = {pseudonym: id_ for id_, pseudonym in pseudonym_of.items() if id_ != pseudonym}
    return {patient: id_of.get(patient, patient) for patient in patients}


def _check_common(tables: Sequence[Matrix | Clinical], pseudonym_of: Mapping[str, str]) -> None:
    """Raise `InputError` where a table shares no patient with any other."""
    sets = [{pseudonym_of.get(name, name) for name in table.patients} for table in tables]
    for number, table in enumerate(tables):
        rest = [patients for n, patients in enumerate(sets) if n != number]
        if rest and sets[number].isdisjoint(set().union(*rest)):
            other = tables[1 if number == 0 else 0]
            raise InputError(
                f"No patient of '{table.name}' is in another table: their IDs do not match (they "
                f"are like {form_of(table.patients[0])} there, like {form_of(other.patients[0])} "
                f"in '{other.name}')."
            )


def _facts(
    patients: Sequence[str], tables: Sequence[Matrix | Clinical], name_of: Mapping[str, str]
) -> tuple[dict[str, tuple[str, ...]], list[Dropped]]:
    """Return the facts of all tables in the order of the patients, and contradictions."""
    rows = [{name_of[name]: n for n, name in enumerate(table.patients)} for table in tables]
    present = {name for table in tables for name in table.facts}
    names = [*(name for name in FACTS if name in present), *sorted(present - set(FACTS))]
    facts: dict[str, list[str]] = {name: [] for name in names}
    dropped = []
    for patient in patients:
        texts: dict[str, set[str]] = {name: set() for name in names}
        for table, row in zip(tables, rows, strict=True):
            if (number := row.get(patient)) is not None:
                for name, cells in table.facts.items():
                    texts[name].add(cells[number])
        values, conflicts = consensus({name: each - {""} for name, each in texts.items()})
        dropped += [Dropped(patient, "several tables", why) for why in conflicts]
        for name, value in values.items():
            facts[name].append(value)
    return {name: tuple(values) for name, values in facts.items()}, dropped


def _aligned(matrix: Matrix, patients: Sequence[str], name_of: Mapping[str, str]) -> Matrix:
    """Return the matrix with a row for each of the patients, NaN where it lacks the patient."""
    index = {patient: n for n, patient in enumerate(patients)}
    rows = [index[name_of[patient]] for patient in matrix.patients]
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
    """Write joined tables into a folder, all or nothing.

    Args:
        folder: where to write; other files in it stay.
        joined: the tables; names of its sources must be fit for files.
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
                "name": source.name,
                "kind": source.kind,
                "columns": len(source.columns),
                "scale": source.scale,
                "extractor": source.extractor,
                "cube": None if source.cube is None else asdict(source.cube),
            }
            for source in joined.sources
        ],
        "notes": list(joined.notes),
        "inputs": {name: list(hashes) for name, hashes in inputs.items()},
    }
    with whole_folder(folder, last=JOIN) as temporary:
        for source in joined.sources:
            np.save(temporary / _numbers(source.name), source.values.astype("<f4", copy=False))
            write_json(temporary / _columns(source.name), list(source.columns))
        rows = [
            {"patient": patient, **{name: cells[n] for name, cells in joined.facts.items()}}
            for n, patient in enumerate(joined.patients)
        ]
        write_csv(temporary / FACTS_FILE, ("patient", *joined.facts), rows, exact=True)
        dropped = [vars(entry) for entry in joined.dropped]
        write_csv(temporary / DROPPED_FILE, _DROPPED, dropped, exact=True)
        write_json(temporary / JOIN, described)


def open_joined(folder: str | os.PathLike[str]) -> Joined:
    """Read the joined tables that `write_joined` wrote.

    Raises:
        InputError: there are none, a newer version wrote them, or they are damaged.
        OSError: they cannot be read.
    """
    path = Path(folder)
    if not (path / JOIN).is_file():
        raise InputError(
            f"'{folder}' holds no joined tables: make them with `lungsquad tables join`."
        )
    with parsing(path, "a folder of joined tables"):
        fields = Fields(_json(path / JOIN), "it")
        version, wrote = fields.integer("format_version", 1, 1 << 30), fields.text("lungsquad")
        refuse_newer(path, version, FORMAT_VERSION, wrote=wrote)
        count = fields.integer("patients", 1, _MOST_PATIENTS)
        names, rows = _table(path / FACTS_FILE)
        if names[0] != "patient" or len(rows) != count or len(set(names)) < len(names):
            raise ValueError(f"{FACTS_FILE} does not have a row for each patient")
        patients, *cells = zip(*rows, strict=True)
        if len(set(patients)) < count:
            raise ValueError("a patient is there twice")
        sources = fields.items("sources", partial(_source, path, patients), most=_MOST_SOURCES)
        if len({source.name.casefold() for source in sources}) < len(sources):
            raise ValueError("two sources have the same name")
        facts = dict(zip(names[1:], cells, strict=True))
        head, dropped = _table(path / DROPPED_FILE)
        if head != list(_DROPPED):
            raise ValueError(f"{DROPPED_FILE} is another table")
        notes = fields.texts("notes", most=1000)
        return Joined(patients, sources, facts, tuple(Dropped(*row) for row in dropped), notes)


def is_joined(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder holds joined tables."""
    return (Path(folder) / JOIN).is_file()


def _source(folder: Path, patients: tuple[str, ...], fields: Fields) -> Matrix:
    name, kind = fields.identifier("name"), fields.identifier("kind")
    columns, width = _json(folder / _columns(name)), fields.integer("columns", 0, _MOST_COLUMNS)
    if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
        raise ValueError(f"the columns of '{name}' are no list of names")
    if kind not in KINDS or len(set(columns)) < len(columns) or len(columns) != width:
        raise ValueError(f"the source '{name}' is not what the index describes")
    # Mapped before it is read: a header that claims a huge size takes no memory.
    values = np.load(folder / _numbers(name), mmap_mode="r", allow_pickle=False)
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
    """Return header and rows, all equally long, of a table that `write_joined` wrote."""
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

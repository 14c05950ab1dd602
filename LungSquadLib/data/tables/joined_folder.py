"""Joined tables as a folder.

`join.json` says what there is and where it came from, `source-NAME.npy` has the numbers of a source
(float32, a row a patient) and `source-NAME.columns.json` the names of its columns, `facts.csv` the
patients, in the order of all rows, with what is known of them, and `dropped.csv` who was left out.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from ... import __version__
from ...errors import InputError, parsing
from ...fields import Fields, parsed_json
from ...files import whole_folder, write_csv, write_json
from ...models.inputs import KINDS, read_cube
from ..store import refuse_newer
from .matrix import Dropped, Joined, Matrix

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

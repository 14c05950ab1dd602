"""The table of an autoencoder: its patients, their split, and its columns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...data.splits import Fold, held_out
from ...data.tables.matrix import Joined, Matrix, TableCase, table_case
from ...errors import InputError

_MOST_MISSING = 0.5  # of a patient's numbers


@dataclass(frozen=True, eq=False)
class Table:
    """Patients with enough numbers, and columns that differ between training patients.

    Attributes:
        matrix: those patients and columns.
        facts: of these patients; see `Joined.facts`.
        cases: the patients.
        fold: their split.
        left_out: sentences about what is not used.
    """

    matrix: Matrix
    facts: Mapping[str, tuple[str, ...]]
    cases: tuple[TableCase, ...]
    fold: Fold
    left_out: tuple[str, ...]

    @property
    def train(self) -> np.ndarray:
        """Row numbers of the training patients."""
        return self.rows("train")

    def rows(self, part: str) -> np.ndarray:
        """Return the row numbers of a part: "train", "validation" or "test"."""
        names = set(self.fold.parts[part])
        return np.flatnonzero([name in names for name in self.matrix.patients])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all patients, columns and numbers."""
        digest = hashlib.sha256("\n".join((*self.matrix.patients, *self.matrix.columns)).encode())
        digest.update(self.matrix.values.tobytes())
        return digest.hexdigest()


def table_of(joined: Joined, *, seed: int, test_fraction: float) -> Table:
    """Return the one table of numbers among joined sources, split by patient.

    Clinical facts are not inputs: the groups are compared with them.

    Args:
        joined: one source besides clinical ones.
        seed: of the split.
        test_fraction: of the patients.

    Raises:
        InputError: there is no such source or several, or too few patients or columns can be used.
    """
    sources = [source for source in joined.sources if source.kind != "clinical"]
    if len(sources) != 1:
        named = ", ".join(source.name for source in sources) or "none"
        raise InputError(
            f"An autoencoder learns from one table of numbers, and the sources have {named}: name "
            "one, such as expression=FILE; clinical tables may be added."
        )
    (matrix,) = sources
    known = ~np.isnan(matrix.values)
    enough = known.mean(axis=1) >= 1 - _MOST_MISSING
    values = np.ascontiguousarray(matrix.values[enough], np.float32)
    patients = tuple(np.array(matrix.patients, object)[enough].tolist())
    cases = tuple(map(table_case, patients, values))
    if len(cases) < 3:
        raise InputError(
            f"Of {len(matrix.patients)} patients {len(cases)} have at least half of the numbers of "
            f"'{matrix.name}': an autoencoder needs many more."
        )
    _varying(values, matrix.name)  # before patients with equal rows count as one
    fold = held_out(cases, seed=seed, test=test_fraction)
    varying = _varying(values[np.isin(patients, fold.train)], matrix.name)
    columns = tuple(np.array(matrix.columns, object)[varying].tolist())
    facts = {
        name: tuple(np.array(texts, object)[enough].tolist())
        for name, texts in joined.facts.items()
    }
    used = Matrix(
        matrix.name,
        matrix.kind,
        patients,
        columns,
        np.ascontiguousarray(values[:, varying]),
        matrix.scale,
        matrix.extractor,
        matrix.cube,
    )
    sentences = _left_out(
        matrix, known, patients=int((~enough).sum()), columns=int((~varying).sum())
    )
    before = Counter((dropped.source, dropped.why) for dropped in joined.dropped)
    whys = (
        f"Patients of '{source}' left out: {count}, {why}."
        for (source, why), count in before.items()
    )
    return Table(used, facts, cases, fold, (*sentences, *whys, *joined.notes))


def _varying(values: np.ndarray, name: str) -> np.ndarray:
    """Return which columns have two different numbers; `InputError` if none has."""
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)
    if not (high > low).any():
        raise InputError(f"No column of '{name}' differs between patients: nothing can be learnt.")
    return high > low


def _left_out(matrix: Matrix, known: np.ndarray, *, patients: int, columns: int) -> Iterator[str]:
    if patients:
        nothing = int((~known.any(axis=1)).sum())
        yield (
            f"Patients left out who have less than half of the numbers of '{matrix.name}': "
            f"{patients}; of them with none: {nothing}."
        )
    if columns:
        yield (
            f"Columns of '{matrix.name}' left out, where all training patients have the same "
            f"number, or none: {columns} of {len(matrix.columns)}."
        )
    missing = float((~known[known.any(axis=1)]).mean()) if known.any() else 0.0
    if missing:
        yield (
            f"{missing:.1%} of the numbers are missing: they are neither inputs nor part of errors."
        )

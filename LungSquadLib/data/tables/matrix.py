"""Tables in memory: numbers of patients, facts of patients, and joined tables of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...models.inputs import Cube


@dataclass(frozen=True)
class Dropped:
    """A patient, or a fact of a patient, that was left out, and why.

    Attributes:
        patient: as `Joined.patients` has them.
        source: the table.
        why: half a sentence.
    """

    patient: str
    source: str
    why: str


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers: one row a patient, one column a feature.

    Attributes:
        name: of the source, given by the user ("expression").
        kind: "expression", "clinical", "image" or "features"; see `models.inputs.KINDS`.
        patients: N names, each once: IDs, or pseudonyms once they are joined.
        columns: D names, each once; one of several values of a category is "column=value".
        values: (N, D) float32, NaN where nothing is known.
        scale: of the numbers, in words ("counts", "logarithms").
        extractor: SHA-256 of the model that computed the features; None for other numbers.
        cube: the crop in which features of masks were measured; None for other numbers.
        facts: columns that are no features, N texts each; see `Joined.facts`.
        dropped: who was left out when the table was read.
        notes: sentences about the reading, without names of patients.
    """

    name: str
    kind: str
    patients: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    scale: str
    extractor: str | None = None
    cube: Cube | None = None
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.values.shape == (len(self.patients), len(self.columns))  # noqa: S101


@dataclass(frozen=True)
class Reading:
    """The value that a word of a table was read as ("" where it is no value), and how often."""

    fact: str
    word: str
    value: str
    count: int


@dataclass(frozen=True)
class Clinical:
    """Facts of patients.

    Attributes:
        name: of the source, as its user calls it ("clinical").
        layout: name of the table's layout.
        patients: N names, each once.
        facts: values of facts, and the further columns as text, N each; "" where nothing is known.
            See `Joined.facts`.
        dropped: who was left out, and which facts of whom.
        notes: sentences about the reading, without names of patients.
        readings: which word was read as which value.
    """

    name: str
    layout: str
    patients: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, eq=False)
class Joined:
    """Several tables of the same patients.

    Attributes:
        patients: N, sorted: pseudonyms, or IDs where identity is kept.
        sources: each with these patients in this order; a patient who is not in a source has NaN.
        facts: facts of the patients, and further columns as text, N each; "" where nothing is
            known: "histology" (LUAD, LUSC, other), "t_stage" (T1..T4), "edition", "n_stage",
            "m_stage", "sex" (female, male), "age", "smoking" (never, former, current), "site",
            "time" (days), "event" (1, 0), "survival2y" (1 alive, 0 dead at 730 days).
        dropped: who was left out, and which facts of whom.
        notes: sentences about the reading of the tables.
    """

    patients: tuple[str, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableCase:
    """A patient of a table, as `data.splits` assigns patients to folds.

    Patients with the same row are duplicates: `crop`, a hash of the row, keeps them in one part.
    """

    case: str
    crop: str
    series: str = ""
    pixels: str = ""
    site: str = ""

    @property
    def patient(self) -> str:
        """The patient, whose name the case has."""
        return self.case


def table_case(patient: str, row: np.ndarray) -> TableCase:
    """Return a patient with this row (D,) as a case to split."""
    return TableCase(patient, hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest())

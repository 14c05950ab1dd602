"""Numbers and facts of patients, and several such tables of the same patients side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...models.inputs import Cube


@dataclass(frozen=True)
class Dropped:
    """A patient, or a fact of one, that was left out, and why.

    Attributes:
        patient: as `Joined.patients` has them.
        source: where it stood.
        why: half a sentence.
    """

    patient: str
    source: str
    why: str


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers: one row a patient, one column a feature.

    Attributes:
        name: of the source, as its user calls it ("expression").
        kind: "expression", "clinical", "image" or "features"; see `models.inputs.KINDS`.
        patients: N names, each once: IDs, or pseudonyms once they are joined.
        columns: D names, each once; one of several values of a category is "column=value".
        values: (N, D) float32, NaN where nothing is known.
        scale: what the numbers are, in words.
        extractor: SHA-256 of the model whose features they are, if they are a model's.
        cube: what they were measured in, if they are features of masks.
        facts: columns that are no features, N each, as `Joined.facts` has them.
        dropped: who was left out when it was read.
        notes: sentences about what was noticed then, without names of patients.
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
class Word:
    """What a word of a table was taken for: "" where it says nothing that can be used."""

    fact: str
    word: str
    taken: str
    count: int


@dataclass(frozen=True)
class Clinical:
    """Facts of patients.

    Attributes:
        name: of the source, as its user calls it ("clinical").
        layout: what the table was taken for.
        patients: N names, each once.
        facts: harmonised columns, and all others under their own names, N each; "" where nothing
            is known. See `Joined.facts`.
        dropped: who was left out, and which facts of whom.
        notes: sentences about what was noticed, without names of patients.
        words: what was harmonised to what.
    """

    name: str
    layout: str
    patients: tuple[str, ...]
    facts: Mapping[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, eq=False)
class Joined:
    """Several sources of the same patients.

    Attributes:
        patients: N, sorted: pseudonyms, or IDs where identity is kept.
        sources: each with these patients in this order; who is not in a source has NaN throughout.
        facts: harmonised columns of clinical tables, and others as text, N each; "" where nothing
            is known: "histology" (LUAD, LUSC, other), "t_stage" (T1..T4), "edition", "n_stage",
            "m_stage", "sex" (female, male), "age", "smoking" (never, former, current), "site",
            "time" (days), "event" (1, 0), "survival2y" (1 alive, 0 dead at 730 days).
        dropped: who was left out, and which facts of whom.
        notes: sentences about what was noticed when the tables were read.
    """

    patients: tuple[str, ...]
    sources: tuple[Matrix, ...]
    facts: Mapping[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableCase:
    """A patient of a table, as `cohort.splits` deals them out.

    Two patients with the same row are the same profile twice: `crop` keeps them in one part.
    """

    case: str
    crop: str
    series: str = ""
    pixels: str = ""
    site: str = ""

    @property
    def patient(self) -> str:
        """The name is the patient's."""
        return self.case


def table_case(patient: str, row: np.ndarray) -> TableCase:
    """The patient with this row (D,)."""
    return TableCase(patient, hashlib.sha256(np.ascontiguousarray(row).tobytes()).hexdigest())

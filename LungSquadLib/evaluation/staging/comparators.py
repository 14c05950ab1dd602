"""The stages of a cohort's patients that others gave: models, in tables, and reports."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...data.manifest import Row
from ...data.tables.clinical import read_clinical
from ...data.tables.facts import taken
from ...data.tables.patients import PSEUDONYM, patient_of
from ...data.tables.text import known, read_rows
from ...errors import InputError
from ...identity import pseudonyms
from ...imaging.stage import group_of, reported_stage

COLUMN, EDITION_COLUMN = "t_stage", "edition"  # of a manifest


@dataclass(frozen=True)
class Reported:
    """A stage as it was reported; `edition` is "" where nobody said."""

    stage: str
    edition: str


class Names:
    """What the patients of a manifest are called, whatever a table calls them."""

    def __init__(self, rows: Iterable[Row], *, keep_identity: bool) -> None:
        self._keep = keep_identity
        given = {patient_of(row.patient_id) for row in rows if row.patient_id}
        made = pseudonyms(one for one in given if not PSEUDONYM.fullmatch(one))
        self._pseudonym = {one: made.get(one, one) for one in given}

    def key(self, patient: str) -> str | None:
        """The pseudonym of a patient of the manifest; None of others."""
        found = self._pseudonym.get(patient_of(patient))
        return found or (patient if patient in self._pseudonym.values() else None)

    def shown(self, row: Row) -> str:
        """What outputs call the patient of a row; "" where the manifest does not say who it is."""
        identity = patient_of(row.patient_id)
        return identity if self._keep or not identity else self._pseudonym[identity]


def model_stages(path: str | os.PathLike[str], column: str, names: Names) -> dict[str, str]:
    """T1 to T4 of each patient that a run's table has; keys as `Names.key`.

    Of a run of several parts those patients count that it was tested on; of several seeds, what
    most of them say, and the lower stage where two are level.

    Args:
        path: `predictions.csv` of `train integration`, or `groups.csv` of `train autoencoder`.
        column: of the stage: "predicted" or "group".
        names: the patients.

    Raises:
        InputError: it is no such table, its stages are none of T1 to T4, or it has none of the
            patients.
        OSError: it cannot be read.
    """
    header, rows = read_rows(path)
    for name in ("patient", column):
        if name not in header:
            raise InputError(f"'{path}' lacks the column '{name}': is it the table of a run?")
    said: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        patient = names.key(cells["patient"])
        if patient is not None and cells.get("part", "test") == "test" and known(cells[column]):
            said[patient].append(_model_stage(path, column, cells[column]))
    if not said:
        raise InputError(
            f"'{path}' has none of the manifest's patients among those it was tested on. Are the "
            "pseudonyms of another LUNGSQUAD_IDENTITY_KEY?"
        )
    return {patient: _most_said(stages) for patient, stages in said.items()}


def reported_stages(
    rows: Iterable[Row], clinical: Path | None, names: Names, *, mapping: Path | None = None
) -> dict[str, Reported]:
    """The reported stages of patients, by `Names.key`, or by case where nobody says whose it is.

    They are those of the manifest's column `t_stage` (and `edition`), or of a clinical table. Tis,
    TX and what else no size can give are left out.

    Raises:
        InputError: the clinical table cannot be used, or has no T stage.
    """
    found: dict[str, Reported] = {}
    if clinical is not None:
        table = read_clinical(clinical, mapping=mapping)
        if COLUMN not in table.facts:
            raise InputError(f"'{clinical}' has no T stage.")
        editions = table.facts.get(EDITION_COLUMN, ("",) * len(table.patients))
        for patient, stage, edition in zip(
            table.patients, table.facts[COLUMN], editions, strict=True
        ):
            key = names.key(patient)
            if key is not None and stage:
                found[key] = Reported(stage, edition)
        return found
    for row in rows:
        said = _of_manifest(row.cells)
        if said is not None:
            found[names.key(row.patient_id) or row.case] = said
    return found


def _of_manifest(cells: Mapping[str, str]) -> Reported | None:
    word = known(cells.get(COLUMN, ""))
    try:
        edition = taken("edition", cells.get(EDITION_COLUMN, ""))
        return Reported(reported_stage(word), edition or "")
    except InputError:  # nothing, or Tis
        return None


def _model_stage(path: str | os.PathLike[str], column: str, word: str) -> str:
    try:
        return group_of(reported_stage(word))
    except InputError as error:
        raise InputError(
            f"'{path}' has a '{column}' that is no T stage: the run must be one of the task "
            "'t_stage', or have groups that follow T stage, which are then called T1 to T4."
        ) from error


def _most_said(stages: list[str]) -> str:
    counts = Counter(stages)
    return min(counts, key=lambda stage: (-counts[stage], stage))

"""The stages of a cohort's patients to compare with: predicted ones, and reported ones."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...data.manifest import Row
from ...data.tables.clinical import read_clinical
from ...data.tables.facts import FACTS
from ...data.tables.patients import PSEUDONYM, patient_of
from ...data.tables.text import known, read_rows
from ...errors import InputError
from ...identity import pseudonyms
from ...imaging.stage import group_of, reported_stage

COLUMN, EDITION_COLUMN = "t_stage", "edition"  # of a manifest


@dataclass(frozen=True)
class Reported:
    """A reported stage; `edition` is "" where it is not known."""

    stage: str
    edition: str


class Pseudonyms:
    """Pseudonyms of the patients of a manifest, by the IDs or pseudonyms of other tables."""

    def __init__(self, rows: Iterable[Row], *, keep_identity: bool) -> None:
        self._keep = keep_identity
        given = {patient_of(row.patient_id) for row in rows if row.patient_id}
        made = pseudonyms(patient for patient in given if not PSEUDONYM.fullmatch(patient))
        self._pseudonym = {patient: made.get(patient, patient) for patient in given}

    def key(self, patient: str) -> str | None:
        """Return the pseudonym of a patient of the manifest; None for other patients."""
        pseudonym = self._pseudonym.get(patient_of(patient))
        return pseudonym or (patient if patient in self._pseudonym.values() else None)

    def output_name(self, row: Row) -> str:
        """Return the patient of a row as outputs name them; "" where the manifest has no ID."""
        identity = patient_of(row.patient_id)
        return identity if self._keep or not identity else self._pseudonym[identity]


def model_stages(path: str | os.PathLike[str], column: str, names: Pseudonyms) -> dict[str, str]:
    """Read T1 to T4 of each patient from a run's table; keys as `Pseudonyms.key`.

    Of a run with several parts the test patients count; of several seeds the most frequent stage,
    and the lower one of two equally frequent ones.

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
            raise InputError(
                f"'{path}' lacks the column '{name}'. Give the table of a training run."
            )
    stages_of: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        patient = names.key(cells["patient"])
        if patient is not None and cells.get("part", "test") == "test" and known(cells[column]):
            stages_of[patient].append(_model_stage(path, column, cells[column]))
    if not stages_of:
        raise InputError(
            f"'{path}' has none of the manifest's patients among its test patients. Check that its "
            "pseudonyms were made with the same LUNGSQUAD_IDENTITY_KEY."
        )
    return {patient: _most_frequent(stages) for patient, stages in stages_of.items()}


def reported_stages(
    rows: Iterable[Row], clinical: Path | None, names: Pseudonyms, *, mapping: Path | None = None
) -> dict[str, Reported]:
    """Read the reported stages by `Pseudonyms.key`, or by case where there is no patient ID.

    They are those of the manifest's column `t_stage` (and `edition`), or of a clinical table. Tis,
    TX and other stages that do not depend on size are left out.

    Raises:
        InputError: the clinical table cannot be used, or has no T stage.
    """
    result: dict[str, Reported] = {}
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
                result[key] = Reported(stage, edition)
        return result
    for row in rows:
        reported = _of_manifest(row.cells)
        if reported is not None:
            result[names.key(row.patient_id) or row.case] = reported
    return result


def _of_manifest(cells: Mapping[str, str]) -> Reported | None:
    word = known(cells.get(COLUMN, ""))
    try:
        edition = FACTS["edition"].parse(cells.get(EDITION_COLUMN, ""))
        return Reported(reported_stage(word), edition or "")
    except InputError:  # nothing, or Tis
        return None


def _model_stage(path: str | os.PathLike[str], column: str, word: str) -> str:
    try:
        return group_of(reported_stage(word))
    except InputError as error:
        raise InputError(
            f"'{path}' has a '{column}' that is no T stage. Give a run of the task 't_stage', "
            "or one whose clusters follow T stage and so are called T1 to T4."
        ) from error


def _most_frequent(stages: list[str]) -> str:
    counts = Counter(stages)
    return min(counts, key=lambda stage: (-counts[stage], stage))

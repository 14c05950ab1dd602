"""Labels of the patients of a public cohort, in the values that all cohorts share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..data.tables.clinical import read_clinical
from ..data.tables.facts import FACTS
from ..data.tables.patients import patient_of
from ..download import Client
from ..errors import InputError
from ..files import sha256_of_file
from .series_list import SeriesList

TABLE = "clinical.csv"
_LARGEST = 16 << 20


def labels_of_patients(
    cohort: SeriesList, folder: Path, client: Client, *, clinical: Path | None, wanted: bool
) -> Mapping[str, Mapping[str, str]]:
    """Return the facts of each patient by name, "" where nothing is known.

    They come from the patients' IDs where these tell the histology; from the given table; or from
    the cohort's own, which is fetched to `clinical.csv`.

    Args:
        cohort: its list.
        folder: of the output.
        client: for the table.
        clinical: a table that the user has.
        wanted: whether to fetch the cohort's own.

    Raises:
        InputError: the table cannot be had, is another one, or cannot be read.
    """
    patients = list(dict.fromkeys(series.patient_id for series in cohort.outlines))
    of_ids = {patient: _histology(patient, cohort.histology) for patient in patients}
    labels: dict[str, dict[str, str]] = {
        patient: {"histology": value} if value else {} for patient, value in of_ids.items()
    }
    path = clinical
    if path is None and wanted and cohort.clinical_url:
        path = folder / TABLE
        _fetch(cohort, path, client)
    if path is None:
        return labels
    table = read_clinical(path)
    row = {patient: number for number, patient in enumerate(table.patients)}
    facts = {name: cells for name, cells in table.facts.items() if name in FACTS}
    for patient in patients:
        number = row.get(patient_of(patient))
        if number is not None:
            labels[patient] |= {name: cells[number] for name, cells in facts.items()}
    if not any(labels.values()):
        raise InputError(f"'{path}' has none of the patients of {cohort.name}.")
    return labels


def _fetch(cohort: SeriesList, path: Path, client: Client) -> None:
    """Fetch the cohort's table, unless it is there."""
    instead = (
        "Download it with a browser and name it with --clinical FILE, or do without labels with "
        "--no-labels."
    )
    if not path.is_file():
        try:
            client.download(cohort.clinical_url, path, most=_LARGEST)
        except InputError as error:
            raise InputError(f"The table of the patients: {error} {instead}") from error
    if cohort.clinical_sha256 and sha256_of_file(path) != cohort.clinical_sha256:
        path.unlink()
        raise InputError(
            f"The table of the patients at '{cohort.clinical_url}' is another than the one that "
            f"LungSquad knows (by its SHA-256, {cohort.clinical_sha256}). {instead}"
        )


def _histology(patient: str, by_start: Mapping[str, str]) -> str:
    return next((value for start, value in by_start.items() if patient.startswith(start)), "")

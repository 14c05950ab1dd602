"""IDs of patients: their forms, and one row for each patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .matrix import Dropped

# A TCGA barcode: TCGA-TSS-participant, then sample type and vial, portion, plate and centre. R
# writes dots for the hyphens.
_TCGA = re.compile(
    r"(TCGA)[-.]([A-Z0-9]{2})[-.]([A-Z0-9]{4})(?:[-.](\d\d)[A-Z]?(?:[-.].*)?)?", re.IGNORECASE
)
_FORMS = re.compile(r"(R01|AMC|LUNG1)-\d{3,}|LS-[0-9a-f]{16}")
PSEUDONYM = re.compile(r"LS-[0-9a-f]{16}")
_TUMOUR = range(1, 10)  # sample types; then follow normal tissue, controls, cell lines

# Names of the column of the patients' IDs, the surest first, in small letters.
PATIENT_COLUMNS = (
    *("bcr_patient_barcode", "patient_id", "patientid", "patient id", "patient", "case id"),
    *("case_id", "caseid", "case_submitter_id", "submitter_id", "case", "subject_id", "subject"),
    *("sample_id", "sampleid", "sample", "barcode", "id"),
)
GENE_COLUMNS = frozenset(
    (
        *("gene", "genes", "gene_id", "geneid", "gene_name", "gene_symbol", "genesymbol"),
        *("symbol", "hugo_symbol", "id_ref", "probe", "probe_id", "ensembl_id", "ensembl"),
        *("hybridization ref", "transcript", "transcript_id"),
    )
)


def patient_of(text: str) -> str:
    """Return the patient of an ID: of a TCGA barcode its first three parts, of any other ID all.

    Blanks round it are stripped; except in TCGA barcodes, small letters stay small.
    """
    barcode = _TCGA.fullmatch(text.strip())
    return "-".join(barcode.groups()[:3]).upper() if barcode else text.strip()


def tissue_site(patient: str) -> str:
    """Return the tissue source site of a TCGA patient; "" for any other."""
    barcode = _TCGA.fullmatch(patient)
    return barcode[2].upper() if barcode else ""


def has_known_form(text: str) -> bool:
    """Return whether an ID has a known form: TCGA, R01, AMC, LUNG1, or one of our pseudonyms."""
    return patient_of(text) != text.strip() or bool(
        _TCGA.fullmatch(text.strip()) or _FORMS.fullmatch(text.strip())
    )


def form_of(text: str) -> str:
    """Return the form of an ID, not the ID: capitals as A, small letters as a, digits as 9."""
    return re.sub(r"\d", "9", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", text)))[:40]


def by_patient(patients: Iterable[str]) -> dict[str, list[int]]:
    """Return the numbers of the rows of each patient; rows without an ID are left out."""
    groups: dict[str, list[int]] = {}
    for number, patient in enumerate(patients):
        if patient:
            groups.setdefault(patient, []).append(number)
    return groups


@dataclass(frozen=True)
class PatientRows:
    """The number of the row of each patient; who was left out; sentences."""

    rows: dict[str, int]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def one_row_per_patient(ids: Sequence[str], values: np.ndarray, source: str) -> PatientRows:
    """Choose a row for each patient where that needs no guess.

    Of TCGA samples only tumours (types 01 to 09) are used; 10 to 19 are normal tissue, 20 to 29
    controls. Rows of a patient with the same numbers are merged; a patient whose rows differ is
    left out.

    Args:
        ids: N, as the table has them.
        values: (N, D).
        source: the name of the table in `dropped`.
    """
    rows: dict[str, int] = {}
    dropped: list[Dropped] = []
    no_tumours = merged = 0
    for patient, numbers in by_patient(map(patient_of, ids)).items():
        tumours = [number for number in numbers if _is_of_tumour(ids[number])]
        no_tumours += len(numbers) - len(tumours)
        if not tumours:
            dropped.append(Dropped(patient, source, "no sample of a tumour"))
            continue
        first, *repeats = tumours
        if any(not np.array_equal(values[first], values[n], equal_nan=True) for n in repeats):
            why = f"{len(tumours)} rows with different numbers for one patient"
            dropped.append(Dropped(patient, source, why))
        elif np.isnan(values[first]).all():
            dropped.append(Dropped(patient, source, "no number at all"))
        else:
            rows[patient] = first
            merged += len(repeats)
    return PatientRows(rows, tuple(dropped), _notes(ids, no_tumours, merged, dropped))


def _is_of_tumour(text: str) -> bool:
    """Return whether a row may be of a tumour: all but TCGA barcodes of other samples."""
    barcode = _TCGA.fullmatch(text.strip())
    return barcode is None or not barcode[4] or int(barcode[4]) in _TUMOUR


def _notes(
    ids: Sequence[str], no_tumours: int, merged: int, dropped: Sequence[Dropped]
) -> tuple[str, ...]:
    nameless = sum(not text.strip() for text in ids)
    different = sum("different" in entry.why for entry in dropped)
    notes = {
        f"{no_tumours} samples that are of no tumour (TCGA types from 10 on: normal tissue, "
        "controls) were left out.": no_tumours,
        f"{merged} rows repeat another of the same patient and were merged.": merged,
        f"{different} patients have rows with different numbers (of several lesions or visits, "
        "say) and were left out. Keep one row a patient, that of the largest lesion for "
        "example.": different,
        f"{nameless} rows have no ID and were left out.": nameless,
    }
    return tuple(sentence for sentence, count in notes.items() if count)

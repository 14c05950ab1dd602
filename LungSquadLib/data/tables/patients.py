"""Whose row it is: IDs of patients, their forms, and rows that share one."""

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

# What the column of the patients' IDs is called, the surest first, in small letters.
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
    """The patient that an ID names: a TCGA barcode is cut to its patient, others stay as they are.

    Blanks round it are stripped; but for TCGA's, small letters stay small.
    """
    found = _TCGA.fullmatch(text.strip())
    return "-".join(found.groups()[:3]).upper() if found else text.strip()


def tissue_site(patient: str) -> str:
    """The tissue source site of a TCGA patient; "" for others."""
    found = _TCGA.fullmatch(patient)
    return found[2].upper() if found else ""


def has_known_form(text: str) -> bool:
    """Whether an ID is of one of the collections that are known: TCGA, R01, AMC, LUNG1; or ours."""
    return patient_of(text) != text.strip() or bool(
        _TCGA.fullmatch(text.strip()) or _FORMS.fullmatch(text.strip())
    )


def form_of(text: str) -> str:
    """How an ID is built, without telling it: capitals as A, small letters as a, digits as 9."""
    return re.sub(r"\d", "9", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", text)))[:40]


def by_patient(patients: Iterable[str]) -> dict[str, list[int]]:
    """Numbers of the rows of each patient; rows without an ID are nobody's."""
    groups: dict[str, list[int]] = {}
    for number, patient in enumerate(patients):
        if patient:
            groups.setdefault(patient, []).append(number)
    return groups


@dataclass(frozen=True)
class Chosen:
    """One row for each patient: its number; who was left out; sentences."""

    rows: dict[str, int]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def one_row_each(ids: Sequence[str], values: np.ndarray, source: str) -> Chosen:
    """Choose a row for each patient where that needs no guess.

    Of TCGA's, samples of tumours (types 01 to 09) are taken and no others (10 to 19 are normal
    tissue, 20 to 29 controls). Rows of one patient with the same numbers are one; those with others
    are left out.

    Args:
        ids: N, as the table has them.
        values: (N, D).
        source: what it is called in `dropped`.
    """
    rows: dict[str, int] = {}
    dropped: list[Dropped] = []
    others_left = merged = 0
    for patient, numbers in by_patient(map(patient_of, ids)).items():
        tumours = [number for number in numbers if _is_of_tumour(ids[number])]
        others_left += len(numbers) - len(tumours)
        if not tumours:
            dropped.append(Dropped(patient, source, "no sample of a tumour"))
            continue
        first, *others = tumours
        if any(not np.array_equal(values[first], values[n], equal_nan=True) for n in others):
            why = f"{len(tumours)} rows with different numbers for one patient"
            dropped.append(Dropped(patient, source, why))
        elif np.isnan(values[first]).all():
            dropped.append(Dropped(patient, source, "no number at all"))
        else:
            rows[patient] = first
            merged += len(others)
    return Chosen(rows, tuple(dropped), _notes(ids, others_left, merged, dropped))


def _is_of_tumour(text: str) -> bool:
    """Whether a row may be of a tumour: all but TCGA's barcodes of other samples."""
    found = _TCGA.fullmatch(text.strip())
    return found is None or not found[4] or int(found[4]) in _TUMOUR


def _notes(
    ids: Sequence[str], others: int, merged: int, dropped: Sequence[Dropped]
) -> tuple[str, ...]:
    nameless = sum(not text.strip() for text in ids)
    different = sum("different" in one.why for one in dropped)
    said = {
        f"{others} samples that are of no tumour (TCGA types from 10 on: normal tissue, controls) "
        "were left out.": others,
        f"{merged} rows repeat another of the same patient and were merged.": merged,
        f"{different} patients have rows with different numbers (of several lesions or visits, "
        "say) and were left out. Keep one row a patient, that of the largest lesion for "
        "example.": different,
        f"{nameless} rows have no ID and were left out.": nameless,
    }
    return tuple(sentence for sentence, count in said.items() if count)

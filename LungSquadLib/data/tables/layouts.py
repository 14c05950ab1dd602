"""Layouts of clinical tables: which column has which fact, in the known collections."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError, one_line
from ...fields import Fields, parsed_json, printable
from .facts import FACTS
from .patients import PATIENT_COLUMNS

_LARGEST_MAPPING = 1 << 20


@dataclass(frozen=True)
class Layout:
    """Which columns of a table have the patients' IDs and their facts.

    Attributes:
        name: its name in sentences.
        patient: the column of the patients' IDs.
        columns: of each fact the columns that may have it, of which the first present is read. A
            fact that is not named has a column of the same name.
        signature: columns that only this layout has together.
        words: values of some words of a fact, before the general rules.
        edition: of the T stages, where all have the same.
        note: a sentence about it.
        surgery: columns of the last contact's date, of the CT's, and of the days from it to the
            surgery, from which the days to the last contact are counted.
    """

    name: str
    patient: str
    columns: Mapping[str, tuple[str, ...]]
    signature: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    edition: str = ""
    note: str = ""
    surgery: tuple[str, str, str] | None = None

    @property
    def named(self) -> set[str]:
        """The columns of all facts."""
        return {column for columns in self.columns.values() for column in columns}


_TCGA_EDITION = (
    "TCGA staged by the AJCC edition in force, the 7th or an earlier one (its patients were "
    "diagnosed up to 2013)"
)
DEEP_PROGNOSIS = Layout(  # features and predictions
    "Deep prognosis (Hosny et al. 2018)",
    "id",
    {"survival2y": ("surv2yr",)},
    ("id", "surv2yr", "logit_0", "logit_1"),
)
KNOWN = (
    Layout(
        "TCGA biotab",
        "bcr_patient_barcode",
        {
            "histology": ("histologic_diagnosis", "histological_type", "project"),
            "t_stage": ("ajcc_tumor_pathologic_pt",),
            "edition": ("ajcc_staging_edition",),
            "n_stage": ("ajcc_nodes_pathologic_pn",),
            "m_stage": ("ajcc_metastasis_pathologic_pm",),
            "sex": ("gender",),
            "age": ("age_at_initial_pathologic_diagnosis", "age_at_diagnosis"),
            "smoking": ("tobacco_smoking_history_indicator", "tobacco_smoking_history"),
            "event": ("vital_status",),
            "days_to_death": ("death_days_to",),
            "days_to_last_contact": ("last_contact_days_to",),
        },
        ("bcr_patient_barcode", "ajcc_tumor_pathologic_pt"),
        {
            "smoking": {
                "1": "never",
                "2": "current",
                **dict.fromkeys(("3", "4", "5"), "former"),
            }
        },
        note=f"{_TCGA_EDITION}; the edition is empty where the table has no column of it.",
    ),
    Layout(
        "TCGA clinical data resource (Liu et al. 2018)",
        "bcr_patient_barcode",
        {
            "histology": ("histological_type", "type"),
            "sex": ("gender",),
            "age": ("age_at_initial_pathologic_diagnosis",),
            "time": ("OS.time",),
            "event": ("OS",),
        },
        ("bcr_patient_barcode", "OS", "OS.time"),
        note="It has the stage as a whole (I to IV) and no T stage.",
    ),
    Layout(
        "NSCLC Radiogenomics (Bakr et al. 2018)",
        "Case ID",
        {
            "histology": ("Histology",),
            "t_stage": ("Pathological T stage",),
            "n_stage": ("Pathological N stage",),
            "m_stage": ("Pathological M stage",),
            "sex": ("Gender",),
            "age": ("Age at Histological Diagnosis",),
            "smoking": ("Smoking status",),
            "site": ("Patient affiliation",),
            "event": ("Survival Status",),
            "days_to_death": ("Time to Death (days)",),
        },
        ("Case ID", "Pathological T stage", "Survival Status"),
        {"smoking": {"Nonsmoker": "never"}},
        edition="7",
        note=(
            "Its T stages (T1a to T2b, no T1c) and M1a, M1b are words of the 7th edition, which "
            "was in force when its patients were operated. Days are counted from surgery, as its "
            "time to death is."
        ),
        surgery=("Date of Last Known Alive", "CT Date", "Days between CT and surgery"),
    ),
    Layout(
        "NSCLC-Radiomics (LUNG1, Aerts et al. 2014)",
        "PatientID",
        {
            "histology": ("Histology",),
            "t_stage": ("clinical.T.Stage",),
            "n_stage": ("Clinical.N.Stage",),
            "m_stage": ("Clinical.M.Stage",),
            "sex": ("gender",),
            "age": ("age",),
            "time": ("Survival.time",),
            "event": ("deadstatus.event",),
        },
        ("PatientID", "clinical.T.Stage", "deadstatus.event"),
        note="The table does not say which edition its clinical stages follow.",
    ),
    Layout(
        "NSCLC-Radiomics (LUNG1), as Imaging Data Commons has it",
        "dicom_patient_id",
        {
            "t_stage": ("clinicaltstage",),
            "time": ("survivaltime",),
            "event": ("deadstatusevent",),
        },
        ("dicom_patient_id", "clinicaltstage", "deadstatusevent"),
        note="The table does not say which edition its clinical stages follow.",
    ),
    Layout(
        "NLST participants, as Imaging Data Commons has them",
        "dicom_patient_id",
        {"histology": ("de_type",)},
        ("dicom_patient_id", "de_type"),
        note="Histology is by the ICD-O-3 code of the first lung cancer.",
    ),
    DEEP_PROGNOSIS,
)
# No features, though numbers: predictions, and settings of the feature extraction.
FURTHER = frozenset(("logit_0", "logit_1"))
FURTHER_STARTS = ("general_info_", "diagnostics_")


def layout_of(header: Sequence[str], mapping: Layout | None = None) -> Layout | None:
    """Return the layout of a table with these columns; None where it is not known.

    A mapping comes first, where the table has all its columns. A table whose columns have the
    names of facts has a layout, too.
    """
    if mapping and mapping.named | {mapping.patient} <= set(header):
        return mapping
    layout = next((known for known in KNOWN if set(known.signature) <= set(header)), None)
    patient = patient_column(header)
    if layout or patient is None or FACTS.keys().isdisjoint(header):
        return layout
    return Layout("columns named as the facts are", patient, {})


def patient_column(header: Sequence[str]) -> str | None:
    """Return the column of the patients' IDs, by its name; None if there is none."""
    columns = {name.strip().casefold(): name for name in reversed(header)}
    return next((columns[name] for name in PATIENT_COLUMNS if name in columns), None)


def read_mapping(path: str | os.PathLike[str]) -> Layout:
    """Read a mapping file: the layout of a table, described in JSON.

    `patient` names the column of the IDs, `columns` has the fact (one of `FACTS`) of each column,
    `words` the values of words of a fact, `edition` that of the T stages; the last two may be left
    out.

    Raises:
        InputError: it is no such file.
        OSError: it cannot be read.
    """
    source = Path(path)
    if source.exists() and (not source.is_file() or source.stat().st_size > _LARGEST_MAPPING):
        raise InputError(f"'{path}' is no mapping: a small JSON file is wanted.")
    try:
        return _mapping(Fields(parsed_json(source.read_text(encoding="utf-8-sig")), "it"))
    except ValueError as error:
        raise InputError(f"'{path}' is no mapping of columns: {one_line(error)}.") from error


def _mapping(fields: Fields) -> Layout:
    patient = fields.text("patient", most=200)
    facts = _texts(fields.take("columns"), "columns")
    columns: dict[str, tuple[str, ...]] = {}
    for column, fact in facts.items():
        if fact not in FACTS:
            raise ValueError(f"{printable(fact)} is no fact; these are: {', '.join(FACTS)}")
        if fact in columns:
            raise ValueError(f"two columns have the fact '{fact}'")
        columns[fact] = (column,)
    given = fields.take("words") if fields.has("words") else {}
    if not isinstance(given, dict):
        raise ValueError("its 'words' is no object")
    words = {fact: _words(fact, values) for fact, values in given.items()}
    edition = fields.text("edition", most=1) if fields.has("edition") else ""
    if edition not in ("", *(FACTS["edition"].values or ())):
        raise ValueError(f"the edition {printable(edition)} is none of 5 to 9")
    fields.end()
    return Layout("a mapping", patient, columns, words=words, edition=edition)


def _words(fact: str, given: object) -> dict[str, str]:
    values = FACTS[fact].values if fact in FACTS else None
    if values is None:
        raise ValueError(f"{printable(fact)} is no fact that has words")
    words = _texts(given, f"words of {fact}")
    wrong = next((value for value in words.values() if value not in ("", *values)), None)
    if wrong is not None:
        listed = ", ".join(values)
        raise ValueError(f"{printable(wrong)} is no value of '{fact}'; these are: {listed}")
    return words


def _texts(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 10_000:
        raise ValueError(f"its '{where}' is no object")
    if not all(isinstance(text, str) and len(text) <= 1000 for text in value.values()):
        raise ValueError(f"a value of its '{where}' is no text")
    return value

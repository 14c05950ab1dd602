"""Lists of the series of public cohorts, pinned, so that a cohort is the same for everybody.

A list is a gzipped text: its first line describes the cohort in JSON, the rest is a table of series
in CSV. Those of this package were made from the index of Imaging Data Commons by
`Testing/cohort_lists.py`. The series of a version of the commons stay where they are.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, parsing
from ..fields import Fields, parsed_json

LISTS = Path(__file__).parent / "series"
SUFFIX = ".csv.gz"
COLUMNS = ("patient_id", "study", "modality", "uuid", "files", "bytes", "series")
OUTLINES = ("RTSTRUCT", "SEG", "SR")
_LARGEST, _LONGEST = 16 << 20, 64
_PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UID = re.compile(r"[0-9.]{1,64}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedSeries:
    """A series of a cohort.

    Attributes:
        patient_id: the public ID.
        study: number of the study within the cohort.
        modality: CT, or of the outlines RTSTRUCT, SEG or SR.
        uuid: the folder of its objects in the bucket.
        files: number of its objects; `size`: their bytes, together.
        uid: Series Instance UID of a CT; "" for outlines.
    """

    patient_id: str
    study: int
    modality: str
    uuid: str
    files: int
    size: int
    uid: str


@dataclass(frozen=True)
class SeriesList:
    """A public cohort: what it is, and its series.

    Attributes:
        name: for the command line; `title`: for people.
        licence: of CT and outlines.
        citations: what a paper has to cite.
        bucket: in which the series are.
        source: what the list was made from.
        series: patient by patient.
        roi: pattern of the names of the tumour's ROIs; "" where all ROIs are tumours.
        clinical_url: of the table of the patients; "" where there is none that can be read.
        clinical_sha256: of that table; "" where it is not known.
        histology: by the beginning of the patient's ID, where the ID tells it.
    """

    name: str
    title: str
    licence: str
    citations: tuple[str, ...]
    bucket: str
    source: str
    series: tuple[ListedSeries, ...]
    roi: str = ""
    clinical_url: str = ""
    clinical_sha256: str = ""
    histology: Mapping[str, str] = field(default_factory=dict)

    @property
    def non_commercial(self) -> bool:
        """Whether the licence allows non-commercial use only."""
        return re.search(r"\bNC\b", self.licence) is not None

    @property
    def outlines(self) -> tuple[ListedSeries, ...]:
        """The series with outlines or boxes."""
        return tuple(series for series in self.series if series.modality in OUTLINES)

    @property
    def ct(self) -> tuple[ListedSeries, ...]:
        """The CT series of the studies that have outlines."""
        return tuple(series for series in self.series if series.modality == "CT")

    def first(self, patients: int | None) -> SeriesList:
        """Return the list of the first patients; of all for None."""
        ids = list(dict.fromkeys(series.patient_id for series in self.outlines))[:patients]
        kept = tuple(series for series in self.series if series.patient_id in set(ids))
        return replace(self, series=kept)


def names() -> list[str]:
    """Return the names of the cohorts whose lists come with the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in LISTS.glob(f"*{SUFFIX}"))


def read_list(name_or_file: str | os.PathLike[str]) -> SeriesList:
    """Read the list of a cohort.

    Args:
        name_or_file: one of `names()`, or the path of a list, which ends in ".csv.gz".

    Raises:
        InputError: there is no such cohort, or the list is damaged.
    """
    text = os.fspath(name_or_file)
    path = Path(text) if text.endswith(SUFFIX) else LISTS / f"{text}{SUFFIX}"
    if path.parent == LISTS and path.name.removesuffix(SUFFIX) not in names():
        raise InputError(f"There is no cohort '{text}'; these are: {', '.join(names())}.")
    if not path.is_file():
        raise InputError(f"There is no file '{path}': name a list of series, or a cohort.")
    with parsing(path, "a list of series"):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            content = file.read(_LARGEST)
        if len(content) == _LARGEST:
            raise ValueError("it is too large")
        head, _, table = content.partition("\n")
        return _list(Fields(parsed_json(head), "its first line"), table.splitlines())


def _list(about: Fields, lines: Sequence[str]) -> SeriesList:
    clinical = about.child("clinical") if about.has("clinical") else None
    result = SeriesList(
        name=about.identifier("name"),
        title=about.text("title", most=200),
        licence=about.text("licence", most=200),
        citations=about.texts("citations", most=20),
        bucket=_matching(about.text("bucket"), _BUCKET),
        source=about.text("source", most=200),
        series=tuple(_series(lines)),
        roi=about.text("roi", most=100) if about.has("roi") else "",
        clinical_url=clinical.text("url", most=500) if clinical else "",
        clinical_sha256=_matching(clinical.text("sha256"), _DIGEST)
        if clinical and clinical.has("sha256")
        else "",
        histology=_texts(about.take("histology")) if about.has("histology") else {},
    )
    if clinical:
        clinical.end()
    about.end()
    re.compile(result.roi)
    uuids = [series.uuid for series in result.series]
    if len(set(uuids)) != len(uuids) or not uuids:
        raise ValueError("it lists no series, or one twice")
    return result


def _series(lines: Sequence[str]) -> Iterator[ListedSeries]:
    table = csv.DictReader(lines)
    if tuple(table.fieldnames or ()) != COLUMNS:
        raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
    for row in table:
        if row["modality"] not in ("CT", *OUTLINES):
            raise ValueError(f"it lists a series of {row['modality']}")
        is_ct = row["modality"] == "CT"
        yield ListedSeries(
            _matching(row["patient_id"], _PATIENT),
            int(row["study"]),
            row["modality"],
            _matching(row["uuid"], _UUID),
            int(row["files"]),
            int(row["bytes"]),
            _matching(row["series"], _UID) if is_ct else "",
        )


def _matching(text: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(text):
        raise ValueError(f"it holds '{text[:_LONGEST]}' where something else belongs")
    return text


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("its 'histology' is no object of texts")
    return value

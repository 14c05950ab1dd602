"""The manifest of a fetched cohort: each outline with its CT and its patient's labels."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from ..data.tables.clinical import read_clinical
from ..data.tables.facts import FACTS
from ..data.tables.patients import patient_of
from ..download import Client
from ..errors import InputError, LungSquadError, one_line, understood
from ..files import sha256_of_file, write_csv
from ..imaging.dicom import header as tags
from ..imaging.dicom.header import read_dataset, read_header
from ..imaging.mask_files import choices
from .series_list import ListedSeries, SeriesList

MANIFEST, ERRORS = "manifest.csv", "errors.csv"
_MOST_NAMED = 12

Problems = MutableMapping[tuple[str, str], str]
Pair = tuple[ListedSeries, ListedSeries]


def references_of(cohort: SeriesList, folder: Path, problems: Problems) -> list[Pair]:
    """Return each series of outlines with the CT that it refers to.

    Where an outline names no CT of the list, it is that of its study, if there is one alone.

    Args:
        cohort: its list.
        folder: of the fetched series.
        problems: gets a sentence for each series of outlines whose CT is not known.
    """
    by_uid = {series.uid: series for series in cohort.ct}
    by_study: defaultdict[int, list[ListedSeries]] = defaultdict(list)
    for series in cohort.ct:
        by_study[series.study].append(series)
    pairs = []
    for outline in cohort.outlines:
        key = outline.patient_id, outline.uuid
        if key in problems:
            continue
        try:
            uids = referenced_series(_file(folder, outline))
        except (InputError, OSError) as error:
            problems[key] = str(understood(error))
            continue
        named = [by_uid[uid] for uid in sorted(uids & by_uid.keys())]
        candidates = named or by_study[outline.study]
        if len(candidates) == 1:
            pairs.append((outline, candidates[0]))
        else:
            problems[key] = (
                f"The outlines name {len(named)} CT series of the list, and their study has "
                f"{len(by_study[outline.study])}: which one is meant is not known."
            )
    return pairs


def write_manifest(
    cohort: SeriesList,
    folder: Path,
    pairs: Sequence[Pair],
    labels: Mapping[str, Mapping[str, str]],
    problems: Problems,
) -> int:
    """Write the manifest; return the number of its rows.

    Columns: `case`, `patient_id`, `ct`, `mask`, `roi`, `series` (UID of the CT), `outline` (what
    the outlines are called: reader, test or retest), and the labels that are known. Boxes, which
    are no masks, are in the column `boxes`.

    Raises:
        InputError: no row is left.
    """
    boxes = all(outline.modality == "SR" for outline in cohort.outlines)
    rows = []
    for outline, ct in pairs:
        try:
            rois = [""] if boxes else _rois(_file(folder, outline), cohort.roi)
            description = _description(_file(folder, outline))
        except LungSquadError as error:
            problems[outline.patient_id, outline.uuid] = str(error)
            continue
        rows += [
            {
                "case": outline.patient_id,
                "patient_id": outline.patient_id,
                "ct": f"{ct.patient_id}/{ct.uuid}",
                "boxes" if boxes else "mask": _file(folder, outline).relative_to(folder).as_posix(),
                "roi": roi,
                "series": ct.uid,
                "outline": description,
                **labels.get(outline.patient_id, {}),
            }
            for roi in rois
        ]
    if not rows:
        first = next(iter(problems.values()), "there are no outlines")
        raise InputError(f"Not one case of {cohort.name} can be used: {first}")
    _number(rows)
    filled = dict.fromkeys(name for row in rows for name, cell in row.items() if cell)
    write_csv(
        folder / MANIFEST,
        tuple(filled),
        [{name: row.get(name, "") for name in filled} for row in rows],
    )
    return len(rows)


def _number(rows: Sequence[dict[str, str]]) -> None:
    """Number the cases of patients who have several."""
    several = Counter(row["case"] for row in rows)
    numbers: Counter[str] = Counter()
    for row in rows:
        if several[case := row["case"]] > 1:
            numbers[case] += 1
            row["case"] = f"{case}-{numbers[case]:02d}"


def _file(folder: Path, outline: ListedSeries) -> Path:
    """Return the file of a series of outlines, which is one."""
    return min((folder / outline.patient_id / outline.uuid).iterdir())


def _rois(path: Path, pattern: str) -> list[str]:
    """Return the ROIs of tumours, each as `--roi` names it."""
    available = choices(path)
    named = [each for each in available if not pattern or re.fullmatch(pattern, each.name, re.I)]
    if not named:
        listed = ", ".join(f"'{one_line(each.name, most=60)}'" for each in available[:_MOST_NAMED])
        raise InputError(f"No outline is called {pattern}; these are: {listed or 'none'}.")
    return [each.roi or each.name for each in named]


def _description(path: Path) -> str:
    header = read_header(path)
    return header.decoded(tags.SERIES_DESCRIPTION) if header else ""


def referenced_series(path: Path) -> set[str]:
    """Return the UIDs of the series that an RTSTRUCT, SEG or SR refers to."""
    dataset = read_dataset(path, stop_before_pixels=True)
    return {str(item.get("SeriesInstanceUID", "")) for item in _series_items(dataset)}


def _series_items(dataset: Mapping) -> Iterator[Mapping]:
    """Yield the items of a series: PS3.3 C.8.8.5 (RTSTRUCT), C.12.1.1.1 (SEG), C.17.2 (SR)."""
    yield from dataset.get("ReferencedSeriesSequence") or []
    for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []:
        yield from study.get("ReferencedSeriesSequence") or []
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            yield from study.get("RTReferencedSeriesSequence") or []


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

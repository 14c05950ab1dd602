"""T stages of a cohort: by size, by models and as reported, and their agreement.

The folder gets `cases/NAME.json` (the measurement of each case, kept if nothing changed),
`stage.csv` (a row for each case, also if it failed), `agreement.json` and `index.html`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.case_loop import CaseResults, RowTask, Summary, run_cases, stamp_of
from ..data.manifest import Row, look, messages_about, read_manifest
from ..errors import InputError, parsing
from ..evaluation.staging.comparators import Pseudonyms, Reported, model_stages, reported_stages
from ..evaluation.staging.methods import Agreement, agreements, disagreement, other_edition
from ..files import make_folder, sweep, whole_file, write_csv, write_json
from ..imaging.crop import flags_of_case
from ..imaging.ct import open_ct
from ..imaging.files.write import check_distinct
from ..imaging.mask_files import read_mask
from ..imaging.stage import EDITION, LIMITS, Rule, size_stage
from ..progress import Progress, Silent
from ..report.staging import cohort_page

TABLE, AGREEMENT, PAGE = "stage.csv", "agreement.json", "index.html"
_CASES = "cases"
_COLUMNS = (
    *("row", "case", "patient", "edition", "size_mm", "largest_mm", "axial_mm", "pieces"),
    *("size", "borders_on", "mlp", "cluster", "reported", "reported_edition", "sentence"),
)


@dataclass(frozen=True)
class Comparators:
    """Tables with stages to compare with; None if there are none.

    Attributes:
        predictions: `predictions.csv` of `train integration`.
        groups: `groups.csv` of `train autoencoder`.
        clinical: a clinical table with T stages, instead of the manifest's column `t_stage`.
        mapping: of its columns, if its layout is not known.
    """

    predictions: Path | None = None
    groups: Path | None = None
    clinical: Path | None = None
    mapping: Path | None = None


@dataclass(frozen=True)
class Task(RowTask):
    """A row of the manifest, the file of its measurement, and the rules."""

    file: Path
    edition: str
    rule: Rule


@dataclass(frozen=True)
class StagedCase:
    """A case with its stages by method; `error` is the reason if it could not be measured."""

    row: Row
    patient: str
    size: Mapping[str, Any] | None
    stages: Mapping[str, str] = field(default_factory=dict)
    reported: Reported | None = None
    error: str = ""

    @property
    def sentence(self) -> str:
        """The error, the disagreement of the methods, and all flags; "" if there are none."""
        flags = [] if self.size is None else self.size["flags"]
        sentences = [flag["sentence"] for flag in flags]
        return " ".join(filter(None, [self.error, disagreement(self.stages), *sentences]))


@dataclass(frozen=True)
class StagedCohort:
    """All cases, the agreement of the methods, and notes for the user."""

    cases: tuple[StagedCase, ...]
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]
    summary: Summary

    def to_dict(self) -> dict[str, Any]:
        return {
            "lungsquad": __version__,
            "notes": list(self.notes),
            "agreement": [each.to_dict() for each in self.agreements],
            "disagreements": sum(disagreement(case.stages) is not None for case in self.cases),
        }


def stage_cohort(
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    comparators: Comparators | None = None,
    edition: str = EDITION,
    rule: Rule = "largest",
    jobs: int = 1,
    keep_identity: bool = False,
    progress: Progress | None = None,
) -> StagedCohort:
    """Stage every case of a manifest; cases that an earlier run has finished are kept.

    Args:
        manifest: a CSV table, see `cohort.manifest`; a column `t_stage` (with `edition`) is the
            reported stage.
        folder: where to write.
        comparators: tables with other stages; they need `patient_id` in the manifest.
        edition: of the TNM classification.
        rule: the diameter that decides.
        jobs: number of processes.
        keep_identity: write the patients' IDs instead of pseudonyms.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: the manifest or a table cannot be used. What is wrong with one case is a row.
        CancelledError: `progress` said so; what was finished stays.
    """
    comparators, progress = comparators or Comparators(), progress or Silent()
    rows, target = read_manifest(manifest, keep_identity=keep_identity), Path(folder)
    check_distinct([target / name for name in (TABLE, AGREEMENT, PAGE)], [manifest])
    names = Pseudonyms(rows, keep_identity=keep_identity)
    compared = _comparator_stages(rows, comparators, names)  # a wrong table is reported first
    tasks = [_task(row, target, edition, rule) for row in rows]
    make_folder(target / _CASES)
    sweep(target)
    sweep(target / _CASES)
    run = run_cases(
        tasks,
        _measure,
        stored=_read,
        keep_identity=keep_identity,
        jobs=jobs,
        messages=messages_about(rows, columns=False),
        progress=progress,
    )
    cases = tuple(_case(task, run, names, compared) for task in tasks)
    cohort = StagedCohort(
        cases, tuple(agreements(_by_patient(cases, names))), _notes(cases, edition), run.summary
    )
    table = [_cells(case, edition) for case in cases]
    write_csv(target / TABLE, _COLUMNS, table)
    write_json(target / AGREEMENT, cohort.to_dict())
    page = cohort_page(cohort.agreements, table, cohort.notes)
    with whole_file(target / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return cohort


@dataclass(frozen=True)
class _ComparatorStages:
    """Stages by patient: of each model, and as reported."""

    models: Mapping[str, Mapping[str, str]]
    reported: Mapping[str, Reported]


def _comparator_stages(
    rows: Sequence[Row], tables: Comparators, names: Pseudonyms
) -> _ComparatorStages:
    models = {}
    if tables.predictions is not None:
        models["mlp"] = model_stages(tables.predictions, "predicted", names)
    if tables.groups is not None:
        models["cluster"] = model_stages(tables.groups, "group", names)
    reported = reported_stages(rows, tables.clinical, names, mapping=tables.mapping)
    return _ComparatorStages(models, reported)


def _task(row: Row, target: Path, edition: str, rule: Rule) -> Task:
    """Return the task; its stamp changes with whatever would change the result."""
    files = [f"{file} {look(file)}" for file in (row.ct.absolute(), row.mask.absolute())]
    stamp = stamp_of(*files, row.roi, row.label, row.series, edition, rule, __version__)
    return Task(row, stamp, target / _CASES / f"{row.case}.json", edition, rule)


def _read(task: Task) -> dict[str, Any] | None:
    """Return the measurement of a case if an earlier run has finished it."""
    try:
        with parsing(task.file, "a staged case"):
            described = json.loads(task.file.read_text(encoding="utf-8"))
            whole = described["stamp"] == task.stamp
            return dict(described["t_stage"]) if whole else None
    except (OSError, InputError):
        return None


def _measure(task: Task) -> dict[str, Any]:
    """Measure one case and write its file."""
    row = task.row
    row.check()
    ct = open_ct(row.ct, series=row.series)
    mask = read_mask(row.mask, ct, roi=row.roi, label=row.label)
    staged = size_stage(mask.image, edition=task.edition, rule=task.rule)
    flags = flags_of_case(ct, mask, *staged.flags)
    described = {**staged.to_dict(), "flags": [flag.to_dict() for flag in flags]}
    write_json(task.file, {"stamp": task.stamp, "t_stage": described})
    return described


def _case(
    task: Task, run: CaseResults[dict[str, Any]], names: Pseudonyms, compared: _ComparatorStages
) -> StagedCase:
    row = task.row
    size = run.results.get(row.case)
    key = names.key(row.patient_id) or row.case
    stages = {} if size is None else {"size": str(size["stage"])}
    stages |= {method: table[key] for method, table in compared.models.items() if key in table}
    reported = compared.reported.get(key)
    if reported is not None:
        stages["reported"] = reported.stage
    error = run.errors.get(row.case, "")
    return StagedCase(row, names.output_name(row), size, stages, reported, error)


def _by_patient(cases: Sequence[StagedCase], names: Pseudonyms) -> list[Mapping[str, str]]:
    """Return the stages of each patient; of several tumours the largest counts, as in staging."""
    largest: dict[str, StagedCase] = {}
    for case in cases:
        key = names.key(case.row.patient_id) or case.row.case
        if key not in largest or _size(case) > _size(largest[key]):
            largest[key] = case
    return [case.stages for case in largest.values()]


def _size(case: StagedCase) -> float:
    return 0.0 if case.size is None else float(case.size["size_mm"])


def _notes(cases: Sequence[StagedCase], edition: str) -> tuple[str, ...]:
    notes = [f"The stages by size are of the {edition}th edition. {LIMITS}"]
    editions = sorted({case.reported.edition for case in cases if case.reported is not None})
    if "" in editions:
        notes.append("The edition of the reported stages is not known for all patients.")
    notes += [other_edition(each, edition) for each in editions if each not in ("", edition)]
    return tuple(notes)


def _cells(case: StagedCase, edition: str) -> dict[str, Any]:
    size = case.size
    cells = {
        "row": case.row.number,
        "case": case.row.case,
        "patient": case.patient,
        "edition": edition,
        "sentence": case.sentence,
        "reported_edition": "" if case.reported is None else case.reported.edition,
        **case.stages,
    }
    if size is not None:
        cells |= {
            "size_mm": size["size_mm"],
            "largest_mm": size["largest_diameter"]["mm"],
            "axial_mm": size["axial_diameter"]["mm"],
            "pieces": size["pieces"],
            "borders_on": " ".join(size["borders_on"]),
        }
    return cells

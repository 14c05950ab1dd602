"""A cohort staged: a ruler on every case, what models and reports say, and how they agree.

The folder gets `cases/NAME.json` (each case's ruler, kept where nothing changed), `stage.csv` (a
row a case, also where it failed), `agreement.json` and `index.html`.
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
class Others:
    """Where the stages of others are; None where there are none.

    Attributes:
        mlp: `predictions.csv` of `train integration`.
        groups: `groups.csv` of `train autoencoder`.
        clinical: a clinical table with T stages, instead of the manifest's column `t_stage`.
        mapping: of its columns, where its layout is not known.
    """

    mlp: Path | None = None
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
    """One case, by every way that staged it; `error` says why the ruler could not."""

    row: Row
    patient: str
    ruler: Mapping[str, Any] | None
    stages: Mapping[str, str] = field(default_factory=dict)
    reported: Reported | None = None
    error: str = ""

    @property
    def sentence(self) -> str:
        """What went wrong, that the ways disagree, and all flags; "" where nothing."""
        flags = [] if self.ruler is None else self.ruler["flags"]
        told = [flag["sentence"] for flag in flags]
        return " ".join(filter(None, [self.error, disagreement(self.stages), *told]))


@dataclass(frozen=True)
class StagedCohort:
    """All cases, and how far the ways agree; `notes` are sentences for people."""

    cases: tuple[StagedCase, ...]
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]
    summary: Summary

    def to_dict(self) -> dict[str, Any]:
        return {
            "lungsquad": __version__,
            "notes": list(self.notes),
            "agreement": [one.to_dict() for one in self.agreements],
            "disagreements": sum(disagreement(case.stages) is not None for case in self.cases),
        }


def stage_cohort(
    manifest: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    others: Others | None = None,
    edition: str = EDITION,
    rule: Rule = "largest",
    jobs: int = 1,
    keep_identity: bool = False,
    progress: Progress | None = None,
) -> StagedCohort:
    """Stage every case of a manifest; what is whole from an earlier run is kept.

    Args:
        manifest: a CSV table, see `cohort.manifest`; a column `t_stage` (with `edition`) is what
            was reported.
        folder: where to write.
        others: the tables of the other ways; they need `patient_id` in the manifest.
        edition: of the ruler's rules.
        rule: which diameter is staged.
        jobs: how many processes.
        keep_identity: write the patients' IDs instead of pseudonyms.
        progress: told how it goes; may cancel.

    Raises:
        InputError: the manifest or a table cannot be used. What is wrong with one case is a row.
        CancelledError: `progress` said so; what was finished stays.
    """
    others, progress = others or Others(), progress or Silent()
    rows, target = read_manifest(manifest, keep_identity=keep_identity), Path(folder)
    check_distinct([target / name for name in (TABLE, AGREEMENT, PAGE)], [manifest])
    names = Pseudonyms(rows, keep_identity=keep_identity)
    said = _said(rows, others, names)  # what is wrong with a table is told before the work
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
    cases = tuple(_case(task, run, names, said) for task in tasks)
    found = StagedCohort(
        cases, tuple(agreements(_by_patient(cases, names))), _notes(cases, edition), run.summary
    )
    table = [_cells(case, edition) for case in cases]
    write_csv(target / TABLE, _COLUMNS, table)
    write_json(target / AGREEMENT, found.to_dict())
    page = cohort_page(found.agreements, table, found.notes)
    with whole_file(target / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return found


@dataclass(frozen=True)
class _Said:
    """By patient: what the models and the reports say."""

    models: Mapping[str, Mapping[str, str]]
    reported: Mapping[str, Reported]


def _said(rows: Sequence[Row], others: Others, names: Pseudonyms) -> _Said:
    models = {}
    if others.mlp is not None:
        models["mlp"] = model_stages(others.mlp, "predicted", names)
    if others.groups is not None:
        models["cluster"] = model_stages(others.groups, "group", names)
    return _Said(models, reported_stages(rows, others.clinical, names, mapping=others.mapping))


def _task(row: Row, target: Path, edition: str, rule: Rule) -> Task:
    """Return the task; its stamp changes with whatever would change the result."""
    files = [f"{file} {look(file)}" for file in (row.ct.absolute(), row.mask.absolute())]
    stamp = stamp_of(*files, row.roi, row.label, row.series, edition, rule, __version__)
    return Task(row, stamp, target / _CASES / f"{row.case}.json", edition, rule)


def _read(task: Task) -> dict[str, Any] | None:
    """A case's ruler, where it is there and whole."""
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
    task: Task, run: CaseResults[dict[str, Any]], names: Pseudonyms, said: _Said
) -> StagedCase:
    row = task.row
    ruler = run.results.get(row.case)
    key = names.key(row.patient_id) or row.case
    stages = {} if ruler is None else {"size": str(ruler["stage"])}
    stages |= {way: table[key] for way, table in said.models.items() if key in table}
    reported = said.reported.get(key)
    if reported is not None:
        stages["reported"] = reported.stage
    error = run.errors.get(row.case, "")
    return StagedCase(row, names.output_name(row), ruler, stages, reported, error)


def _by_patient(cases: Sequence[StagedCase], names: Pseudonyms) -> list[Mapping[str, str]]:
    """The stages of each patient; of several tumours the largest counts, as in staging."""
    largest: dict[str, StagedCase] = {}
    for case in cases:
        key = names.key(case.row.patient_id) or case.row.case
        if key not in largest or _size(case) > _size(largest[key]):
            largest[key] = case
    return [case.stages for case in largest.values()]


def _size(case: StagedCase) -> float:
    return 0.0 if case.ruler is None else float(case.ruler["size_mm"])


def _notes(cases: Sequence[StagedCase], edition: str) -> tuple[str, ...]:
    notes = [f"The stages by size are of the {edition}th edition. {LIMITS}"]
    editions = sorted({case.reported.edition for case in cases if case.reported is not None})
    if "" in editions:
        notes.append("Of which edition the reported stages are is not said for all patients.")
    notes += [other_edition(one, edition) for one in editions if one not in ("", edition)]
    return tuple(notes)


def _cells(case: StagedCase, edition: str) -> dict[str, Any]:
    ruler = case.ruler
    cells = {
        "row": case.row.number,
        "case": case.row.case,
        "patient": case.patient,
        "edition": edition,
        "sentence": case.sentence,
        "reported_edition": "" if case.reported is None else case.reported.edition,
        **case.stages,
    }
    if ruler is not None:
        cells |= {
            "size_mm": ruler["size_mm"],
            "largest_mm": ruler["largest_diameter"]["mm"],
            "axial_mm": ruler["axial_diameter"]["mm"],
            "pieces": ruler["pieces"],
            "borders_on": " ".join(ruler["borders_on"]),
        }
    return cells

"""Predictions for every case of a manifest: folders, a table of results, errors, and a page."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..cohorts.patient_folders import manifest_of
from ..data.case_loop import ERRORS, RowTask, Summary, run_cases, stamp_of, write_errors
from ..data.manifest import Row, look, messages_about, read_manifest
from ..errors import InputError
from ..files import make_folder, sweep, whole_file, write_csv
from ..identity import pseudonym
from ..imaging.files.write import check_distinct
from ..models.catalogue import DESCRIBES, OF_IMAGES
from ..models.file import Model, read_model_file
from ..networks.devices import chosen_device
from ..progress import Progress, Silent
from ..report.index import index_page
from ..report.render import read_result
from ..report.tables import COLUMNS, prediction_row
from .case import run_case
from .case_input import CaseInput
from .options import PredictionOptions

_STAMP = "inputs.sha256"
_RESULTS, _INDEX, _RADIOMICS = "results.csv", "index.html", "radiomics.csv"


@dataclass(frozen=True)
class Task(RowTask):
    """A row of the manifest, its folder of results, and the models that run on it."""

    folder: Path
    models: tuple[str, ...]
    options: PredictionOptions


def run_batch(
    manifest: str | os.PathLike[str],
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    jobs: int = 1,
    options: PredictionOptions | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run every case of a manifest or a folder; cases that an earlier run has finished are kept.

    Writes `cases/NAME/` for each case, `results.csv` (a row for each case and model), `errors.csv`
    (a row for each case that failed, with the reason) and `index.html`; and `radiomics.csv` (a row
    for each case) if the options ask for it.

    Args:
        manifest: see `read_manifest`; or a folder of patients, see `write_folder_manifest`.
        models: to run on every case.
        folder: where to write.
        jobs: processes.
        options: how to run the models.
        threads: of each process; None divides the machine's among the processes.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: the manifest or a model cannot be used, or the results would go into the folder
            of patients. What is wrong with one case is a row.
        CancelledError: `progress` said so; what was finished stays and is in the tables.
    """
    options, progress = options or PredictionOptions(), progress or Silent()
    threads = threads or max((os.cpu_count() or 1) // jobs, 1)
    source = Path(manifest).resolve()
    if source.is_dir() and Path(folder).resolve().is_relative_to(source):
        raise InputError(f"The results cannot go into the folder of patients, '{manifest}'.")
    with manifest_of(manifest, progress) as (table, left_out):
        rows = [_row_left_out(name, why, options) for name, why in left_out.items()]
        summary = _run(
            table, models, Path(folder), options, rows, jobs=(jobs, threads), progress=progress
        )
    reasons = (f"the folder '{name}' is left out: {why}" for name, why in left_out.items())
    return replace(summary, messages=(*summary.messages, *reasons))


def _row_left_out(name: str, reason: str, options: PredictionOptions) -> dict[str, Any]:
    """Return the row of `errors.csv` for a folder without a case; its name may be a patient's."""
    if not options.keep_identity:
        name, reason = "", re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "...", reason)
    return {"row": "", "case": name, "error": f"A folder is left out: {reason}"}


def _run(
    manifest: Path,
    models: Sequence[Model],
    target: Path,
    options: PredictionOptions,
    left_out: Sequence[dict[str, Any]],
    *,
    jobs: tuple[int, int],
    progress: Progress,
) -> Summary:
    """Run the cases of a manifest; `jobs` are processes and the threads of each.

    The rows `left_out` stand in `errors.csv` and on the page beside those of cases that fail.
    """
    chosen_device(options.device)
    rows = read_manifest(manifest, keep_identity=options.keep_identity)
    check_distinct([target / name for name in (_RESULTS, ERRORS, _INDEX, _RADIOMICS)], [manifest])
    if any(row.profile for row in rows) and all(_of_images(model) for model in models):
        raise InputError(f"'{manifest}' names profiles, and none of the models takes one.")
    tasks = [_task(row, target, models, options) for row in rows]
    make_folder(target / "cases")
    sweep(target)
    sweep(target / "cases")
    processes, threads = jobs
    run = run_cases(
        tasks,
        _work,
        stored=_stored,
        write=partial(_write_tables, tasks, target, options, left_out=left_out),
        keep_identity=options.keep_identity,
        jobs=processes,
        initializer=_begin,
        arguments=(threads,),
        messages=messages_about(rows, columns=False),
        progress=progress,
    )
    return run.summary


def _task(row: Row, target: Path, models: Sequence[Model], options: PredictionOptions) -> Task:
    """Return the task; its stamp changes with whatever would change the result."""
    files = [path.absolute() for path in (row.ct, row.mask, row.profile) if path is not None]
    values = [row.roi, row.label, row.series, repr(options), row.problem, __version__]
    hashes = [model.sha256 for model in models]
    stamp = stamp_of(*(f"{file} {look(file)}" for file in files), *values, *hashes)
    suitable = [model for model in models if row.profile or _of_images(model)]
    names = tuple(str(model.path) for model in suitable or models)  # which say what they lack
    return Task(row, stamp, target / "cases" / row.case, names, options)


def _of_images(model: Model) -> bool:
    return model.card.kind in (*OF_IMAGES, *DESCRIBES)


def _stored(task: Task) -> dict[str, Any] | None:
    """Return the content of the case's `prediction.json` if an earlier run has written it."""
    stamp = task.folder / _STAMP
    try:
        return read_result(task.folder) if stamp.read_text().strip() == task.stamp else None
    except (OSError, ValueError, InputError):
        return None


def _begin(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


@cache
def _model(path: str) -> Model:
    return read_model_file(path)


def _work(task: Task) -> dict[str, Any]:
    """Run one case and return the content of its `prediction.json`."""
    row = task.row
    row.check()
    case = CaseInput(row.ct, row.mask, row.roi, row.label, row.series, profile=row.profile)
    models = [_model(path) for path in task.models]
    run_case(case, models, task.folder, options=task.options, stamp=(_STAMP, task.stamp))
    return read_result(task.folder)


def _write_tables(
    tasks: Sequence[Task],
    target: Path,
    options: PredictionOptions,
    results: Mapping[str, dict[str, Any]],
    errors: Mapping[str, str],
    *,
    left_out: Sequence[dict[str, Any]],
) -> None:
    finished = [task for task in tasks if task.case in results]
    rows = [
        _result(task, results[task.case], prediction, options)
        for task in finished
        for prediction in _predictions(results[task.case])
    ]
    write_csv(target / _RESULTS, ("row", "case", "patient", *COLUMNS, "t_stage", "size_mm"), rows)
    if options.radiomics:
        _write_radiomics(finished, target, options, results)
    failed = write_errors(target, tasks, errors, left_out)
    cases = [(task.case, results[task.case]) for task in finished]
    with whole_file(target / _INDEX) as temporary:
        temporary.write_text(
            index_page(cases, failed, len(tasks) + len(left_out)), encoding="utf-8"
        )


def _write_radiomics(
    tasks: Sequence[Task],
    target: Path,
    options: PredictionOptions,
    results: Mapping[str, dict[str, Any]],
) -> None:
    """Write a row for each case that has a CT."""
    rows: list[dict[str, Any]] = []
    for task in tasks:
        described = results[task.case]
        if "radiomics" in described:
            about = {"case": task.case, "patient": _patient(task, described, options)}
            rows.append({**about, **described["radiomics"]["features"]})
    names = [*rows[0]] if rows else ["case", "patient"]
    write_csv(target / _RADIOMICS, names, rows)


def _predictions(described: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    return (*described["predictions"], *described.get("molecular", ()))


def _result(
    task: Task,
    described: Mapping[str, Any],
    prediction: Mapping[str, Any],
    options: PredictionOptions,
) -> dict[str, Any]:
    return {
        "row": task.number,
        "case": task.case,
        "patient": _patient(task, described, options),
        **prediction_row(prediction, described["flags"]),
        "t_stage": described["t_stage"]["stage"],
        "size_mm": described["t_stage"]["size_mm"],
    }


def _patient(task: Task, described: Mapping[str, Any], options: PredictionOptions) -> str:
    """Return the patient of a row as the tables name them."""
    identity = task.row.patient_id
    if not identity:
        return str(described["patient"])
    return identity if options.keep_identity else pseudonym(identity)

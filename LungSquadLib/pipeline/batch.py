"""Many patients: a folder each, a table of results, a table of errors, and a page to look at."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.manifest import Row, look, messages_about, read_manifest
from ..data.naming import nameless
from ..data.run import MOST_MESSAGES, Outcome, Summary, failure, run_all
from ..errors import InputError
from ..files import make_folder, sweep, whole_file, write_csv
from ..identity import pseudonym
from ..imaging.files.write import check_distinct
from ..models.catalogue import OF_IMAGES
from ..models.file import Model, read_bundle
from ..networks.devices import chosen_device
from ..progress import Progress, Silent, step
from ..report.index import index_page
from ..report.render import read_result
from ..report.tables import COLUMNS, prediction_row
from .case import CaseInput, Options, run_case

_STAMP = "inputs.sha256"
_TABLES = _RESULTS, _ERRORS, _INDEX = "results.csv", "errors.csv", "index.html"


@dataclass(frozen=True)
class Task:
    """One row of the manifest, and all that decides what comes out of it."""

    row: Row
    folder: Path
    models: tuple[str, ...]
    options: Options
    stamp: str


def run_batch(
    manifest: str | os.PathLike[str],
    models: Sequence[Model],
    folder: str | os.PathLike[str],
    *,
    jobs: int = 1,
    options: Options | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run every case of a manifest; what is whole from an earlier run is kept.

    Writes `cases/NAME/` for each case, `results.csv` (a row for each case and model), `errors.csv`
    (a row for each case that failed, with the reason) and `index.html`.

    Args:
        manifest: see `read_manifest`.
        models: to run on every case.
        folder: where to write.
        jobs: processes.
        options: how to run the models.
        threads: of each process; a share of the machine's where none are given.
        progress: told how it goes; may cancel.

    Raises:
        InputError: the manifest or a model cannot be used. What is wrong with one case is a row.
        CancelledError: `progress` said so; what was finished stays and is in the tables.
    """
    options, progress = options or Options(), progress or Silent()
    chosen_device(options.device)
    rows, target = read_manifest(manifest, keep_identity=options.keep_identity), Path(folder)
    check_distinct([target / name for name in _TABLES], [manifest])
    if any(row.profile for row in rows) and all(one.card.kind in OF_IMAGES for one in models):
        raise InputError(f"'{manifest}' names profiles, and none of the models takes one.")
    tasks = [_task(row, target, models, options) for row in rows]
    make_folder(target / "cases")
    sweep(target)
    sweep(target / "cases")
    waiting = [task for task in tasks if not _is_whole(task)]
    errors: dict[int, str] = {}
    messages = messages_about(rows, columns=False)
    threads = threads or max((os.cpu_count() or 1) // jobs, 1)
    finished = len(tasks) - len(waiting)
    try:
        step(progress, finished / len(tasks), f"{finished} of {len(tasks)} cases")
        for outcome in run_all(
            waiting, _work, jobs=jobs, initializer=_begin, arguments=(threads,), progress=progress
        ):
            finished += 1
            if outcome.error is not None:
                errors[outcome.task.row.number] = _reason(outcome, options)
                if len(errors) <= MOST_MESSAGES:
                    messages.append(failure(outcome.task.row.number, outcome.error))
            step(progress, finished / len(tasks), f"{finished} of {len(tasks)} cases")
    finally:
        _write_tables(tasks, errors, target, options)
    done = len(waiting) - len(errors)
    return Summary(done, len(tasks) - len(waiting), len(errors), messages)


def _task(row: Row, target: Path, models: Sequence[Model], options: Options) -> Task:
    """The stamp changes with whatever would change the result, as far as a look can tell."""
    files = [path.absolute() for path in (row.ct, row.mask, row.profile) if path is not None]
    seen = [
        *(f"{file} {look(file)}" for file in files),
        row.roi,
        row.label,
        row.series,
        repr(options),
    ]
    seen += [row.problem, __version__, *(model.sha256 for model in models)]
    stamp = hashlib.sha256(json.dumps([str(one) for one in seen]).encode()).hexdigest()
    asked = [model for model in models if row.profile or model.card.kind in OF_IMAGES]
    names = tuple(str(model.path) for model in asked or models)  # which say what they lack
    return Task(row, target / "cases" / row.case, names, options, stamp)


def _is_whole(task: Task) -> bool:
    stamp = task.folder / _STAMP
    try:
        return stamp.read_text().strip() == task.stamp and bool(read_result(task.folder))
    except (OSError, ValueError, InputError):
        return False


def _begin(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


@cache
def _model(path: str) -> Model:
    return read_bundle(path)


def _work(task: Task) -> None:
    """What one process does for one case."""
    row = task.row
    row.check()
    case = CaseInput(row.ct, row.mask, row.roi, row.label, row.series, profile=row.profile)
    models = [_model(path) for path in task.models]
    run_case(case, models, task.folder, options=task.options, stamp=(_STAMP, task.stamp))


def _reason(outcome: Outcome[Task], options: Options) -> str:
    """Why a case failed, without names unless they are to be kept."""
    sentence = str(outcome.error)
    return sentence if options.keep_identity else nameless(sentence, outcome.task.row)


def _write_tables(
    tasks: Sequence[Task], errors: dict[int, str], target: Path, options: Options
) -> None:
    rows, cases = [], []
    for task in tasks:
        if task.row.number not in errors and _is_whole(task):
            described = read_result(task.folder)
            cases.append((task.row.case, described))
            answers = (*described["predictions"], *described.get("molecular", ()))
            rows += [_result(task, described, one, options) for one in answers]
    failed = [
        {"row": task.row.number, "case": task.row.case, "error": errors[task.row.number]}
        for task in tasks
        if task.row.number in errors
    ]
    write_csv(target / _RESULTS, ("row", "case", "patient", *COLUMNS, "t_stage", "size_mm"), rows)
    write_csv(target / _ERRORS, ("row", "case", "error"), failed)
    with whole_file(target / _INDEX) as temporary:
        temporary.write_text(index_page(cases, failed, len(tasks)), encoding="utf-8")


def _result(
    task: Task, described: dict[str, Any], prediction: dict[str, Any], options: Options
) -> dict[str, Any]:
    patient = task.row.patient_id
    return {
        "row": task.row.number,
        "case": task.row.case,
        "patient": (patient if options.keep_identity else pseudonym(patient))
        if patient
        else described["patient"],
        **prediction_row(prediction, described["flags"]),
        "t_stage": described["t_stage"]["stage"],
        "size_mm": described["t_stage"]["size_mm"],
    }

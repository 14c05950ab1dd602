"""A training run: cross-validation, controls, and the model that comes out of it.

Its folder holds `run.json` (what decides the results), `splits.csv`, a folder for each training
under `fits/`, `predictions.csv` (out of fold), `controls.csv`, and `model.safetensors`; and where
tumours are painted to train on, `synthetic/`. The same call goes on where a run was stopped, and
ends with the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...data.processes import run_all
from ...data.split_files import SYNTHETIC, write_splits
from ...data.splits import Fold
from ...data.store import CASES
from ...errors import InputError, LungSquadError
from ...fields import Fields, shown
from ...files import sweep
from ...networks.devices import thread_count
from ...progress import Part, Progress, Silent, step
from ...statistics.discrimination import auc
from ..allocator import keep_blocks
from ..distributed import World, world
from ..logs import TensorBoard
from ..precision import faster_precision
from ..run_folder import damaged_run, open_run
from .export import Naming, draft, write_model
from .fitting import (
    ANSWERS,
    Job,
    features_of,
    is_done,
    jobs_of,
    painted_of,
    pairs_of,
    read_rows,
    run_job,
    write_rows,
)
from .options import Options
from .setup import Setup, set_up

FITS, PREDICTIONS, CONTROLS, MODEL = (
    "fits",
    "predictions.csv",
    "controls.csv",
    "model.safetensors",
)


@dataclass(frozen=True)
class Finished:
    """A run that is over: its folder, what it was, and sentences for the user."""

    folder: Path
    setup: Setup
    leads: bool
    sentences: tuple[str, ...]


def train_classifier(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: Options,
    *,
    naming: Naming | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Finished:
    """Train a classifier on a store, cross-validated, and write the run and its model.

    Args:
        store: of `cohort.build`.
        folder: of the run; one that was stopped goes on.
        options: what to train.
        naming: what the model's card is to say.
        jobs: how many trainings at once, each in a process of its own. Under torchrun, 1.
        progress: told how it goes; may cancel, and nothing is lost.

    Raises:
        InputError: the store, the options or the folder cannot be used, or training and test
            overlap; see `set_up`.
    """
    progress, place = progress or Silent(), Path(folder)
    if jobs < 1:
        raise InputError(f"The number of trainings at once must be 1 or more, not {jobs}.")
    keep_blocks()
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with repeatable, world(torch.device(options.device)) as processes:
        if processes.size > 1 and jobs > 1:
            raise InputError(
                "Under torchrun the trainings run one after another: leave out --jobs."
            )
        naming = naming or Naming()
        setup, counts = _begun(store, place, options, naming=naming, jobs=jobs, processes=processes)
        done = 0.3 if options.freeze == "trunk" or options.synthetic else 0.0
        _prepare(setup, place / FITS, processes, Part(progress, 0.0, done))
        with thread_count(counts["each"]):
            _run_jobs(setup, place / FITS, jobs, processes, Part(progress, done, 0.9))
        final = final_job(setup)
        if not is_done(place / FITS, final):
            part = Part(progress, 0.9, 0.98)
            with thread_count(counts["final"]):
                _run_one(
                    setup, final, place / FITS, processes, progress=part, message="The final model"
                )
        if processes.leads:
            _collect(setup, place)
            step(progress, 0.98, "Writing the model")
            write_model(setup, final, place, predictions=place / PREDICTIONS, naming=naming)
        processes.wait()
    return Finished(place, setup, processes.leads, (*setup.warnings, *setup.overlaps))


def final_job(setup: Setup) -> Job:
    """The training whose weights become the model.

    Where there is one split it is that of the first seed; after cross-validation, one more on all
    cases but a validation part, and what the folds reached is what is said of it.
    """
    first = setup.splits[0, 0]
    if len({fold for _, fold in setup.splits}) == 1:
        return jobs_of(setup)[0]
    everything = Fold((*first.train, *first.test), first.validation, ())
    return Job("final", 0, -1, everything)


def _begun(
    store: str | os.PathLike[str],
    place: Path,
    options: Options,
    *,
    naming: Naming,
    jobs: int,
    processes: World,
) -> tuple[Setup, dict[str, int]]:
    """The set-up and the numbers of threads, as the folder's `run.json` says, or as it will say."""
    setup = set_up(store, options)
    # What is wrong with the trainings, or with the card, is said before anything is written.
    pairs = {job: pairs_of(setup, job) for job in _all_jobs(setup)}
    draft(setup, final_job(setup), naming)
    settled = partial(_settled, setup, jobs)
    counts, precision = _read(
        place, open_run(place, setup.described(), settled, processes=processes)
    )
    if processes.leads:
        for folder in (*(place / FITS).glob("*"), place / SYNTHETIC / CASES):
            sweep(folder)
        rows = [
            (job.seed, job.fold, {**job.parts.parts, SYNTHETIC: [pair.name for pair in its]})
            for job, its in pairs.items()
            if job.kind == "main" and (job.seed, job.fold) in setup.splits
        ]
        write_splits(place / "splits.csv", rows)
    recipe = replace(setup.options.recipe, precision=precision)
    return replace(setup, options=replace(setup.options, recipe=recipe)), counts


def _settled(setup: Setup, jobs: int) -> dict[str, Any]:
    """What is measured or counted for a run when it begins."""
    precision = setup.options.recipe.precision
    if precision == "auto":
        precision = "fp32" if setup.options.freeze == "trunk" else faster_precision(setup)
    # A head alone is done before a second thread has begun.
    count = 1 if setup.options.freeze == "trunk" else torch.get_num_threads()
    return {
        "threads": {"each": max(count // jobs, 1), "final": count},
        "precision": precision,
        "excluded": dict(setup.excluded),
    }


def _read(place: Path, fields: Fields) -> tuple[dict[str, int], str]:
    """A run's numbers of threads and its precision."""
    try:
        given = fields.child("threads")
        precision = fields.text("precision")
        if precision not in ("fp32", "bf16"):
            raise ValueError(f"it has the precision {shown(precision)}")
        return {name: given.integer(name, 1, 1 << 16) for name in ("each", "final")}, precision
    except ValueError as error:
        raise damaged_run(place, error) from error


def _prepare(setup: Setup, folder: Path, processes: World, progress: Progress) -> None:
    """Paint the synthetic samples, and compute a frozen trunk's features.

    Each process makes its share; all read all of them later.
    """
    share = slice(processes.rank, None, processes.size)
    pairs = {pair: None for job in _all_jobs(setup) for pair in pairs_of(setup, job)}
    half = 0.5 if pairs else 0.0
    made = painted_of(setup, [*pairs][share], folder, Part(progress, 0.0, half))
    if setup.options.freeze == "trunk":
        own, later = replace(setup.store, cases=setup.cases[share]), 1 - half / 2
        for store, first, last in ((own, half, later), (made, later, 1.0)):
            if store.cases:
                features_of(setup, store, folder, Part(progress, first, last))
    processes.wait()


def _all_jobs(setup: Setup) -> list[Job]:
    return [*jobs_of(setup), final_job(setup)]


def _run_jobs(setup: Setup, folder: Path, jobs: int, processes: World, progress: Progress) -> None:
    every = jobs_of(setup)
    waiting = [job for job in every if not is_done(folder, job)]
    processes.wait()
    finished = len(every) - len(waiting)
    if jobs == 1:
        for n, job in enumerate(waiting, finished):
            part = Part(progress, n / len(every), (n + 1) / len(every))
            message = f"{n + 1} of {len(every)}"
            _run_one(setup, job, folder, processes, progress=part, message=message)
        return
    step(progress, finished / len(every), f"{finished} of {len(every)} trainings")
    for outcome in run_all(
        [(setup.store.folder, setup.options, folder, job) for job in waiting],
        _work,
        jobs=jobs,
        initializer=_begin,
        arguments=(torch.get_num_threads(),),
        progress=progress,
    ):
        if outcome.error is not None:
            raise LungSquadError(f"{outcome.task[-1].name}: {outcome.error}")
        finished += 1
        step(progress, finished / len(every), f"{finished} of {len(every)} trainings")


def _run_one(
    setup: Setup, job: Job, folder: Path, processes: World, *, progress: Progress, message: str
) -> None:
    watchers = (TensorBoard(folder / job.name),) if processes.leads else ()
    run_job(
        setup,
        job,
        folder,
        world=processes,
        progress=progress,
        message=message,
        watchers=watchers,
    )


def _begin(threads: int) -> None:
    keep_blocks()
    torch.set_num_threads(threads)


@cache
def _set_up(store: Path, options: Options) -> Setup:
    return set_up(store, options)


def _work(task: tuple[Path, Options, Path, Job]) -> None:
    store, options, folder, job = task
    setup = _set_up(store, options)
    _run_one(setup, job, folder, World(), progress=Silent(), message=job.name)


def _collect(setup: Setup, place: Path) -> None:
    """Out-of-fold answers of all trainings in one table, and the controls' AUCs in another."""
    rows: list[dict[str, str]] = []
    controls: list[dict[str, Any]] = []
    for job in jobs_of(setup):
        answers = read_rows(place / FITS / job.name / ANSWERS)
        if job.kind == "main":
            rows += answers
        controls += _controlled(setup, job, answers)
    write_rows(place / PREDICTIONS, rows)
    write_rows(place / CONTROLS, controls)


def _controlled(
    setup: Setup, job: Job, answers: Sequence[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    test = [row for row in answers if row["part"] == "test"]
    y = np.array([row[setup.options.label] == setup.classes[setup.positive] for row in test])
    if 0 < y.sum() < len(y):
        yield {
            "kind": job.kind,
            "patients": len({setup.by_name[name].patient for name in job.parts.train}),
            "seed": job.seed,
            "fold": job.fold,
            "tested": len(test),
            "AUC": auc(y.astype(int), np.array([float(row["score"]) for row in test])),
        }

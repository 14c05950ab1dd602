"""One design for every training: an `Experiment` says what is learnt, `run` does the rest.

The folder of a run holds `run.json` (what decides the results), `splits.csv`, a folder for each fit
under `fits/` and the files of the export, among them `model.safetensors`. The folder of a fit holds
`checkpoint` while it trains, then `log.csv` (metrics of each epoch), `weights.safetensors` and what
the experiment adds; and TensorBoard's events where that is installed. The same call resumes a run
that was stopped, and ends with the same bytes.
"""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from ..data.processes import run_all
from ..data.split_files import write_splits
from ..data.splits import Fold
from ..errors import InputError, LungSquadError
from ..files import sha256_of_file, sweep, write_csv
from ..networks.devices import thread_count
from ..progress import Part, Progress, Silent, step
from .allocator import keep_freed_memory
from .checkpoint import read_checkpoint, write_checkpoint
from .distributed import DistributedContext, distributed_context
from .loop import Callback, Row, Schedule, Task, TensorBoard, fit
from .run_folder import damaged_run, open_run

FITS, SPLITS, MODEL = "fits", "splits.csv", "model.safetensors"
WEIGHTS, LOG, CHECKPOINT = "weights.safetensors", "log.csv", "checkpoint"
_PREPARED, _FITTED = 0.3, 0.97  # fractions of a run's progress

Options = TypeVar("Options")
Split = tuple[int, int, Mapping[str, Sequence[str]]]  # seed, fold, cases of each part


@dataclass(frozen=True)
class Fit:
    """One fit of a run.

    Attributes:
        name: of its folder.
        seed, fold: its place in the cross-validation; the fold is -1 for a fit on all folds.
        parts: its cases.
        kind: "main", or the name of a control experiment.
    """

    name: str
    seed: int
    fold: int
    parts: Fold
    kind: str = "main"


@dataclass(frozen=True)
class Session:
    """What the code of an experiment gets from the run it is part of.

    Attributes:
        folder: of the run.
        context: the processes that share each fit.
        progress: of this part of the run.
        message: what progress messages begin with.
    """

    folder: Path
    context: DistributedContext
    progress: Progress
    message: str = "Training"

    def of_fit(self, fit: Fit) -> Path:
        """Return the folder of a fit."""
        return self.folder / FITS / fit.name


class Experiment(ABC, Generic[Options]):
    """What is learnt, from which data, and what is written in the end.

    An experiment is picklable (with `jobs`, other processes fit it) and writes nothing before
    `prepare`.

    Attributes:
        options: what the user sets.
        distributable: whether the processes of torchrun can share a fit.
        single_threaded: whether networks are so small that a second thread makes a fit slower.
        prepares: whether `prepare` takes time.
    """

    options: Options
    distributable: ClassVar[bool] = True

    @property
    def device(self) -> str:
        """The device of the fits."""
        return str(getattr(self.options, "device", "cpu"))

    @property
    def single_threaded(self) -> bool:
        return False

    @property
    def prepares(self) -> bool:
        return False

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return all that decides the results, as JSON has it."""

    def facts(self) -> dict[str, Any]:
        """Return what else `run.json` says, for people."""
        return {}

    def check(self) -> None:
        """Raise what is wrong with the experiment; called before anything is written."""

    @abstractmethod
    def fits(self) -> Sequence[Fit]:
        """Return all fits but the final one; `jobs` of them run at once."""

    def final_fit(self) -> Fit | None:
        """Return the fit whose weights become the model, which may be one of `fits`."""
        return None

    def splits(self) -> Iterable[Split]:
        """Return the rows of `splits.csv`."""
        return [(fit.seed, fit.fold, fit.parts.parts) for fit in self.fits() if fit.kind == "main"]

    def prepare(self, session: Session) -> None:
        """Compute what all fits read; each process its share."""

    @abstractmethod
    def fit(self, fit: Fit, session: Session) -> None:
        """Train, and leave a finished fit (see `finish_fit`) in its folder."""

    @abstractmethod
    def export(self, session: Session) -> None:
        """Write predictions and model of a finished run; only the main process is here."""


def run(
    experiment: Experiment[Any],
    folder: Path,
    *,
    jobs: int = 1,
    threads: int | None = None,
    progress: Progress | None = None,
) -> DistributedContext:
    """Run an experiment, or resume it where it was stopped.

    Args:
        experiment: what is learnt.
        folder: of the run.
        jobs: fits at once, each in a process of its own; 1 under torchrun.
        threads: of the processor, all fits together; None: torch's default. They decide the last
            bits, so a resumed run has the number that it started with.
        progress: gets the state of the run; may cancel, and nothing is lost.

    Returns:
        The context of this process; only the main process has exported the run.

    Raises:
        InputError: the experiment's check failed, the folder holds another run or other files, or
            jobs or threads are out of range.
        CancelledError: `progress` was cancelled.
    """
    progress = progress or Silent()
    for flag, value in (("--jobs", jobs), ("--threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{flag} must be 1 or more, not {value}.")
    experiment.check()
    keep_freed_memory()
    # cuDNN's fastest algorithms are neither the same each time nor deterministic.
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with repeatable, distributed_context(torch.device(experiment.device)) as context:
        _check_context(experiment, context, jobs)
        counts = _opened(experiment, folder, context, jobs=jobs, threads=threads)
        session = Session(folder, context, progress)
        prepared = _PREPARED if experiment.prepares else 0.0
        with thread_count(counts["export"]):
            experiment.prepare(replace(session, progress=Part(progress, 0.0, prepared)))
            context.barrier()
        _fit_all(
            experiment, replace(session, progress=Part(progress, prepared, _FITTED)), counts, jobs
        )
        if context.is_main_process:
            with thread_count(counts["export"]):
                experiment.export(replace(session, progress=Part(progress, _FITTED, 1.0)))
        context.barrier()
    return context


def _check_context(experiment: Experiment[Any], context: DistributedContext, jobs: int) -> None:
    if context.size == 1:
        return
    if not experiment.distributable:
        raise InputError("This training has one process: start it without torchrun.")
    if jobs > 1:
        raise InputError("Under torchrun the fits run one after another: leave out --jobs.")


def _opened(
    experiment: Experiment[Any],
    folder: Path,
    context: DistributedContext,
    *,
    jobs: int,
    threads: int | None,
) -> dict[str, int]:
    """Start or resume the run in its folder; return the numbers of threads."""
    count = threads or torch.get_num_threads()
    single = experiment.single_threaded
    counts = {
        "each": 1 if single else max(count // jobs, 1),
        "final": 1 if single else count,
        "export": count,
    }
    facts = {"threads": counts, **experiment.facts()}
    fields = open_run(folder, experiment.described(), facts, context=context)
    try:
        known = fields.child("threads")
        counts = {name: known.integer(name, 1, 1 << 16) for name in counts}
    except ValueError as error:
        raise damaged_run(folder, error) from error
    if context.is_main_process:
        for leftover in (folder / FITS).glob("*"):
            sweep(leftover)
        write_splits(folder / SPLITS, experiment.splits())
    return counts


def _fit_all(
    experiment: Experiment[Any], session: Session, counts: Mapping[str, int], jobs: int
) -> None:
    """Fit all that is not finished yet, and the final fit last."""
    fits, final = [*experiment.fits()], experiment.final_fit()
    total = len({*fits, final} - {None})
    left = [each for each in fits if not is_finished(session.of_fit(each))]
    session.context.barrier()
    with thread_count(counts["each"]):
        if jobs > 1:
            _fit_in_processes(experiment, left, session, jobs, total)
            left = []
        for each in left:
            _fit_one(experiment, each, session, number=fits.index(each), total=total)
    if final is not None and not is_finished(session.of_fit(final)):
        session.context.barrier()
        with thread_count(counts["final"]):
            _fit_one(experiment, final, session, number=total - 1, total=total)


def _fit_one(
    experiment: Experiment[Any], each: Fit, session: Session, *, number: int, total: int
) -> None:
    part = Part(session.progress, number / total, (number + 1) / total)
    message = f"Fit {number + 1} of {total}" if total > 1 else "Training"
    experiment.fit(each, replace(session, progress=part, message=message))
    session.context.barrier()


def _fit_in_processes(
    experiment: Experiment[Any], left: Sequence[Fit], session: Session, jobs: int, total: int
) -> None:
    finished = len(experiment.fits()) - len(left)
    step(session.progress, finished / total, f"{finished} of {total} fits")
    tasks = [(experiment, each, session.folder) for each in left]
    for outcome in run_all(
        tasks,
        _fit_in_worker,
        jobs=jobs,
        initializer=torch.set_num_threads,
        arguments=(torch.get_num_threads(),),
        progress=session.progress,
    ):
        if outcome.error is not None:
            raise LungSquadError(f"{outcome.task[1].name}: {outcome.error}")
        finished += 1
        step(session.progress, finished / total, f"{finished} of {total} fits")


def _fit_in_worker(task: tuple[Experiment[Any], Fit, Path]) -> None:
    experiment, each, folder = task
    keep_freed_memory()
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with repeatable:
        experiment.fit(each, Session(folder, DistributedContext(), Silent(), each.name))


def fit_task(
    task: Task,
    schedule: Schedule,
    folder: Path,
    session: Session,
    callbacks: tuple[Callback, ...] = (),
) -> list[Row]:
    """Train a task with a checkpoint and TensorBoard's log in the folder of a fit, and `log.csv`.

    Returns:
        The metrics of each epoch.
    """
    history = fit(
        task,
        schedule,
        checkpoint=folder / CHECKPOINT,
        context=session.context,
        progress=session.progress,
        message=session.message,
        callbacks=(TensorBoard(folder), *callbacks),
    )
    if session.context.is_main_process:
        columns = list(dict.fromkeys(name for row in history for name in row))
        rows = [{"epoch": number, **row} for number, row in enumerate(history, 1)]
        write_csv(folder / LOG, ["epoch", *columns], rows, exact=True)
    return history


def read_log(folder: Path) -> list[Row]:
    """Return the metrics of each epoch of a finished fit; "epoch" among them."""
    return [
        {name: float(value) for name, value in row.items() if value}
        for row in read_rows(folder / LOG)
    ]


def finish_fit(
    folder: Path,
    weights: Mapping[str, Tensor],
    *,
    files: Sequence[str] = (),
    **facts: Any,
) -> None:
    """Write `weights.safetensors`, after which the fit is finished, and remove the checkpoint.

    Args:
        folder: of the fit.
        weights: of the trained network.
        files: names of files in the folder that belong to the result; the fit is finished only as
            long as these are what they are now.
        facts: for JSON; `read_fit` returns them.
    """
    digests = {name: sha256_of_file(folder / name) for name in files}
    write_checkpoint(folder / WEIGHTS, weights, {**facts, "files": digests})
    (folder / CHECKPOINT).unlink(missing_ok=True)


def read_fit(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights and the facts of a finished fit."""
    return read_checkpoint(folder / WEIGHTS)


def is_finished(folder: Path) -> bool:
    """Return whether a fit is finished and its files are intact; otherwise it runs again."""
    try:
        _, facts = read_fit(folder)
        files = facts["files"].items()
        return all(sha256_of_file(folder / name) == digest for name, digest in files)
    except (InputError, FileNotFoundError):
        return False


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same columns as CSV; reading gives the same numbers."""
    write_csv(path, list(rows[0]) if rows else [], rows, exact=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file that `write_rows` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

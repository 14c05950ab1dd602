"""The loop over the cases of a manifest: in processes, resumable, and no case can end it.

`cohort build`, `gan data`, `batch` and `stage` use it. Each of them brings a task for every case,
the work on one task, and a look at what an earlier run has finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ..errors import InputError, parsing
from ..fields import parsed_json
from ..files import make_folder, sweep, write_csv, write_json
from ..identity import without_names
from ..progress import Progress, Silent, step
from .manifest import Row
from .processes import run_all, run_on

ERRORS = "errors.csv"
_MOST_MESSAGES = 5  # about cases that failed
_QUEUED = 1000  # tasks that an executor has at a time: enough for workers that come later


def resume_folder(
    path: Path, about: Mapping[str, Any], *, another: str, own_files: Collection[str] = ()
) -> None:
    """Have a folder be that of an output, which an earlier run may have begun.

    Args:
        path: the JSON file in the folder that says what the output is.
        about: its content.
        another: what a folder with another content holds, in words.
        own_files: names of files that a new folder may have.

    Raises:
        InputError: the folder holds another output or other files.
    """
    make_folder(path.parent)
    sweep(path.parent)
    if path.is_file():
        with parsing(path, "JSON"):
            same = parsed_json(path.read_text(encoding="utf-8")) == about
        if not same:
            raise InputError(f"'{path.parent}' holds {another}; choose another folder.")
    elif any(each.name not in own_files for each in path.parent.iterdir()):
        raise InputError(f"'{path.parent}' is not empty; choose another folder.")
    else:
        write_json(path, about)


class CaseTask(Protocol):
    """The work on one case: its name, its row in the table of all, the manifest's row if any."""

    @property
    def case(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def row(self) -> Row | None: ...


@dataclass(frozen=True)
class RowTask:
    """A row of a manifest; `stamp` is a hash of everything that decides its result."""

    row: Row
    stamp: str

    @property
    def case(self) -> str:
        return self.row.case

    @property
    def number(self) -> int:
        return self.row.number


Task = TypeVar("Task", bound=CaseTask)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Summary:
    """Numbers of cases that were done, were finished before, and failed.

    `messages` are sentences for the terminal alone, for they may name files: what was left out of
    the outputs, and why the first cases failed.
    """

    done: int
    skipped: int
    failed: int
    messages: Sequence[str] = field(default=(), compare=False)

    @property
    def exit_code(self) -> int:
        """1 where not one case could be done."""
        return int(self.failed > 0 and self.done + self.skipped == 0)

    def __str__(self) -> str:
        return f"{self.done} done, {self.skipped} finished before, {self.failed} failed"


@dataclass(frozen=True)
class CaseResults(Generic[Result]):
    """The results of a run and the reasons of the cases that failed, both by case."""

    results: Mapping[str, Result]
    errors: Mapping[str, str]
    summary: Summary


def run_cases(
    tasks: Sequence[Task],
    work: Callable[[Task], Result],
    *,
    stored: Callable[[Task], Result | None],
    write: Callable[[Mapping[str, Result], Mapping[str, str]], None] | None = None,
    keep_identity: bool = False,
    jobs: int = 1,
    executor: Executor | None = None,
    initializer: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    messages: Sequence[str] = (),
    progress: Progress | None = None,
) -> CaseResults[Result]:
    """Do `work` on every case that no earlier run has finished.

    Args:
        tasks: one for each case, with different names.
        work: a function at a module's top level, which takes a task and returns its result.
        stored: returns the result of a task that an earlier run has finished, else None.
        write: writes what there is, by case: results and reasons of failures. It is also called
            when the run is cancelled or interrupted.
        keep_identity: leave names of files and patients in the reasons.
        jobs: number of processes.
        executor: to use in place of processes.
        initializer: called once in each process, with `arguments`.
        arguments: for the initializer.
        messages: of the summary, before those about failures.
        progress: gets the state of the work; may cancel.

    Raises:
        CancelledError: `progress` said so.
    """
    progress = progress or Silent()
    results: dict[str, Result] = {}
    errors: dict[str, str] = {}
    failures: list[str] = []

    def report() -> None:
        count = len(results) + len(errors)
        step(progress, count / len(tasks), f"{count} of {len(tasks)} cases")

    try:
        report()
        with ThreadPoolExecutor(jobs) as pool:
            for task, result in zip(tasks, pool.map(stored, tasks), strict=True):
                if result is not None:
                    results[task.case] = result
                    report()
        kept = len(results)
        waiting = [task for task in tasks if task.case not in results]
        outcomes = (
            run_on(executor, waiting, work, width=_QUEUED, progress=progress)
            if executor is not None
            else run_all(
                waiting,
                work,
                jobs=jobs,
                initializer=initializer,
                arguments=arguments,
                progress=progress,
            )
        )
        for outcome in outcomes:
            task = outcome.task
            if outcome.error is None:
                results[task.case] = outcome.result
            else:
                errors[task.case] = _reason(outcome.error, task, keep_identity=keep_identity)
                # One line: more would list the case's files.
                failures.append(f"row {task.number}: {outcome.error.splitlines()[0]}")
            report()
    except BaseException:
        if write is not None:
            left = [t for t in tasks if t.case not in results and t.case not in errors]
            finished = {task.case: stored(task) for task in left}  # by processes, meanwhile
            results |= {case: result for case, result in finished.items() if result is not None}
            write(results, errors)
        raise
    if write is not None:
        write(results, errors)
    summary = Summary(
        len(results) - kept, kept, len(errors), (*messages, *failures[:_MOST_MESSAGES])
    )
    return CaseResults(results, errors, summary)


def _reason(error: str, task: CaseTask, *, keep_identity: bool) -> str:
    """The reason of a failure, without names unless they are to be kept."""
    return error if keep_identity or task.row is None else nameless(error, task.row)


def nameless(sentence: str, row: Row) -> str:
    """Return the reason of a failure with words for the names of files."""
    files = {"MASK": row.mask, "CT": row.ct}
    if row.profile is not None:
        files["PROFILE"] = row.profile
    for word in files:
        if sentence == row.absent(word.lower()):
            return f"There is no file or folder '{word}'."
    return without_names(sentence, files)


def write_errors(
    folder: Path,
    tasks: Sequence[CaseTask],
    errors: Mapping[str, str],
    further: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Write `errors.csv`, a row for each case that failed and `further` ones; return its rows."""
    rows: list[dict[str, Any]] = [
        {"row": task.number, "case": task.case, "error": errors[task.case]}
        for task in tasks
        if task.case in errors
    ]
    rows += further
    write_csv(folder / ERRORS, ("row", "case", "error"), rows)
    return rows


def stamp_of(*values: object) -> str:
    """Return a hash of the values that decide the result of a task; JSON must have them."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()

"""A folder of cases, filled as processes finish them: whatever happens, what is there is listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ..files import write_csv
from ..progress import Progress, step
from .run import MOST_MESSAGES, Outcome, Summary, failure
from .store import CASES, StoredCase, case_name

ERRORS, FLAGS = "errors.csv", "flags.csv"


class CaseTask(Protocol):
    """What is asked of a task: the name of its case, and its row in the table of all."""

    @property
    def case(self) -> str: ...
    @property
    def number(self) -> int: ...


Task = TypeVar("Task", bound=CaseTask)
Case = TypeVar("Case", bound=StoredCase)


def gather(
    folder: Path,
    tasks: Sequence[Task],
    outcomes: Iterable[Outcome[Task]],
    *,
    stored: Callable[[Task], Case | None],
    reason: Callable[[Outcome[Task]], str],
    index: Callable[[list[Case], int], None],
    progress: Progress,
) -> Summary:
    """Take the cases as they come; when all is done the folder has those of the tasks, no others.

    Args:
        folder: with the cases' files in `CASES`; `errors.csv` and `flags.csv` are written there.
        tasks: in the order that the index shall have.
        outcomes: of the tasks. A result is the case, and whether it was whole from before.
        stored: a task's case, where it is there and whole.
        reason: why a task failed, without names that must not be told.
        index: writes the index of the cases that are there, and of how many failed.
        progress: told how it goes; may cancel.

    Raises:
        CancelledError: `progress` said so; what was finished stays and is in the index.
    """
    done: dict[str, Case] = {}
    errors: dict[str, str] = {}
    messages: list[str] = []
    kept = 0

    def write() -> None:
        """The tables, and last the index."""
        cases = [done[task.case] for task in tasks if task.case in done]
        failed = [
            {"row": task.number, "case": task.case, "error": errors[task.case]}
            for task in tasks
            if task.case in errors
        ]
        flags = [{"case": case.case, **flag.to_dict()} for case in cases for flag in case.flags]
        write_csv(folder / ERRORS, ("row", "case", "error"), failed)
        write_csv(folder / FLAGS, ("case", "code", "severity", "sentence"), flags)
        index(cases, len(failed))

    try:
        step(progress, 0, f"0 of {len(tasks)} cases")
        for outcome in outcomes:
            if outcome.error is None:
                done[outcome.task.case], was_there = outcome.result
                kept += was_there
            else:
                errors[outcome.task.case] = reason(outcome)
                messages.append(failure(outcome.task.number, outcome.error))
            count = len(done) + len(errors)
            step(progress, count / len(tasks), f"{count} of {len(tasks)} cases")
    except BaseException:
        left = [task for task in tasks if task.case not in done and task.case not in errors]
        done |= {case.case: case for case in map(stored, left) if case is not None}
        write()
        raise
    write()
    _remove_others(folder, tasks)
    return Summary(len(done) - kept, kept, len(errors), messages[:MOST_MESSAGES])


def _remove_others(folder: Path, tasks: Iterable[CaseTask]) -> None:
    """A case that left the table leaves the folder: its patient may have asked for it.

    One that failed now but not before stays, unlisted: its images may only be out of reach.
    """
    wanted = {Path(case_name(task.case)).name for task in tasks}
    for path in (folder / CASES).glob("*.npz"):
        if path.name not in wanted:
            path.unlink()

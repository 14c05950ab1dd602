"""Work that takes time: one task at once, in steps between which the window stays responsive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Any, Protocol, TypeAlias

from slicer.i18n import tr as _
from slicer.i18n import translate

from ...errors import CancelledError, FaultError, InputError, LungSquadError, understood
from .events import single_shot

PROGRESS = "LungSquadLib.progress"  # the translations' context of the library's messages


@dataclass(frozen=True)
class Callbacks:
    """Functions that a worker's responses to a request are passed to."""

    progress: Callable[[float, str], None]
    result: Callable[[Any], None]
    error: Callable[[LungSquadError], None]
    preliminary: Callable[[Any], None] = lambda _result: None


class WorkerRunner(Protocol):
    """Sends requests to a worker without waiting for the responses."""

    def request(self, verb: str, fields: Mapping[str, Any], callbacks: Callbacks) -> int:
        """Send a request; return its number."""

    def cancel(self, number: int) -> None:
        """Cancel a request: its callbacks are not called any more."""


@dataclass(frozen=True)
class WorkerCall:
    """A step that waits for a worker; `start` and `end` are its share of the progress bar.

    `preliminary` takes the results that come before the last one.
    """

    verb: str
    fields: Mapping[str, Any]
    start: float = 0.0
    end: float = 1.0
    preliminary: Callable[[Any], None] = lambda _result: None


# A task yields its progress (the event loop turns, then the task continues), or a `WorkerCall` (it
# continues with the result). It ends by returning, or with an error whose message is shown.
Steps: TypeAlias = Generator[float | WorkerCall, Any, None]


@dataclass
class _Task:
    title: str
    steps: Steps
    nodes: Sequence[Any]
    fraction: float = 0.0
    message: str = ""
    request: int | None = None
    stop: LungSquadError | None = None


@dataclass
class Tasks:
    """Runs tasks, one at a time.

    Attributes:
        owner: the widget that the timer belongs to.
        worker: runs the tasks' calls.
        changed: called when a task begins, proceeds or ends.
        report: called with the message of a task that was cancelled or failed.
    """

    owner: Any
    worker: WorkerRunner
    changed: Callable[[], None]
    report: Callable[[str], None]
    _task: _Task | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._timer = single_shot(self.owner, self._continue)

    @property
    def title(self) -> str:
        """The title of the running task, or an empty text."""
        return "" if self._task is None else self._task.title

    @property
    def fraction(self) -> float:
        """The progress of the running task, 0 to 1."""
        return 0.0 if self._task is None else self._task.fraction

    @property
    def message(self) -> str:
        """The current step of the running task."""
        return "" if self._task is None else self._task.message or self._task.title

    def start(self, title: str, steps: Steps, *, nodes: Sequence[Any] = ()) -> None:
        """Start a task, or report that another one is running.

        Args:
            title: what the user reads.
            steps: the work.
            nodes: the task is cancelled when one of these is removed from the scene.
        """
        if self._task is not None:
            steps.close()
            busy = _("Another task is running: {title}. Wait until it is finished, or cancel it.")
            self.report(busy.format(title=self.title))
            return
        self._task = _Task(title, steps, nodes)
        self.changed()
        self._timer.start()

    def cancel(self, reason: str = "") -> None:
        """End the running task at once; its own clean-up runs."""
        if self._task is None:
            return
        error = CancelledError(reason or _("Cancelled."))
        if getgeneratorstate(self._task.steps) == GEN_RUNNING:
            # Slicer turned the event loop within a step: end the task after it.
            self._task.stop = error
        else:
            self._continue(error=error)

    def check_nodes(self) -> None:
        """Cancel the running task if one of its nodes was removed."""
        for node in self._task.nodes if self._task is not None else ():
            if not in_scene(node):
                removed = _("'{name}' was removed, so this was stopped: {title}.")
                self.cancel(removed.format(name=node.GetName(), title=self.title))
                return

    def _continue(self, value: Any = None, *, error: LungSquadError | None = None) -> None:
        """Do the next step of the task, or end it."""
        task = self._task
        if task is None or getgeneratorstate(task.steps) == GEN_RUNNING:
            return  # Slicer's DICOM import turns the event loop in the middle of a step
        self._timer.stop()
        if task.request is not None:
            self.worker.cancel(task.request)  # without effect where it was answered
            task.request = None
        try:
            step = task.steps.send(value) if error is None else task.steps.throw(error)
        except StopIteration:
            self._end("")
        except Exception as raised:
            self._end(message_of(raised))
        else:
            if task.stop is not None:
                self._continue(error=task.stop)
            else:
                self._wait(task, step)

    def _wait(self, task: _Task, step: float | WorkerCall) -> None:
        if not isinstance(step, WorkerCall):
            task.fraction = step
            self.changed()
            self._timer.start()
            return

        def progress(fraction: float, message: str) -> None:
            task.fraction = step.start + (step.end - step.start) * fraction
            task.message = translate(PROGRESS, message)  # the library speaks English
            self.changed()

        def preliminary(result: Any) -> None:
            try:
                step.preliminary(result)
            except Exception as error:  # the last result is still to come
                self.report(message_of(error))

        def failed(error: LungSquadError) -> None:
            self._continue(error=error)

        task.fraction = step.start
        callbacks = Callbacks(progress, self._continue, failed, preliminary)
        task.request = self.worker.request(step.verb, step.fields, callbacks)
        self.changed()

    def _end(self, message: str) -> None:
        self._task = None
        self.changed()
        if message:
            self.report(message)


def message_of(error: Exception) -> str:
    """Return the message for the user; an error that was not foreseen is logged as well."""
    known = understood(error)
    if isinstance(known, FaultError):
        logging.error("LungSquad", exc_info=error)
    return str(known)


def check_in_scene(*nodes: Any) -> None:
    """Raise `InputError` if a node was removed from its scene."""
    for node in nodes:
        if not in_scene(node):
            raise InputError(_("The CT or the outline was removed from the scene meanwhile."))


def in_scene(node: Any) -> bool:
    """Return whether a node is in a scene."""
    scene = None if node is None else node.GetScene()
    return scene is not None and bool(scene.IsNodePresent(node))

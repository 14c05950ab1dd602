"""Work that takes time: one piece at once, in steps between which the window lives on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from inspect import GEN_RUNNING, getgeneratorstate
from typing import Any, TypeAlias

from slicer.i18n import tr as _

from ...errors import CancelledError, FaultError, InputError, LungSquadError, understood
from .events import single_shot
from .worker_process import Heard, WorkerProcess


@dataclass(frozen=True)
class Ask:
    """A step that waits for the worker; `start` and `end` are its share of the progress bar."""

    verb: str
    fields: dict[str, Any]
    start: float = 0.0
    end: float = 1.0


# A task yields how far it is (the event loop turns, then it goes on), or an `Ask` (it goes on with
# the worker's answer). It ends by returning, or by raising a sentence.
Steps: TypeAlias = Generator[float | Ask, Any, None]


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
        owner: the widget that they are for.
        worker: answers what tasks ask.
        changed: called when a task begins, comes further or ends.
        tell: called with a sentence when one ended otherwise than it should.
    """

    owner: Any
    worker: WorkerProcess
    changed: Callable[[], None]
    tell: Callable[[str], None]
    _task: _Task | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._timer = single_shot(self.owner, self._turn)

    @property
    def title(self) -> str:
        """What is being done; empty where nothing is."""
        return "" if self._task is None else self._task.title

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        return 0.0 if self._task is None else self._task.fraction

    @property
    def message(self) -> str:
        """What is being done just now."""
        return "" if self._task is None else self._task.message or self._task.title

    def start(self, title: str, steps: Steps, *, nodes: Sequence[Any] = ()) -> None:
        """Begin a task; while another one runs, say so instead.

        Args:
            title: what is being done.
            steps: the work.
            nodes: without these the work makes no sense.
        """
        if self._task is not None:
            steps.close()
            self.tell(_("Wait until this is done, or cancel it: {title}.").format(title=self.title))
            return
        self._task = _Task(title, steps, nodes)
        self.changed()
        self._timer.start()

    def cancel(self, why: str = "") -> None:
        """End the task at once; its own clean-up runs."""
        if self._task is None:
            return
        error = CancelledError(why or _("Cancelled."))
        if getgeneratorstate(self._task.steps) == GEN_RUNNING:
            # Slicer turned the event loop within a step: after it.
            self._task.stop = error
        else:
            self._continue(error=error)

    def check_nodes(self) -> None:
        """Cancel the task if a node that it is about has gone."""
        for node in self._task.nodes if self._task is not None else ():
            if not is_there(node):
                gone = _("'{name}' was removed, so this was stopped: {title}.")
                self.cancel(gone.format(name=node.GetName(), title=self.title))
                return

    def _turn(self) -> None:
        self._continue()

    def _continue(self, value: Any = None, *, error: LungSquadError | None = None) -> None:
        """Do the next step of the task, or end it."""
        task = self._task
        if task is None or getgeneratorstate(task.steps) == GEN_RUNNING:
            return  # Slicer's DICOM import turns the event loop in the middle of a step
        self._timer.stop()
        if task.request is not None:
            self.worker.forget(task.request)  # nothing to forget where it has answered
            task.request = None
        try:
            step = task.steps.send(value) if error is None else task.steps.throw(error)
        except StopIteration:
            self._end("")
        except Exception as raised:
            self._end(told(raised))
        else:
            if task.stop is not None:
                self._continue(error=task.stop)
            else:
                self._wait(task, step)

    def _wait(self, task: _Task, step: float | Ask) -> None:
        if not isinstance(step, Ask):
            task.fraction = step
            self.changed()
            self._timer.start()
            return

        def progress(fraction: float, message: str) -> None:
            task.fraction = step.start + (step.end - step.start) * fraction
            task.message = message
            self.changed()

        task.fraction = step.start
        heard = Heard(progress, self._continue, lambda error: self._continue(error=error))
        task.request = self.worker.ask(step.verb, step.fields, heard)
        self.changed()

    def _end(self, sentence: str) -> None:
        self._task = None
        self.changed()
        if sentence:
            self.tell(sentence)


def told(error: Exception) -> str:
    """What to say of an error; one that nobody foresaw is logged as well."""
    known = understood(error)
    if isinstance(known, FaultError):
        logging.error("LungSquad", exc_info=error)
    return str(known)


def still_there(*nodes: Any) -> None:
    """Raise `InputError` if a node has gone out of its scene."""
    for node in nodes:
        if not is_there(node):
            raise InputError(_("What this was about is no longer in the scene."))


def is_there(node: Any) -> bool:
    """Whether a node is in a scene."""
    scene = None if node is None else node.GetScene()
    return scene is not None and bool(scene.IsNodePresent(node))

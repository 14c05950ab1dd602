"""The services that every section of the panel is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import LungSquadError
from .installation import install, missing_packages
from .state import State
from .tasks import Tasks, WorkerRunner, message_of


class Context:
    """Widgets, the user's choices, tasks and the status line.

    Attributes:
        widget: the panel's widget, the owner of timers and dialogs.
        ui: its child widgets by name.
        tasks: runs work that takes time.
        refresh: shows what has changed, when the event loop turns; many calls are one.
        status: the message in the status line while no task is running.
    """

    def __init__(self, widget: Any, worker: WorkerRunner, refresh: Callable[[], None]) -> None:
        self.widget = widget
        self.ui: Any = slicer.util.childWidgetVariables(widget)
        self.refresh = refresh
        self.status: str = self.ui.statusLabel.text
        self.tasks = Tasks(widget, worker, refresh, self.report)
        self._state: Any = None

    @property
    def has_state(self) -> bool:
        """Whether there is a scene that keeps the user's choices."""
        return self._state is not None

    @property
    def state(self) -> State:
        """The user's choices.

        Raises:
            LungSquadError: the scene is being closed or loaded.
        """
        if self._state is None:
            raise LungSquadError(_("The scene is being closed or loaded. Wait until it is ready."))
        state: State = self._state
        return state

    def set_state(self, state: State | None) -> None:
        """Use the choices of another scene; None while there is no scene."""
        self._state = state

    def report(self, message: str) -> None:
        """Show a message in the status line, until the next one."""
        self.status = message
        self.refresh()

    @contextmanager
    def errors_reported(self) -> Iterator[None]:
        """Show an error's message in the status line instead of raising it."""
        try:
            yield
        except Exception as error:
            self.report(message_of(error))

    def can_run_networks(self) -> bool:
        """Return whether torch is installed; offer to install it where it is not."""
        return self.has_packages("torch")

    def has_packages(self, *names: str) -> bool:
        """Return whether packages are installed; offer to install those that are not."""
        missing = missing_packages(*names)
        if missing:
            self.report(install(missing))
        return not missing


@contextmanager
def wait_cursor() -> Iterator[None]:
    """Show the wait cursor during work of Slicer's own that cannot be cut into steps."""
    qt.QApplication.setOverrideCursor(qt.Qt.WaitCursor)
    try:
        yield
    finally:
        qt.QApplication.restoreOverrideCursor()

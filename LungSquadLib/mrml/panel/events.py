"""Timers and observers that end with the panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def single_shot(owner: Any, call: Callable[[], None], *, ms: int = 0) -> Any:
    """Return a timer that calls a function once, `ms` milliseconds after its `start`.

    Args:
        owner: a widget. The timer is deleted with it: a signal of Qt holds `call` where Python's
            garbage collector does not see it, and the panel with it.
        call: the function.
        ms: the delay.
    """
    timer = qt.QTimer(owner)
    timer.setSingleShot(True)  # in Slicer the property of that name is a function
    timer.interval = ms
    timer.timeout.connect(call)
    return timer


class Observers:
    """Observers of VTK objects that are removed together."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, subject: Any, event: int | str, call: Callable[[], None]) -> None:
        """Call `call` at every such event of a VTK object."""
        self._tags.append((subject, subject.AddObserver(event, lambda _caller, _event: call())))

    def clear(self) -> None:
        """Remove all observers."""
        tags, self._tags = self._tags, []
        for subject, tag in tags:
            subject.RemoveObserver(tag)

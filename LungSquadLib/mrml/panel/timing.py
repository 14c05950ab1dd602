"""Timers that hold on to nothing once the panel's widget has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


def single_shot(owner: Any, call: Callable[[], None], *, ms: int = 0) -> Any:
    """A timer that calls once, some time after its `start`.

    Args:
        owner: a widget. The timer goes with it: a signal of Qt holds `call` where Python's garbage
            collector does not see it, and with it the panel.
        call: what is called.
        ms: after how long.
    """
    timer = qt.QTimer(owner)
    timer.setSingleShot(True)  # in Slicer the property of that name is a function
    timer.interval = ms
    timer.timeout.connect(call)
    return timer

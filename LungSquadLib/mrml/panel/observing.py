"""Observers of VTK objects that can be taken away together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Observers:
    """Remembers what was observed."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, subject: Any, event: int | str, call: Callable[[], None]) -> None:
        """Have `call` called at an event of a VTK object."""
        self._tags.append((subject, subject.AddObserver(event, lambda _caller, _event: call())))

    def clear(self) -> None:
        """Observe nothing any more."""
        tags, self._tags = self._tags, []
        for subject, tag in tags:
            subject.RemoveObserver(tag)

"""Progress of long work: it reports a fraction and a message, and may be cancelled."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from .errors import CancelledError


class Progress(Protocol):
    """A receiver of progress: a bar in a terminal or the GUI, JSON lines from the worker."""

    @property
    def cancelled(self) -> bool:
        """True once the user asked to stop."""

    def report(self, fraction: float, message: str) -> None:
        """Report that `fraction` (0 to 1) of the work is done, and what is being done."""


class Silent:
    """Progress that is not displayed."""

    cancelled = False

    def report(self, fraction: float, message: str) -> None:
        pass


def step(progress: Progress, fraction: float, message: str) -> None:
    """Report, and stop the work with `CancelledError` if the user cancelled it."""
    if progress.cancelled:
        raise CancelledError("Cancelled.")
    progress.report(fraction, message)


class Part:
    """A part of longer work, from `start` to `end` of the whole."""

    def __init__(self, whole: Progress, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def report(self, fraction: float, message: str) -> None:
        self._whole.report(self._start + (self._end - self._start) * fraction, message)


class TerminalBar:
    """One line with a bar on a terminal; on anything else, a line every few seconds."""

    def __init__(self, stream: TextIO | None = None, *, width: int = 28) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._width = width
        self._live = self._stream.isatty()
        self._printed_at = time.monotonic()
        self._length = 0
        self.cancelled = False

    def report(self, fraction: float, message: str) -> None:
        fraction = min(max(fraction, 0.0), 1.0)
        now = time.monotonic()
        if self._live:
            self._draw(fraction, message)
        elif now - self._printed_at > 5:
            print(f"{fraction:4.0%} {message}", file=self._stream, flush=True)
            self._printed_at = now

    def close(self) -> None:
        """Leave the line, so that what is printed next starts on its own."""
        if self._live and self._length:
            self._stream.write("\r" + " " * self._length + "\r")
            self._stream.flush()
            self._length = 0

    def _draw(self, fraction: float, message: str) -> None:
        full = round(fraction * self._width)
        line = f"[{'#' * full}{'.' * (self._width - full)}] {fraction:4.0%} {message}"
        self._stream.write("\r" + line.ljust(self._length))
        self._stream.flush()
        self._length = len(line)

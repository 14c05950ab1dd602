"""The worker, driven by Qt: asked and heard without ever waiting."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import qt

from ...errors import LungSquadError, WorkerError
from ...worker.launch import check_ready, command, died, environment, not_started
from ...worker.protocol import MOST_ANSWER, Decoder, Message, encoded, error_of
from .events import single_shot

_CANCEL_WITHIN_MS = 30_000


@dataclass(frozen=True)
class Heard:
    """Who is told what becomes of a request."""

    progress: Callable[[float, str], None]
    result: Callable[[Any], None]
    error: Callable[[LungSquadError], None]


class WorkerProcess:
    """A worker that starts with the first request, and again where it died.

    It ends with `close`, and, since its input ends then, with the process that drives it.
    """

    def __init__(self, owner: Any, python: str | os.PathLike[str] = sys.executable) -> None:
        """Nothing is started yet.

        Args:
            owner: the widget that it is for.
            python: one that has torch; in Slicer, PythonSlicer.
        """
        self._python = python
        self._ids = count(1)
        self._waiting: dict[int, Heard] = {}
        self._deaf: set[int] = set()  # cancelled, and not yet answered
        self._process: Any = None
        self._buried: Any = None
        self._decoder = Decoder(most=MOST_ANSWER)
        self._ready = False
        self._said = ""
        self._patience = single_shot(owner, self._kill_if_deaf, ms=_CANCEL_WITHIN_MS)

    @property
    def pid(self) -> int | None:
        """The process that was started last; a launcher, where `python` is one."""
        return None if self._process is None else int(self._process.processId())

    def ask(self, verb: str, fields: dict[str, Any], heard: Heard) -> int:
        """Ask for something; returns at once. What comes of it goes to `heard`, later."""
        number = next(self._ids)
        self._waiting[number] = heard  # before the start, which may fail at once
        if self._process is None:
            self._start()
        self._send({"id": number, "verb": verb, **fields})
        return number

    def forget(self, number: int) -> None:
        """Cancel a request: nothing more is heard of it."""
        if self._waiting.pop(number, None) is None:
            return
        self._send({"id": next(self._ids), "verb": "cancel", "request": number})
        self._deaf.add(number)
        self._patience.start()

    def close(self) -> None:
        """End the worker; what waits for an answer gets none."""
        self._waiting.clear()
        if self._process is not None:
            self._process.blockSignals(True)
            self._process.closeWriteChannel()
            if not self._process.waitForFinished(3000):
                self._process.kill()
                self._process.waitForFinished(1000)
        self._process = self._buried = None  # their signals hold this object

    def _kill_if_deaf(self) -> None:
        if self._deaf and self._process is not None:
            self._process.kill()

    def _start(self) -> None:
        self._process = process = qt.QProcess()
        self._decoder, self._ready, self._said = Decoder(most=MOST_ANSWER), False, ""
        self._deaf.clear()
        place = qt.QProcessEnvironment.systemEnvironment()
        for name, value in environment().items():
            place.insert(name, value)
        process.setProcessEnvironment(place)
        process.connect("readyReadStandardOutput()", self._hear)
        process.connect("readyReadStandardError()", self._hear_chatter)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._not_started)
        program, *arguments = command(self._python)
        process.start(program, arguments)

    def _send(self, message: Message) -> None:
        if self._process is not None:
            self._process.write(qt.QByteArray(encoded(message)))

    def _hear(self) -> None:
        chunk = bytes(self._process.readAllStandardOutput().data())
        for message in self._decoder.feed(chunk):
            if self._process is None:
                return  # it speaks another language, and is gone
            if isinstance(message, ValueError):
                self._said = str(message)  # of a launcher, before the worker
            elif not self._ready:
                self._greeted(message)
            else:
                self._answered(message)

    def _greeted(self, message: Message) -> None:
        try:
            check_ready(message)
            self._ready = True
        except WorkerError as error:
            self._gone(error)

    def _answered(self, message: Message) -> None:
        number = message["id"]
        if message["type"] == "progress":
            if number in self._waiting:
                self._waiting[number].progress(message["fraction"], message["message"])
            return
        self._deaf.discard(number)
        heard = self._waiting.pop(number, None)
        if heard is None:
            return  # it was cancelled
        if message["type"] == "error":
            heard.error(error_of(message))
        else:
            heard.result(message["result"])

    def _hear_chatter(self) -> None:
        lines = bytes(self._process.readAllStandardError().data()).decode(errors="replace").split()
        self._said = " ".join(lines)[-300:] or self._said

    def _finished(self, code: int, _status: Any) -> None:
        crashed = self._process.exitStatus() == qt.QProcess.CrashExit
        # After a crash Qt gives the signal's number as the code on Unix.
        self._gone(died(-code if crashed and os.name != "nt" else code, self._said))

    def _not_started(self, _error: Any) -> None:
        if self._process.error() == qt.QProcess.FailedToStart:
            self._gone(not_started(self._python, self._process.errorString()))

    def _gone(self, error: WorkerError) -> None:
        """Tell everybody who waits; the next request starts a new worker."""
        process, self._process = self._process, None
        self._buried = process  # this is called by one of its own signals: it must not go yet
        process.blockSignals(True)
        process.kill()
        waiting, self._waiting = self._waiting, {}
        for heard in waiting.values():
            heard.error(error)

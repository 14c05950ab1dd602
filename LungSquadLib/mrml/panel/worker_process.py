"""The worker as a process that Qt drives: requests out, responses in, without waiting."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from itertools import count
from typing import Any

import qt

from ...errors import WorkerError
from ...worker.launch import check_ready, command, ended, environment, not_started
from ...worker.protocol import MOST_RESPONSE, Decoder, Message, encoded, error_of
from .events import single_shot
from .tasks import Callbacks

_CANCEL_WITHIN_MS = 30_000


class WorkerProcess:
    """A worker that starts with the first request, and again after it died.

    It ends with `close`, and, since its input ends then, with the process that drives it.
    """

    def __init__(self, owner: Any, python: str | os.PathLike[str] = sys.executable) -> None:
        """Start nothing yet.

        Args:
            owner: the widget that the timer belongs to.
            python: the interpreter, which must have torch; in Slicer, PythonSlicer.
        """
        self._python = python
        self._ids = count(1)
        self._waiting: dict[int, Callbacks] = {}
        self._cancelled: set[int] = set()  # and not answered yet
        self._process: Any = None
        self._ended: Any = None
        self._decoder = Decoder(most=MOST_RESPONSE)
        self._ready = False
        self._last_line = ""
        self._cancel_timer = single_shot(owner, self._kill_if_cancelled, ms=_CANCEL_WITHIN_MS)

    @property
    def pid(self) -> int | None:
        """The process that was started last; a launcher, where `python` is one."""
        return None if self._process is None else int(self._process.processId())

    def request(self, verb: str, fields: Mapping[str, Any], callbacks: Callbacks) -> int:
        """Send a request and return its number; its responses go to the callbacks, later."""
        number = next(self._ids)
        self._waiting[number] = callbacks  # before the start, which may fail at once
        if self._process is None:
            self._start()
        self._send({"id": number, "verb": verb, **fields})
        return number

    def cancel(self, number: int) -> None:
        """Cancel a request: its callbacks are not called any more.

        A worker that does not stop within 30 seconds is killed.
        """
        if self._waiting.pop(number, None) is None:
            return
        self._send({"id": next(self._ids), "verb": "cancel", "request": number})
        self._cancelled.add(number)
        self._cancel_timer.start()

    def close(self) -> None:
        """End the worker; requests that wait get no response."""
        self._waiting.clear()
        if self._process is not None:
            self._process.blockSignals(True)
            self._process.closeWriteChannel()
            if not self._process.waitForFinished(3000):
                self._process.kill()
                self._process.waitForFinished(1000)
        self._process = self._ended = None  # their signals hold this object

    def _kill_if_cancelled(self) -> None:
        if self._cancelled and self._process is not None:
            self._process.kill()

    def _start(self) -> None:
        self._process = process = qt.QProcess()
        self._decoder, self._ready, self._last_line = Decoder(most=MOST_RESPONSE), False, ""
        self._cancelled.clear()
        variables = qt.QProcessEnvironment.systemEnvironment()
        for name, value in environment().items():
            variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.connect("readyReadStandardOutput()", self._read_responses)
        process.connect("readyReadStandardError()", self._read_errors)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._not_started)
        program, *arguments = command(self._python)
        process.start(program, arguments)

    def _send(self, message: Message) -> None:
        if self._process is not None:
            self._process.write(qt.QByteArray(encoded(message)))

    def _read_responses(self) -> None:
        chunk = bytes(self._process.readAllStandardOutput().data())
        for message in self._decoder.feed(chunk):
            if self._process is None:
                return  # another version of the protocol: the process was ended
            if isinstance(message, ValueError):
                self._last_line = str(message)  # of a launcher, before the worker
            elif not self._ready:
                self._take_ready(message)
            else:
                self._take_response(message)

    def _take_ready(self, message: Message) -> None:
        try:
            check_ready(message)
            self._ready = True
        except WorkerError as error:
            self._fail(error)

    def _take_response(self, message: Message) -> None:
        number = message["id"]
        if message["type"] == "progress":
            if number in self._waiting:
                self._waiting[number].progress(message["fraction"], message["message"])
            return
        if message["type"] == "preliminary":
            if number in self._waiting:
                self._waiting[number].preliminary(message["result"])
            return
        self._cancelled.discard(number)
        callbacks = self._waiting.pop(number, None)
        if callbacks is None:
            return  # it was cancelled
        if message["type"] == "error":
            callbacks.error(error_of(message))
        else:
            callbacks.result(message["result"])

    def _read_errors(self) -> None:
        words = bytes(self._process.readAllStandardError().data()).decode(errors="replace").split()
        self._last_line = " ".join(words)[-300:] or self._last_line

    def _finished(self, code: int, _status: Any) -> None:
        crashed = self._process.exitStatus() == qt.QProcess.CrashExit
        # After a crash Qt gives the signal's number as the code on Unix.
        code = -code if crashed and os.name != "nt" else code
        self._fail(ended(code, self._last_line, self._python, ready=self._ready))

    def _not_started(self, _error: Any) -> None:
        if self._process.error() == qt.QProcess.FailedToStart:
            self._fail(not_started(self._python, self._process.errorString()))

    def _fail(self, error: WorkerError) -> None:
        """Give the error to all requests that wait; the next request starts a new worker."""
        process, self._process = self._process, None
        self._ended = process  # one of its own signals is running: it must not be deleted yet
        process.blockSignals(True)
        process.kill()
        waiting, self._waiting = self._waiting, {}
        for callbacks in waiting.values():
            callbacks.error(error)

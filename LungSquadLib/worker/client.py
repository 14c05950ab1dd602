"""A client of the worker for Python without Qt."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any

from ..errors import CancelledError, WorkerError
from ..progress import Progress, Silent
from .launch import check_ready, command, died, environment, not_started
from .protocol import MOST_RESPONSE, Decoder, Message, encoded, error_of

_POLL = 0.1  # seconds between two checks whether the user cancelled


class WorkerClient:
    """A worker that starts with the first request, and again after it died.

        with WorkerClient() as worker:
            worker.request("predict", ct=CT, mask=MASK, models=["demo-histology"], folder=FOLDER)

    For one thread at a time. The worker ends with `close`, and with the client's process.
    """

    def __init__(
        self,
        python: str | os.PathLike[str] = sys.executable,
        *,
        start_within: float = 120.0,
        cancel_within: float = 30.0,
    ) -> None:
        """Start nothing yet.

        Args:
            python: the interpreter, which must have torch.
            start_within: seconds that the worker may take to start.
            cancel_within: seconds that work may take to stop after a cancellation; then the worker
                is killed.
        """
        self._python = python
        self._start_within = start_within
        self._cancel_within = cancel_within
        self._ids = count(1)
        self._process: _Process | None = None

    @property
    def last_lines(self) -> list[str]:
        """The last lines of the worker's standard error: tracebacks and messages of libraries."""
        return [] if self._process is None else list(self._process.last_lines)

    @property
    def pid(self) -> int | None:
        """The process that was started last; a launcher, where `python` is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the worker and wait until it is ready; `request` does so by itself.

        Raises:
            WorkerError: it cannot be started.
        """
        self._started()

    def request(
        self,
        verb: str,
        *,
        progress: Progress | None = None,
        on_preliminary: Callable[[Message], None] | None = None,
        **arguments: Any,
    ) -> Any:
        """Send a request, wait, and return its result.

        Args:
            verb: "predict", for example; the package's docstring lists them.
            progress: receives the progress; may cancel.
            on_preliminary: receives the results that come before the last one, where the request
                asks for them.
            arguments: the request's other fields; paths are absolute.

        Raises:
            LungSquadError: the error of the work, of the same class.
            WorkerError: the worker cannot be started, or died; the next request starts it again.
            CancelledError: `progress` was cancelled.
        """
        process, number = self._started(), next(self._ids)
        process.send({"id": number, "verb": verb, **arguments})
        try:
            response = self._response(process, number, progress or Silent(), on_preliminary)
        except BaseException:  # Ctrl-C, for example: the response is not needed any more
            self._cancel(process, number)
            raise
        if response["type"] == "error":
            raise error_of(response)
        return response["result"]

    def close(self, *, within: float = 10.0) -> None:
        """End the worker: close its input, and kill it after `within` seconds."""
        if self._process is not None:
            self._process.end(within)

    def __enter__(self) -> WorkerClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> _Process:
        if self._process is not None:
            if self._process.alive:
                return self._process
            self._process.end(within=1)
        self._process = process = _Process(self._python)
        try:
            ready = process.next_message(self._start_within)
            if ready is None:
                raise not_started(self._python, process.last_line())
            check_ready(ready)
        except Empty:
            process.end(within=0)
            why = f"it was not ready after {self._start_within:g} seconds"
            raise not_started(self._python, why) from None
        except BaseException:
            process.end(within=0)
            raise
        return process

    def _response(
        self,
        process: _Process,
        number: int,
        progress: Progress,
        on_preliminary: Callable[[Message], None] | None,
    ) -> Message:
        """Return the last response to a request; those before it go to their receivers."""
        cancelled_at: float | None = None
        while True:
            if progress.cancelled and cancelled_at is None:
                self._cancel(process, number)
                cancelled_at = time.monotonic()
            if cancelled_at is not None and time.monotonic() - cancelled_at > self._cancel_within:
                process.end(within=1)
                raise CancelledError("Cancelled.")
            try:
                message = process.next_message(_POLL)
            except Empty:
                continue
            if message is None:
                raise died(process.code(), process.last_line())
            if message["id"] not in (number, None):  # None: the worker could not read the number
                continue  # of an earlier request
            if message["type"] == "preliminary":
                if on_preliminary is not None and cancelled_at is None:
                    on_preliminary(message["result"])
                continue
            if message["type"] != "progress":
                return message
            if cancelled_at is None:
                progress.report(message["fraction"], message["message"])

    def _cancel(self, process: _Process, number: int) -> None:
        with suppress(WorkerError):  # it died: nothing is running
            process.send({"id": next(self._ids), "verb": "cancel", "request": number})


class _Process:
    """One running worker, with threads that read its output."""

    def __init__(self, python: str | os.PathLike[str]) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                command(python),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # only Windows has it
            )
        except OSError as error:
            raise not_started(python, error.strerror or str(error)) from error
        self.pid = self._process.pid
        self.last_lines: deque[str] = deque(maxlen=50)
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        out, err = self._process.stdout, self._process.stderr
        self._threads = [
            Thread(
                target=_read_responses, args=(out, self._messages, self.last_lines), daemon=True
            ),
            Thread(target=_read_lines, args=(err, self.last_lines), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        # The threads do not refer to this object: when nothing else does either, the worker ends.
        weakref.finalize(self, _close, self._process.stdin)

    @property
    def alive(self) -> bool:
        """Whether its input and output are open."""
        stdin = self._process.stdin
        return self._threads[0].is_alive() and stdin is not None and not stdin.closed

    def send(self, message: Message) -> None:
        """Send a message; raise `WorkerError` if the worker has ended."""
        line = encoded(message)
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe
        try:
            stdin.write(line)
            stdin.flush()
        except (OSError, ValueError) as error:  # it died, or was closed
            raise died(self.code(), self.last_line()) from error

    def next_message(self, seconds: float) -> Message | None:
        """Return the next message, or None at their end; raise `Empty` if none comes in time."""
        return self._messages.get(timeout=seconds)

    def code(self) -> int | None:
        """Return the exit code of a worker that has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=5)
        return None

    def last_line(self) -> str:
        """Return the last line of a worker that has ended."""
        for thread in self._threads:
            thread.join(timeout=1)
        return next(reversed(self.last_lines), "")

    def end(self, within: float) -> None:
        """Close its input, and kill the process after `within` seconds."""
        _close(self._process.stdin)
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # it died, with input that it had not read
            stream.close()


def _read_responses(
    stream: IO[bytes], messages: SimpleQueue[Message | None], lines: deque[str]
) -> None:
    decoder = Decoder(most=MOST_RESPONSE)
    try:
        while chunk := os.read(stream.fileno(), 1 << 16):
            for message in decoder.feed(chunk):
                if isinstance(message, ValueError):
                    lines.append(str(message))  # of a launcher, before the worker
                else:
                    messages.put(message)
    finally:
        stream.close()
        messages.put(None)


def _read_lines(stream: IO[bytes], lines: deque[str]) -> None:
    with stream:
        for line in stream:
            if text := line.decode(errors="replace").strip():
                lines.append(text)

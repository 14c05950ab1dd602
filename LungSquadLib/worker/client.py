"""Drives the worker from Python without Qt: start, ask, cancel, end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import weakref
from collections import deque
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any

from ..errors import CancelledError, WorkerError
from ..progress import Progress, Silent
from .launch import check_ready, command, died, environment, not_started
from .protocol import MOST_ANSWER, Decoder, Message, encoded, error_of

_LOOK = 0.1  # seconds between two looks at whether the user cancelled


class WorkerClient:
    """A worker that is started when it is first needed, and again where it died.

        with WorkerClient() as worker:
            worker.request("predict", ct=CT, mask=MASK, models=["demo-histology"], folder=FOLDER)

    For one thread at a time. The worker ends with `close`, and with the process that drives it.
    """

    def __init__(
        self,
        python: str | os.PathLike[str] = sys.executable,
        *,
        start_within: float = 120.0,
        cancel_within: float = 30.0,
    ) -> None:
        """Nothing is started yet.

        Args:
            python: the interpreter to run it with, one that has torch.
            start_within: seconds after which a worker that is not ready is given up.
            cancel_within: seconds after which work that does not heed a cancellation is killed.
        """
        self._python = python
        self._start_within = start_within
        self._cancel_within = cancel_within
        self._ids = count(1)
        self._process: _Process | None = None

    @property
    def said(self) -> list[str]:
        """The last lines of the worker's standard error: tracebacks and chatter of libraries."""
        return [] if self._process is None else list(self._process.said)

    @property
    def pid(self) -> int | None:
        """The process that was started last; a launcher, where `python` is one."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Have a worker that is ready; `request` does so by itself.

        Raises:
            WorkerError: it cannot be started.
        """
        self._started()

    def request(self, verb: str, *, progress: Progress | None = None, **arguments: Any) -> Any:
        """Ask for something and wait for the answer.

        Args:
            verb: "predict", say; the package's docstring lists them.
            progress: told how it goes; may cancel.
            arguments: the request's other fields; paths are full.

        Raises:
            LungSquadError: what the work raised, as the same class.
            WorkerError: the worker cannot be started, or died; the next request starts it again.
            CancelledError: `progress` said so.
        """
        process, number = self._started(), next(self._ids)
        process.send({"id": number, "verb": verb, **arguments})
        try:
            answer = self._answer(process, number, progress or Silent())
        except BaseException:  # Ctrl-C, say: nobody waits for the answer any more
            self._cancel(process, number)
            raise
        if answer["type"] == "error":
            raise error_of(answer)
        return answer["result"]

    def close(self, *, within: float = 10.0) -> None:
        """End the worker: by the end of its input, and after `within` seconds by killing it."""
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
                raise not_started(self._python, process.last_words())
            check_ready(ready)
        except Empty:
            process.end(within=0)
            why = f"it was not ready after {self._start_within:g} seconds"
            raise not_started(self._python, why) from None
        except BaseException:
            process.end(within=0)
            raise
        return process

    def _answer(self, process: _Process, number: int, progress: Progress) -> Message:
        """The last answer to a request; what comes before goes to `progress`."""
        cancelled_at: float | None = None
        while True:
            if progress.cancelled and cancelled_at is None:
                self._cancel(process, number)
                cancelled_at = time.monotonic()
            if cancelled_at is not None and time.monotonic() - cancelled_at > self._cancel_within:
                process.end(within=1)
                raise CancelledError("Cancelled.")
            try:
                message = process.next_message(_LOOK)
            except Empty:
                continue
            if message is None:
                raise died(process.code(), process.last_words())
            if message["id"] not in (number, None):  # None: it could not read our number
                continue  # of a request that was left
            if message["type"] != "progress":
                return message
            if cancelled_at is None:
                progress.report(message["fraction"], message["message"])

    def _cancel(self, process: _Process, number: int) -> None:
        with suppress(WorkerError):  # it died: nothing is left to cancel
            process.send({"id": next(self._ids), "verb": "cancel", "request": number})


class _Process:
    """One running worker, with threads that take in what it says."""

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
        self.said: deque[str] = deque(maxlen=50)
        self._messages: SimpleQueue[Message | None] = SimpleQueue()
        out, err = self._process.stdout, self._process.stderr
        self._threads = [
            Thread(target=_take_answers, args=(out, self._messages, self.said), daemon=True),
            Thread(target=_take_lines, args=(err, self.said), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        # The threads know nothing of this object: when nobody else does either, the worker ends.
        weakref.finalize(self, _close, self._process.stdin)

    @property
    def alive(self) -> bool:
        """Whether it hears and answers."""
        stdin = self._process.stdin
        return self._threads[0].is_alive() and stdin is not None and not stdin.closed

    def send(self, message: Message) -> None:
        """Ask, or raise `WorkerError` if there is nobody to hear it."""
        line = encoded(message)
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was asked for
        try:
            stdin.write(line)
            stdin.flush()
        except (OSError, ValueError) as error:  # it died, or was closed
            raise died(self.code(), self.last_words()) from error

    def next_message(self, seconds: float) -> Message | None:
        """The next message, or None at the end of them; `Empty` if none came in time."""
        return self._messages.get(timeout=seconds)

    def code(self) -> int | None:
        """The exit code, of a worker that has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=5)
        return None

    def last_words(self) -> str:
        """The last line of a worker that has ended."""
        for thread in self._threads:
            thread.join(timeout=1)
        return next(reversed(self.said), "")

    def end(self, within: float) -> None:
        """End its input, and after `within` seconds the process."""
        _close(self._process.stdin)
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(OSError):  # it died: what it has not read, it will not
            stream.close()


def _take_answers(
    stream: IO[bytes], messages: SimpleQueue[Message | None], said: deque[str]
) -> None:
    decoder = Decoder(most=MOST_ANSWER)
    try:
        while chunk := os.read(stream.fileno(), 1 << 16):
            for message in decoder.feed(chunk):
                if isinstance(message, ValueError):
                    said.append(str(message))  # of a launcher, before the worker
                else:
                    messages.put(message)
    finally:
        stream.close()
        messages.put(None)


def _take_lines(stream: IO[bytes], said: deque[str]) -> None:
    with stream:
        for line in stream:
            if text := line.decode(errors="replace").strip():
                said.append(text)

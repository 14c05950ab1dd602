"""The worker itself: one thread listens, the main thread works, one writes.

Whoever listens never waits for the work, nor for a client that does not read: so it always hears
that something is cancelled, or that the client is gone.
"""

from __future__ import annotations

import _thread
import os
import platform
import signal
import sys
import time
import traceback
from collections import deque
from queue import SimpleQueue
from threading import Condition, Thread

from .. import __version__
from ..errors import CancelledError, FaultError, WorkerError, understood
from . import work
from .protocol import MOST_REQUEST, VERSION, Decoder, Message, encoded, error_message
from .requests import Cancel, Ping, Work, read_request, request_id

MOST_WAITING = 100
GRACE = 0.5  # seconds that work has to stop by itself, and then again, when the client is gone
SIGNAL_CHECK = 0.5  # seconds after which a signal is noticed at the latest


class Worker:
    """Answers the requests that come in on a descriptor, one at a time, until it ends."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._answers = Answers(sink)
        self._changed = Condition()  # guards all that follows
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._loaded = False
        self._ended = False

    def run(self) -> None:
        """Work until the input ends, or `KeyboardInterrupt`."""
        self._answers.say({"type": "ready", "protocol": VERSION, **_versions()})
        Thread(target=self._listen, daemon=True).start()
        try:
            self._load()
            while (job := self._next()) is not None:
                self._answers.write(job.answer())
                work.release()
        finally:
            self._answers.close()

    def _load(self) -> None:
        try:
            work.load()
        except Exception:  # who needs it will be told; for now others can be served
            traceback.print_exc()
        self._loaded = True

    def _next(self) -> Job | None:
        with self._changed:
            self._current = None
            while not (self._waiting or self._ended):
                # A signal that comes just before the wait begins does not end it: wake up and look.
                self._changed.wait(SIGNAL_CHECK)
            if not self._ended:
                self._current = self._waiting.popleft()
            return self._current

    def _listen(self) -> None:
        """Take requests in; what ends this thread ends the process."""
        decoder = Decoder(most=MOST_REQUEST)
        try:
            while chunk := os.read(self._source, 1 << 16):
                for message in decoder.feed(chunk):
                    self._hear(message)
        finally:
            self._end()

    def _hear(self, message: Message | ValueError) -> None:
        number = None if isinstance(message, ValueError) else request_id(message)
        try:
            if isinstance(message, ValueError):
                raise message
            request = read_request(message)
        except ValueError as error:
            sentence = f"The worker cannot understand a request: {error}."
            self._answers.say(error_message(number, WorkerError(sentence)))
            return
        assert number is not None  # noqa: S101 - or it would not have been read
        if isinstance(request, Ping):
            self._answers.result(number, self._state())
        elif isinstance(request, Cancel):
            self._answers.result(number, {"cancelled": self._cancel(request.request)})
        else:
            self._enqueue(Job(number, request, self._answers))

    def _state(self) -> dict[str, object]:
        with self._changed:
            requests = len(self._waiting) + (self._current is not None)
        return {**_versions(), "loaded": self._loaded, "requests": requests}

    def _cancel(self, number: int) -> bool:
        """Whether there is such a request; one that waits is answered here and now."""
        with self._changed:
            if self._current is not None and self._current.number == number:
                self._current.cancelled = True
                return True
            for job in self._waiting:
                if job.number == number:
                    self._waiting.remove(job)
                    self._answers.say(error_message(number, CancelledError("Cancelled.")))
                    return True
        return False

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            before = [*self._waiting, *([self._current] if self._current else [])]
            if job.number in {other.number for other in before}:
                # Under no number: it would be taken for the other's answer.
                sentence = f"There is already a request with the id {job.number}."
                self._answers.say(error_message(None, WorkerError(sentence)))
                return
            if len(before) >= MOST_WAITING:
                sentence = f"There are {MOST_WAITING} requests waiting: wait for their answers."
                self._answers.say(error_message(job.number, WorkerError(sentence)))
                return
            if not self._loaded:
                job.report(0.0, "Loading PyTorch")
            elif before:
                job.report(0.0, "Waiting for another request")
            self._waiting.append(job)
            self._changed.notify()

    def _end(self) -> None:
        """End the process: first let the work stop, then interrupt it, then leave it."""
        with self._changed:
            self._ended = True
            if self._current is not None:
                self._current.cancelled = True
            self._changed.notify()
        time.sleep(GRACE)
        _thread.interrupt_main(signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)


class Job:
    """One request that takes time, and the progress of the work on it."""

    def __init__(self, number: int, request: Work, answers: Answers) -> None:
        self.number = number
        self.cancelled = False
        self._request = request
        self._answers = answers

    def report(self, fraction: float, message: str) -> None:
        self._answers.say(
            {
                "type": "progress",
                "id": self.number,
                "fraction": round(min(max(fraction, 0.0), 1.0), 4),
                "message": message,
            }
        )

    def answer(self) -> bytes:
        """Do the work; the line with its result or its error."""
        try:
            result = work.do(self._request, self)
            return encoded({"type": "result", "id": self.number, "result": result})
        except Exception as error:
            told = understood(error)
            if isinstance(told, FaultError):
                traceback.print_exc()
            return encoded(error_message(self.number, told))


class Answers:
    """Lines to the client, written by a thread of their own."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def say(self, message: Message) -> None:
        """Queue a message."""
        self.write(encoded(message))

    def result(self, number: int, result: object) -> None:
        """Queue a result."""
        self.say({"type": "result", "id": number, "result": result})

    def write(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait for the last line to be written, but not for a client that does not read."""
        self._lines.put(None)
        self._thread.join(GRACE)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._sink, rest) :]
            except OSError:  # nobody reads any more; the end of the input will say so
                return


def take_descriptors() -> tuple[int, int]:
    """The descriptors of the client's lines, in and out, with nothing else on them from now on.

    ITK, GDCM and their like write past Python, to descriptor 1 itself: it leads to standard error
    from here on. Nor may a library read the client's lines, or on Windows even look at the pipe:
    that would wait until a line comes.
    """
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if sys.stderr is not None else nowhere, 1)
    os.close(nowhere)
    return source, sink


def _versions() -> dict[str, str]:
    return {"lungsquad": __version__, "python": platform.python_version()}

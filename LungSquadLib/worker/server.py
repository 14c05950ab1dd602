"""The worker's process: one thread reads requests, the main thread does the work, one writes.

The reading thread never waits for the work, nor for a client that does not read: so it always
notices that a request is cancelled, or that the client has ended.
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
from . import verbs
from .protocol import MOST_REQUEST, VERSION, Decoder, Message, encoded, error_message
from .requests import read_request, request_id
from .verbs import Cancel, Ping, Work

MOST_WAITING = 100
GRACE = 0.5  # seconds that work has to stop by itself, and then again, after the client ended
SIGNAL_CHECK = 0.5  # seconds after which a signal is noticed at the latest


class Worker:
    """Answers the requests from a file descriptor, one at a time, until it ends."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._responses = ResponseWriter(sink)
        self._changed = Condition()  # guards the following attributes
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._loaded = False
        self._ended = False

    def run(self) -> None:
        """Work until the input ends, or `KeyboardInterrupt`."""
        self._responses.send({"type": "ready", "protocol": VERSION, **_versions()})
        Thread(target=self._read, daemon=True).start()
        try:
            self._load()
            while (job := self._next()) is not None:
                self._responses.write(job.response())
                release()
        finally:
            self._responses.close()

    def _load(self) -> None:
        try:
            verbs.load()
        except Exception:  # requests that need it will fail; the others can be served
            traceback.print_exc()
        self._loaded = True

    def _next(self) -> Job | None:
        with self._changed:
            self._current = None
            while not (self._waiting or self._ended):
                # A signal that comes just before the wait begins does not end it: check again.
                self._changed.wait(SIGNAL_CHECK)
            if not self._ended:
                self._current = self._waiting.popleft()
            return self._current

    def _read(self) -> None:
        """Read requests; the end of this thread ends the process."""
        decoder = Decoder(most=MOST_REQUEST)
        try:
            while chunk := os.read(self._source, 1 << 16):
                for message in decoder.feed(chunk):
                    self._take(message)
        finally:
            self._end()

    def _take(self, message: Message | ValueError) -> None:
        number = None if isinstance(message, ValueError) else request_id(message)
        try:
            if isinstance(message, ValueError):
                raise message
            request = read_request(message)
        except ValueError as error:
            sentence = f"A request to the worker is wrong: {error}."
            self._responses.send(error_message(number, WorkerError(sentence)))
            return
        assert number is not None  # noqa: S101 - or it would not have been read
        if isinstance(request, Ping):
            self._responses.result(number, self._state())
        elif isinstance(request, Cancel):
            self._responses.result(number, {"cancelled": self._cancel(request.request)})
        else:
            self._enqueue(Job(number, request, self._responses))

    def _state(self) -> dict[str, object]:
        with self._changed:
            requests = len(self._waiting) + (self._current is not None)
        return {**_versions(), "loaded": self._loaded, "requests": requests}

    def _cancel(self, number: int) -> bool:
        """Return whether there is such a request; one that waits is answered at once."""
        with self._changed:
            if self._current is not None and self._current.number == number:
                self._current.cancelled = True
                return True
            for job in self._waiting:
                if job.number == number:
                    self._waiting.remove(job)
                    self._responses.send(error_message(number, CancelledError("Cancelled.")))
                    return True
        return False

    def _enqueue(self, job: Job) -> None:
        with self._changed:
            before = [*self._waiting, *([self._current] if self._current else [])]
            if job.number in {request.number for request in before}:
                # Without a number: with it, it would be the other request's response.
                sentence = f"There is already a request with the id {job.number}."
                self._responses.send(error_message(None, WorkerError(sentence)))
                return
            if len(before) >= MOST_WAITING:
                sentence = f"{MOST_WAITING} requests are waiting. Wait for their responses."
                self._responses.send(error_message(job.number, WorkerError(sentence)))
                return
            if not self._loaded:
                job.report(0.0, "Loading PyTorch")
            elif before:
                job.report(0.0, "Waiting for another request")
            self._waiting.append(job)
            self._changed.notify()

    def _end(self) -> None:
        """End the process: first cancel the work, then interrupt it, then end it anyway."""
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

    def __init__(self, number: int, request: Work, responses: ResponseWriter) -> None:
        self.number = number
        self.cancelled = False
        self._request = request
        self._responses = responses

    def report(self, fraction: float, message: str) -> None:
        self._responses.send(
            {
                "type": "progress",
                "id": self.number,
                "fraction": round(min(max(fraction, 0.0), 1.0), 4),
                "message": message,
            }
        )

    def preliminary(self, result: Message) -> None:
        self._responses.send({"type": "preliminary", "id": self.number, "result": result})

    def response(self) -> bytes:
        """Do the work; return the line with its result or its error."""
        try:
            result = self._request.run(self)
            return encoded({"type": "result", "id": self.number, "result": result})
        except Exception as error:
            known = understood(error)
            if isinstance(known, FaultError):
                traceback.print_exc()
            return encoded(error_message(self.number, known))


class ResponseWriter:
    """Lines to the client, written by a separate thread."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Queue a message."""
        self.write(encoded(message))

    def result(self, number: int, result: object) -> None:
        """Queue a result."""
        self.send({"type": "result", "id": number, "result": result})

    def write(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.put(line)

    def close(self) -> None:
        """Wait for the last line to be written, but not for ever: the client may not read."""
        self._lines.put(None)
        self._thread.join(GRACE)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._sink, rest) :]
            except OSError:  # the client has ended, and the input ends, too
                return


def take_descriptors() -> tuple[int, int]:
    """Return the descriptors of the client's lines, in and out, and keep everything else off them.

    ITK and GDCM write to descriptor 1 without Python: it leads to standard error from here on. Nor
    may a library read the client's lines, or on Windows even examine the pipe, which would wait
    for a line.
    """
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2 if sys.stderr is not None else nowhere, 1)
    os.close(nowhere)
    return source, sink


def _versions() -> dict[str, str]:
    return {"lungsquad": __version__, "python": platform.python_version()}


def release() -> None:
    """Release the graphics memory that torch caches: Slicer needs it for rendering."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()

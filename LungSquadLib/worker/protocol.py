"""The lines between the worker and its clients: bytes to messages, and back.

Without a process or thread, so that any transport (a pipe, a QProcess) can use it.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ..errors import (
    CancelledError,
    FaultError,
    InputError,
    LungSquadError,
    MissingPackageError,
    ModelError,
    NoMemoryError,
    WorkerError,
)
from ..fields import parsed_json, printable

VERSION = 2
MOST_REQUEST = 1 << 20  # bytes of one line
MOST_RESPONSE = 1 << 26

Message = dict[str, Any]

# The names of the kinds of errors in responses; the last is any other error of the library.
KINDS: dict[str, type[LungSquadError]] = {
    "input": InputError,
    "model": ModelError,
    "missing_package": MissingPackageError,
    "memory": NoMemoryError,
    "cancelled": CancelledError,
    "request": WorkerError,
    "fault": FaultError,
    "other": LungSquadError,
}


class Decoder:
    """Turns bytes, a part of a line or several lines, into messages."""

    def __init__(self, *, most: int) -> None:
        """Allow `most` bytes in a line; a longer line is dropped, not kept in memory."""
        self._most = most
        self._line = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Message | ValueError]:
        """Return the messages that `chunk` completes.

        A line that is no message (too long, no JSON, no object) gives a `ValueError` with half a
        sentence.
        """
        messages: list[Message | ValueError] = []
        *parts, rest = chunk.split(b"\n")
        for part in parts:
            self._add(part)
            if self._too_long or self._line.strip():
                messages.append(self._message())
            self._line.clear()
            self._too_long = False
        self._add(rest)
        return messages

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._line) + len(part) > self._most
        if self._too_long:
            self._line.clear()
        else:
            self._line += part

    def _message(self) -> Message | ValueError:
        if self._too_long:
            return ValueError(f"it is longer than {self._most} bytes")
        try:
            message = parsed_json(self._line.decode())
        except UnicodeDecodeError:
            return ValueError("it is not UTF-8")
        except ValueError as error:
            return ValueError(f"{printable(self._line.decode(), most=200)}: {error}")
        if not isinstance(message, dict):
            return ValueError(f"it is {printable(message)}, not an object")
        return message


def encoded(message: Message) -> bytes:
    """Return the line of a message, in ASCII, which all encodings share; `Path`s are allowed.

    Raises:
        ValueError: it holds a number that JSON does not have.
    """
    return json.dumps(message, allow_nan=False, default=os.fspath).encode() + b"\n"


def error_message(request: int | None, error: LungSquadError) -> Message:
    """Return the response for an error."""
    kind = next(name for name, known in KINDS.items() if isinstance(error, known))
    return {"type": "error", "id": request, "kind": kind, "sentence": str(error)}


def error_of(message: Message) -> LungSquadError:
    """Return the error in a response, of the same class as it was raised in the worker."""
    known = KINDS.get(message["kind"], LungSquadError)
    return known.__new__(known, message["sentence"])  # some compose their sentence in __init__

"""The lines between the worker and whoever drives it: bytes in, messages out, and back.

Pure: no process, no thread, so that any transport (a pipe, a QProcess) can use it.
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
from ..fields import parsed_json, shown

VERSION = 1
MOST_REQUEST = 1 << 20  # bytes of one line
MOST_ANSWER = 1 << 26

Message = dict[str, Any]

# What an error answer calls each kind of error; the last is any other of ours.
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
    """Takes bytes as they come, a part of a line or several lines, and gives whole messages."""

    def __init__(self, *, most: int) -> None:
        """`most` bytes may one line have: what is longer is dropped, not kept."""
        self._most = most
        self._line = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Message | ValueError]:
        """The messages that `chunk` completes.

        In the place of a line that is none (too long, no JSON, no object) stands a `ValueError`
        with half a sentence.
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
            return ValueError(f"{shown(self._line.decode(), most=200)}: {error}")
        if not isinstance(message, dict):
            return ValueError(f"it is {shown(message)}, not an object")
        return message


def encoded(message: Message) -> bytes:
    """A message as its line; ASCII, so that no encoding can spoil it; paths may be `Path`s.

    Raises:
        ValueError: it holds a number that JSON cannot write.
    """
    return json.dumps(message, allow_nan=False, default=os.fspath).encode() + b"\n"


def error_message(request: int | None, error: LungSquadError) -> Message:
    """The answer that says why there is no result."""
    kind = next(name for name, known in KINDS.items() if isinstance(error, known))
    return {"type": "error", "id": request, "kind": kind, "sentence": str(error)}


def error_of(message: Message) -> LungSquadError:
    """The error that an error answer stands for, to be raised on this side."""
    known = KINDS.get(message["kind"], LungSquadError)
    return known.__new__(known, message["sentence"])  # some make their sentence in __init__

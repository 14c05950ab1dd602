"""Each epoch's numbers for TensorBoard, where it is installed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .loop import Row

_START = 1  # SessionLog.SessionStatus: what is told from this step on replaces what was told before


class TensorBoard:
    """A `loop.Watcher` that writes scalars into a folder; does nothing without the package.

    Not by its `SummaryWriter`, whose thread shows a traceback when the disk is full, and whose
    files bear the machine's name.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"events.out.tfevents.{int(time.time())}.{os.getpid()}"
        self._writer: Any = None

    def epoch(self, number: int, row: Row) -> None:
        if self._writer is None:
            self._writer = _writer(self._path)
            self._write(file_version="brain.Event:2")
            self._write(step=number, session_log={"status": _START})
        values = [
            {"tag": name.replace(" ", "/"), "simple_value": value} for name, value in row.items()
        ]
        self._write(step=number, summary={"value": values})

    def _write(self, **fields: Any) -> None:
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self._writer.write(Event(wall_time=time.time(), **fields).SerializeToString())
        except OSError as error:
            error.filename = str(self._path)
            raise


def _writer(path: Path) -> Any:
    try:
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return RecordWriter(path.open("ab", buffering=0))

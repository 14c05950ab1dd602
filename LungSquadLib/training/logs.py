"""Each epoch's numbers for TensorBoard, where it is installed."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any

from .loop import Row


class TensorBoard:
    """A `loop.Watcher` that writes scalars into a folder; does nothing without the package.

    Not by its `SummaryWriter`, whose thread shows a traceback when the disk is full, and whose
    files bear the machine's name.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"events.out.tfevents.{int(time.time())}"

    def epoch(self, number: int, row: Row) -> None:
        if self._writer is None:
            return
        if not self._path.stat().st_size:
            self._write(file_version="brain.Event:2")
        values = [
            {"tag": name.replace(" ", "/"), "simple_value": value} for name, value in row.items()
        ]
        self._write(step=number, summary={"value": values})

    def _write(self, **said: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self._writer.write(Event(wall_time=time.time(), **said).SerializeToString())
        except OSError as error:
            error.filename = str(self._path)
            raise

    @cached_property
    def _writer(self) -> Any:
        try:
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return RecordWriter(self._path.open("ab", buffering=0))

"""Each epoch's numbers for TensorBoard, where it is installed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from .loop import Row


class TensorBoard:
    """A `loop.Watcher` that writes scalars into a folder; does nothing without the package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def epoch(self, number: int, row: Row) -> None:
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name.replace(" ", "/"), value, number)
            self._writer.flush()

    @cached_property
    def _writer(self) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return None
        return SummaryWriter(str(self._folder))

"""Each epoch's numbers for TensorBoard, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .loop import Row


class TensorBoard:
    """A `loop.Watcher` that writes scalars into a folder; does nothing without the package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def epoch(self, number: int, row: Row) -> None:
        if self._writer is None:
            self._writer = _writer(self._folder, number)
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name.replace(" ", "/"), value, number)
            self._writer.flush()


def _writer(folder: Path, first: int) -> Any:
    """A writer whose epochs, from the first on, replace those that an earlier one has told of."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first)

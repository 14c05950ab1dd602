"""What a generator makes of the same latents, as a picture after each tick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...imaging.files.write import write_png
from ..loop import Row
from .task import Gan

ROWS, COLUMNS = 4, 8
_SMALLEST = 64  # pixels a side that an image is shown with, at least


class Fakes:
    """A `loop.Watcher`: images on the left, their masks on the right."""

    def __init__(self, task: Gan, folder: Path) -> None:
        self._task, self._folder = task, folder

    @torch.no_grad()
    def epoch(self, number: int, row: Row) -> None:
        del row
        images = self._task.shown(ROWS * COLUMNS).clamp(-1, 1)
        grey = ((images + 1) * 127.5).round().byte().cpu().numpy()
        sheet = np.concatenate([_tiled(grey[:, channel]) for channel in range(grey.shape[1])], 1)
        larger = max(_SMALLEST // images.shape[-1], 1)
        sheet = sheet.repeat(larger, 0).repeat(larger, 1)
        write_png(self._folder / f"tick-{number:04d}.png", sheet)


def _tiled(images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:]
    grid = images.reshape(ROWS, COLUMNS, height, width).transpose(0, 2, 1, 3)
    return grid.reshape(ROWS * height, COLUMNS * width)

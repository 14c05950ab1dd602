"""What a translator paints into a few validation cases, as a picture after each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...imaging.files.write import write_png
from ...imaging.pictures import windowed
from ..loop import Row
from .task import Sample, Translation

SHOWN = 4


class Pictures:
    """A `loop.Watcher`: a row a case, with original, hole and painted, axial and then coronal."""

    def __init__(self, task: Translation, folder: Path) -> None:
        self._task, self._folder = task, folder

    @torch.no_grad()
    def epoch(self, number: int, row: Row) -> None:
        del row
        task = self._task
        chosen = task.validation[:SHOWN]
        x = task.samples.plain(chosen).to(task.device)
        sample = Sample.of(x, torch.from_numpy(task.labels[chosen]).to(task.device))
        task.network.eval()
        painted = sample.painted(task.network) + sample.grain * sample.hole
        emptied = sample.ct * (1 - sample.hole)
        cubes = torch.cat([sample.ct, emptied, painted], 1).cpu().numpy()
        spec, middle = task.samples.spec, cubes.shape[-1] // 2
        hu = cubes * (spec.hu_high - spec.hu_low) + spec.hu_low
        tiles = np.concatenate([hu[:, :, middle], hu[:, :, ::-1, middle]], 1)  # (n, 6, side, side)
        sheet = np.concatenate(np.concatenate(tiles.transpose(1, 0, 2, 3), 2), 0)
        write_png(self._folder / f"epoch-{number:04d}.png", windowed(sheet))

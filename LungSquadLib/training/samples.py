"""Samples of a training by their number, plain and augmented, and their prefetcher."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..imaging.crop import central_cube
from ..models.inputs import InputSpec
from .augment import Augmentation, apply, draw

_MOST_THREADS = 8


class Samples(Protocol):
    """Inputs of a network by their number, plain and augmented."""

    def plain(self, chosen: np.ndarray) -> Tensor:
        """Return the inputs (n, ...) of validation and test."""

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """Return the inputs (n, ...) of an epoch of training: the same in each process."""


@dataclass(frozen=True)
class Crops:
    """Crops of a network's size, cut out of the larger ones of a store.

    Attributes:
        keys: hash of each case's content, on which its augmentation depends.
        read: returns a case's HU, int16 (side, side, side), by its number.
        spec: the network's input.
        augmentation: how crops are changed.
        seed: of the augmentation.
    """

    keys: Sequence[str]
    read: Callable[[int], np.ndarray]
    spec: InputSpec
    augmentation: Augmentation
    seed: int

    def plain(self, chosen: np.ndarray) -> Tensor:
        return self._tensor([central_cube(self.read(n), self.spec.size) for n in chosen.tolist()])

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        return self._tensor([self._drawn(n, epoch) for n in chosen.tolist()])

    def _drawn(self, number: int, epoch: int) -> np.ndarray:
        drawn = draw(
            self.augmentation,
            seed=self.seed,
            epoch=epoch,
            case_key=self.keys[number],
            spacing=self.spec.spacing,
        )
        return apply(self.read(number), drawn, size=self.spec.size)

    def _tensor(self, crops: list[np.ndarray]) -> Tensor:
        x = torch.from_numpy(self.spec.scaled(np.stack(crops)))[:, None]
        return x.contiguous(memory_format=torch.channels_last_3d)


class Prefetcher:
    """Computes the next batches in background threads: one beside a CPU, several beside a GPU.

    Args:
        device: of the network.
    """

    def __init__(self, device: torch.device) -> None:
        spare = min((os.cpu_count() or 1) - 1, _MOST_THREADS)
        self._threads = 1 if device.type == "cpu" else max(spare, 1)
        self._pool = ThreadPoolExecutor(self._threads)
        self._started: dict[tuple[int, int], Future[Tensor]] = {}

    def get(self, epoch: int, number: int, count: int, make: Callable[[int], Tensor]) -> Tensor:
        """Return batch `number` of the `count` of an epoch, and start to compute those after it."""
        before, self._started = self._started, {}
        for following in range(number, min(number + 1 + self._threads, count)):
            key = (epoch, following)
            self._started[key] = before.get(key) or self._pool.submit(make, following)
        return self._started[epoch, number].result()

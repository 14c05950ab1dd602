"""Samples of a training by their number, plain and augmented, and their prefetcher."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..imaging.crop import central_cube
from ..models.inputs import InputSpec
from .augment import Augmentation, apply, draw


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
    """Computes the next batch in a background thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._started: dict[Hashable, Future[Tensor]] = {}

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return the batch of this key: the one that was started, or one that is computed now."""
        started = self._started.pop(key, None)
        self._started.clear()
        return make() if started is None else started.result()

    def start(self, key: Hashable, make: Callable[[], Tensor]) -> None:
        """Start to compute the batch of a key."""
        self._started[key] = self._pool.submit(make)

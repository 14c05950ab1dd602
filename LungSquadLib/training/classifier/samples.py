"""What a classifier is trained on: crops of a store, or features of a frozen trunk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ...imaging.crop import central_cube
from ...models.inputs import InputSpec
from ..augment import Augmentation, apply, draw


class Samples(Protocol):
    """Inputs by their number, as they are and as augmentation makes them."""

    def plain(self, chosen: np.ndarray) -> Tensor:
        """The inputs as they are evaluated, (n, ...)."""

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """The inputs as they are trained on: the same in the same epoch, whoever asks."""


@dataclass(frozen=True)
class Crops:
    """Crops of a network's size, cut out of larger ones.

    Attributes:
        keys: names the content of each case, from which its augmentation is drawn.
        read: a case's HU, int16 (side, side, side), by its number.
        spec: the network's input.
        augmentation: how far crops may be moved, turned and changed.
        seed: of what is drawn.
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


@dataclass(frozen=True)
class Features:
    """Features (N, views, D) of a frozen trunk; the first view is the crop as it is."""

    values: np.ndarray
    seed: int

    def plain(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.values[chosen, 0]))

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        views = np.random.default_rng((self.seed, 1, epoch)).integers(
            self.values.shape[1], size=len(self.values)
        )
        return torch.from_numpy(self.values[chosen, views[chosen]])


class Ahead:
    """Makes in the background what will be asked for next."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._made: dict[Hashable, Future[Tensor]] = {}

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What was begun under this key, or else is made now."""
        begun = self._made.pop(key, None)
        self._made.clear()
        return make() if begun is None else begun.result()

    def begin(self, key: Hashable, make: Callable[[], Tensor]) -> None:
        """Begin to make what `get` will ask for."""
        self._made[key] = self._pool.submit(make)

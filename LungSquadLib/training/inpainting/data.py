"""The data of inpainting: cubes of a store, and masked regions in them that are to be filled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.splits import folds, held_out
from ...data.store import Store, StoredCase
from ...errors import InputError
from ...imaging.blending import distance_mm, noise_like
from ...imaging.resample import AIR
from ...inference.inpainting import BAND_MM, region_to_fill
from ...models.card import NetworkSpec
from ...models.inputs import InputSpec
from ..augment import Augmentation, Drawn, apply, draw
from ..single_fit import Setup
from .options import InpaintingOptions

HU = (-1000.0, 500.0)
# Flips, turns and shifts alone: CT and mask are not resampled.
AUGMENTATION = Augmentation(resampled=0.0, noise_hu=0.0, hu_shift=0.0)
BANDS_MM = (4.0, 10.0)  # width of the region beyond a mask
SECOND_REGION = 0.5  # probability of a further region, the mask of another case
KEPT_TISSUE = 0.5  # probability that vessels and soft tissue of the band are kept, if ever
CT, MASK, REGION, NOISE = range(4)


@dataclass(frozen=True)
class InpaintingDataset:
    """Cubes as tensors (n, 4, z, y, x): CT, tumour mask, region to fill, noise; CT scaled.

    The CT is complete: the network ignores it in the region. The noise has the texture of the
    CT's, and is added to what the network fills in.

    Attributes:
        keys: hash of each case's content, on which its random numbers depend.
        read: returns a case's HU and mask, (side, side, side), by its number.
        mask_cases: indices of the cases whose masks make further regions.
        spec: the network's input.
        seed: of the random numbers.
        keeps_tissue: whether some of the regions leave out vessels and soft tissue.
    """

    keys: Sequence[str]
    read: Callable[[int], tuple[np.ndarray, np.ndarray]]
    mask_cases: np.ndarray
    spec: InputSpec
    seed: int
    keeps_tissue: bool = False

    def plain(self, chosen: np.ndarray) -> Tensor:
        """Return cubes without augmentation, with a region of `BAND_MM` round the tumour."""
        return self._tensor(
            [self._cube(n, Drawn(), BAND_MM, self._random(n, -1)) for n in chosen.tolist()]
        )

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """Return the cubes of an epoch of training: the same in each process."""
        return self._tensor([self._augmented(n, epoch) for n in chosen.tolist()])

    def _augmented(self, number: int, epoch: int) -> np.ndarray:
        drawn = draw(
            AUGMENTATION,
            seed=self.seed,
            epoch=epoch,
            case_key=self.keys[number],
            spacing=self.spec.spacing,
        )
        random = self._random(number, epoch)
        band = random.uniform(*BANDS_MM)
        other, shift = random.choice(self.mask_cases), random.integers(-16, 17, 3).tolist()
        second = None
        if random.random() < SECOND_REGION:
            mask = self.read(int(other))[1]
            second = apply(mask, Drawn(shift=tuple(shift)), size=self.spec.size)
        return self._cube(number, drawn, band, random, second)

    def _cube(
        self,
        number: int,
        drawn: Drawn,
        band: float,
        random: np.random.Generator,
        second: np.ndarray | None = None,
    ) -> np.ndarray:
        hu, mask = (apply(array, drawn, size=self.spec.size) for array in self.read(number))
        masks = mask if second is None else np.maximum(mask, second * (hu > AIR))
        keeps = self.keeps_tissue and random.random() < KEPT_TISSUE
        distance = distance_mm(masks, (self.spec.spacing,) * 3)
        region = region_to_fill(hu, distance, band_mm=band, keeps_tissue=keeps)
        noise = noise_like(hu, ~region, random=random) / (self.spec.hu_high - self.spec.hu_low)
        return np.stack([self.spec.scaled(hu), mask, region, noise])

    def _random(self, number: int, epoch: int) -> np.random.Generator:
        key = int.from_bytes(hashlib.sha256(self.keys[number].encode()).digest()[:16], "big")
        return np.random.default_rng((self.seed, 3, epoch + 1, key))

    def _tensor(self, cubes: list[np.ndarray]) -> Tensor:
        x = torch.from_numpy(np.stack(cubes).astype(np.float32, copy=False))
        return x.contiguous(memory_format=torch.channels_last_3d)


@dataclass(frozen=True)
class InpaintingSetup(Setup[InpaintingOptions, StoredCase]):
    """A run before it starts; `set_up` makes it."""

    store: Store

    @cached_property
    def network(self) -> NetworkSpec:
        """The inpainting network."""
        arguments = {
            "input_size": self.options.size,
            "width": self.options.width,
            "depth": self.options.depth,
            "classes": len(self.classes),
            "surroundings": self.options.surroundings,
        }
        return NetworkSpec("inpainting", arguments)

    @cached_property
    def spec(self) -> InputSpec:
        """Its input."""
        return InputSpec(self.options.size, self.store.preprocessing.spacing, *HU, True)

    @cached_property
    def labels(self) -> np.ndarray:
        """Class numbers (N,) of the cases; -1 if the network is unconditional."""
        label = self.options.label
        if label is None:
            return np.full(len(self.cases), -1)
        return np.array([self.classes.index(case.value(label)) for case in self.cases])

    def read(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return HU and mask of a case, with margins."""
        content = self.store.content(self.cases[number])
        return content.hu, content.mask

    def dataset(self) -> InpaintingDataset:
        """Return the samples of all cases."""
        keys = [case.crop for case in self.cases]
        training = self.indices(self.fold.train)
        return InpaintingDataset(
            keys, self.read, training, self.spec, self.options.seed, self.options.surroundings
        )

    def described(self) -> dict[str, Any]:
        """Return all that decides the results."""
        return {
            "training": "inpainting",
            "store": self.store.preprocessing.hash,
            "options": asdict(self.options),
            "classes": list(self.classes),
            "split": self.fold.hash(self.cases),
        }


def set_up(store: Store, options: InpaintingOptions) -> InpaintingSetup:
    """Choose the cases of a store and split them.

    Raises:
        InputError: the options or the store cannot be used.
    """
    check_side(store, options.size)
    label = options.label
    if label is not None and (not store.cases or label not in store.cases[0].columns):
        columns = ", ".join(store.cases[0].columns) if store.cases else "none"
        raise InputError(f"The store has no column '{label}'; it has {columns}.")
    cases = tuple(case for case in store.cases if label is None or case.value(label))
    labels = [case.value(label) for case in cases] if label is not None else []
    fold = options.given_split(cases)
    if fold is None and label is not None:
        fold = folds(cases, labels, count=1, seed=options.seed)[0]
    fold = fold or held_out(cases, seed=options.seed)
    return InpaintingSetup(options, cases, tuple(sorted(set(labels))), fold, store)


def check_side(store: Store, size: int) -> None:
    """Raise `InputError` where the cubes of a store are smaller than a network's."""
    side = store.preprocessing.side
    if size > side:
        raise InputError(
            f"The store has {side} voxels a side, fewer than the {size} of the network: build it "
            "with a larger size."
        )

"""What a translator is trained on: cubes of a store, and holes in them that it is to paint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...imaging.blending import distance_mm
from ...imaging.noise_texture import grain
from ...inference.inpainting import BAND_MM
from ...models.inputs import InputSpec
from ..augment import Augmentation, Drawn, apply, draw

# Flips, turns and shifts alone: CT and mask are cut out as they are.
AUGMENTATION = Augmentation(resampled=0.0, noise_hu=0.0, hu_shift=0.0)
BANDS_MM = (4.0, 10.0)  # how far beyond a mask its hole may reach
SHARED = 0.5  # of the draws have a hole where another patient's tumour is, too
CT, MASK, HOLE, GRAIN = range(4)


@dataclass(frozen=True)
class Hollows:
    """Cubes with holes, as tensors (n, 4, z, y, x): CT, tumour's mask, hole, grain; CT scaled.

    The CT is whole: the hole says what the network must not look at, the grain what the scanner
    adds to whatever is there.

    Attributes:
        keys: names the content of each case, from which its draws follow.
        read: a case's HU and mask, (side, side, side), by its number.
        others: numbers of the cases whose masks make further holes.
        spec: the network's input.
        seed: of what is drawn.
    """

    keys: Sequence[str]
    read: Callable[[int], tuple[np.ndarray, np.ndarray]]
    others: np.ndarray
    spec: InputSpec
    seed: int

    def plain(self, chosen: np.ndarray) -> Tensor:
        """The cubes as they are, with a hole of `BAND_MM` round the tumour."""
        return self._tensor(
            [self._hollow(n, Drawn(), BAND_MM, self._random(n, -1)) for n in chosen.tolist()]
        )

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """The cubes as they are trained on: the same in the same epoch, whoever asks."""
        return self._tensor([self._drawn(n, epoch) for n in chosen.tolist()])

    def _drawn(self, number: int, epoch: int) -> np.ndarray:
        drawn = draw(
            AUGMENTATION,
            seed=self.seed,
            epoch=epoch,
            case_key=self.keys[number],
            spacing=self.spec.spacing,
        )
        random = self._random(number, epoch)
        band = random.uniform(*BANDS_MM)
        other, place = random.choice(self.others), random.integers(-16, 17, 3).tolist()
        more = None
        if random.random() < SHARED:
            mask = self.read(int(other))[1]
            more = apply(mask, Drawn(shift=tuple(place)), size=self.spec.size)
        return self._hollow(number, drawn, band, random, more)

    def _hollow(
        self,
        number: int,
        drawn: Drawn,
        band: float,
        random: np.random.Generator,
        more: np.ndarray | None = None,
    ) -> np.ndarray:
        hu, mask = (apply(array, drawn, size=self.spec.size) for array in self.read(number))
        grown = mask if more is None else np.maximum(mask, more)
        hole = distance_mm(grown, (self.spec.spacing,) * 3) < band
        noise = grain(hu, ~hole, random=random) / (self.spec.hu_high - self.spec.hu_low)
        return np.stack([self.spec.scaled(hu), mask, hole, noise])

    def _random(self, number: int, epoch: int) -> np.random.Generator:
        key = int.from_bytes(hashlib.sha256(self.keys[number].encode()).digest()[:16], "big")
        return np.random.default_rng((self.seed, 3, epoch + 1, key))

    def _tensor(self, cubes: list[np.ndarray]) -> Tensor:
        x = torch.from_numpy(np.stack(cubes).astype(np.float32, copy=False))
        return x.contiguous(memory_format=torch.channels_last_3d)

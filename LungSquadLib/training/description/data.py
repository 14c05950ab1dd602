"""Nodules of a store as a network sees them, and the readers' ratings of them on their scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...data.splits import Fold, held_out
from ...data.store import Store, StoredCase
from ...errors import InputError
from ...imaging.crop import central_cube
from ...inference.description import diameter_mm
from ...models.card import NetworkSpec
from ...models.inputs import InputSpec
from ...networks import checked_arguments
from ...networks.description import size_inputs
from ..augment import Augmentation
from ..samples import Crops
from .options import DescriptionOptions

HU = (-1000.0, 500.0)
# No noise and no shift of HU: what is blanked stays air.
AUGMENTATION = Augmentation(
    flip_y=True,
    flip_z=True,
    shift_mm=2.0,
    rotation_degrees=20.0,
    scale=0.05,
    noise_hu=0,
    hu_shift=0,
)
_ROOM = 4  # voxels round a crop that shifts and turns of augmentation need


class NoduleInput(NamedTuple):
    """What the network sees of a nodule (HU, with room for augmentation), and its size."""

    block: np.ndarray
    sizes: tuple[float, float]
    diameter_mm: float


@dataclass(frozen=True)
class Nodules:
    """Nodules of a store with their ratings.

    Attributes:
        cases: of the store, each with a rating at least.
        names: of the characteristics.
        ratings: by characteristic and case, each reader's.
        spec: the network's input.
    """

    store: Store
    cases: tuple[StoredCase, ...]
    names: tuple[str, ...]
    ratings: tuple[tuple[tuple[int, ...], ...], ...]
    spec: InputSpec
    _read: dict[int, NoduleInput] = field(default_factory=dict)

    @classmethod
    def of(
        cls, store: Store, names: Sequence[str], spec: InputSpec, *, sets: Sequence[str] = ()
    ) -> Nodules:
        """Choose the cases of a store that have ratings.

        Raises:
            InputError: the store has no column of ratings, no such set, or no rated case.
        """
        columns = store.cases[0].columns if store.cases else {}
        for name in (f"{names[0]}_readers", *(("set",) if sets else ())):
            if name not in columns:
                raise InputError(
                    f"The store '{store.folder}' has no column '{name}': build it from a manifest "
                    "with the readers' ratings."
                )
        cases = [case for case in store.cases if not sets or case.columns["set"] in sets]
        rated = [(case, [_readers(case, name) for name in names]) for case in cases]
        rated = [(case, ratings) for case, ratings in rated if any(ratings)]
        if not rated:
            raise InputError(f"No case of the store '{store.folder}' has readers' ratings.")
        ratings = tuple(zip(*(ratings for _, ratings in rated), strict=True))
        return cls(store, tuple(case for case, _ in rated), tuple(names), ratings, spec)

    @property
    def patients(self) -> np.ndarray:
        """The patient (N,) of each case."""
        return np.array([case.patient for case in self.cases])

    def means(self, name: str) -> np.ndarray:
        """The readers' mean rating (N,) of a characteristic; NaN where there is none."""
        ratings = self.ratings[self.names.index(name)]
        return np.array([np.mean(given) if given else np.nan for given in ratings])

    def block(self, number: int) -> np.ndarray:
        """Return what the network sees of a case, with room for augmentation; HU, int16."""
        return self._inputs(number).block

    def diameter_mm(self, number: int) -> float:
        """Return the largest axial diameter of a case's mask."""
        return self._inputs(number).diameter_mm

    def sizes(self, chosen: np.ndarray) -> Tensor:
        """Return the size inputs (n, 2) of cases; see `networks.description.size_inputs`."""
        return torch.tensor([self._inputs(number).sizes for number in chosen.tolist()])

    def crops(self, seed: int) -> Crops:
        """Return the crops of all cases, plain and augmented."""
        keys = [case.crop for case in self.cases]
        return Crops(keys, self.block, self.spec, AUGMENTATION, seed)

    def _inputs(self, number: int) -> NoduleInput:
        if number not in self._read:
            case = self.cases[number]
            content = self.store.content(case)
            visible = self.spec.visible(content.hu, content.mask)
            side = min(self.spec.size + 2 * _ROOM, self.store.preprocessing.side)
            diameter = diameter_mm(content.mask, self.spec.spacing)
            self._read[number] = NoduleInput(
                central_cube(visible, side).astype(np.int16),
                size_inputs(case.volume_ml, diameter),
                diameter,
            )
        return self._read[number]


def votes_of(ratings: Sequence[Sequence[int]], lowest: int, count: int) -> np.ndarray:
    """Return how many readers gave each value of a scale: (N, count)."""
    votes = np.zeros((len(ratings), count), np.float32)
    for row, given in zip(votes, ratings, strict=True):
        for value in given:
            row[min(max(value - lowest, 0), count - 1)] += 1
    return votes


def network_spec(options: DescriptionOptions) -> NetworkSpec:
    """Return the network of a run."""
    arguments = {
        "width": options.width,
        "levels": [len(scale.words) for scale in SCALES.values()],
        "input_size": options.size,
    }
    return NetworkSpec("description", checked_arguments("description", arguments))


def input_spec(store: Store, options: DescriptionOptions) -> InputSpec:
    """Return the network's input; `InputError` where the store's crops are too small."""
    if store.preprocessing.side < options.size:
        raise InputError(
            f"The store has {store.preprocessing.side} voxels a side, fewer than --size "
            f"{options.size}: build it with a larger size."
        )
    spacing = store.preprocessing.spacing
    return InputSpec(options.size, spacing, *HU, True, margin_mm=options.margin_mm)


def split(nodules: Nodules, options: DescriptionOptions) -> Fold:
    """Split by the folds of the store if one is named, else at random; by patient always.

    Raises:
        InputError: as `FoldOptions.given_split` and `held_out`.
    """
    given = options.given_split(nodules.cases)
    return given or held_out(nodules.cases, seed=options.seed)


def _readers(case: StoredCase, name: str) -> tuple[int, ...]:
    return tuple(round(float(text)) for text in case.value(f"{name}_readers").split())


LOWEST = 1  # value of each scale
_DEGREES = ("none", "nearly none", "medium", "near marked", "marked")


@dataclass(frozen=True)
class Scale:
    """A scale from `LOWEST` on.

    Attributes:
        words: for each value.
        groups: nodules with a mean of at most the first and of at least the second value are the
            two classes of the AUC.
    """

    words: tuple[str, ...]
    groups: tuple[float, float]


# Of the readers of LIDC-IDRI (Armato et al., Med Phys 2011;38:915-931), in their form's words.
SCALES: Mapping[str, Scale] = {
    "malignancy": Scale(
        (
            "highly unlikely",
            "moderately unlikely",
            "indeterminate",
            "moderately suspicious",
            "highly suspicious",
        ),
        (2, 4),
    ),
    "spiculation": Scale(_DEGREES, (1.5, 3)),
    "lobulation": Scale(_DEGREES, (1.5, 3)),
    "margin": Scale(
        ("poorly defined", "near poorly defined", "medium", "near sharp", "sharp"), (3, 4)
    ),
    "sphericity": Scale(("linear", "linear to ovoid", "ovoid", "ovoid to round", "round"), (3, 4)),
    "texture": Scale(
        (
            "ground glass",
            "ground glass to part-solid",
            "part-solid",
            "part-solid to solid",
            "solid",
        ),
        (3, 4.5),
    ),
    "calcification": Scale(
        ("popcorn", "laminated", "solid", "non-central", "central", "absent"), (5, 5.75)
    ),
    "subtlety": Scale(
        ("extremely subtle", "moderately subtle", "fairly subtle", "moderately obvious", "obvious"),
        (3, 4),
    ),
}

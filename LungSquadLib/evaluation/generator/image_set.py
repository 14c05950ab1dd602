"""Sets of slices, and the split of real ones by the generator's training patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.overlap import overlap
from ...data.slice_set import SliceCase, SliceSet
from ...models.card import Seen

_MOST, _MOST_PIXELS = 1000, 1 << 25  # of a side of the split


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Slices: HU and mask (n, y, x), and the patient (n,) of each; unique for a generated one."""

    hu: np.ndarray
    mask: np.ndarray
    patient: np.ndarray

    def __len__(self) -> int:
        return len(self.hu)

    @property
    def patients(self) -> int:
        """The number of patients."""
        return len(set(self.patient.tolist()))

    def subset(self, chosen: np.ndarray) -> ImageSet:
        """Return the chosen slices."""
        return ImageSet(self.hu[chosen], self.mask[chosen], self.patient[chosen])


def split(slices: SliceSet, seen: Seen | None) -> tuple[ImageSet, ImageSet]:
    """Split slices into those of training patients and of held-out ones; at most 1000 of each.

    A patient is a training patient if any of their cases, series or images was used; if that is
    unknown (None), all are. Of more slices a fixed random subset is used.

    Raises:
        InputError: a file of the set is damaged.
    """
    seen_cases = set(overlap(seen, slices.cases).cases) if seen is not None else None
    patients = {
        case.patient for case in slices.cases if seen_cases is None or case.case in seen_cases
    }
    return (
        _read(slices, [case for case in slices.cases if case.patient in patients]),
        _read(slices, [case for case in slices.cases if case.patient not in patients]),
    )


def _read(slices: SliceSet, cases: Sequence[SliceCase]) -> ImageSet:
    side = slices.slicing.resolution
    owner = np.repeat(np.arange(len(cases)), [case.count for case in cases])
    most = min(_MOST, _MOST_PIXELS // side**2)
    chosen = np.sort(np.random.default_rng(0).permutation(len(owner))[:most])
    hu = np.empty((len(chosen), side, side), np.int16)
    mask = np.empty((len(chosen), side, side), np.uint8)
    first = np.searchsorted(owner, np.arange(len(cases)))
    for number in np.unique(owner[chosen]).tolist():
        here = owner[chosen] == number
        within = chosen[here] - first[number]
        hu[here], mask[here] = (array[within] for array in slices.content(cases[number]))
    names = np.array([case.patient for case in cases], dtype=object)
    return ImageSet(hu, mask, names[owner[chosen]])

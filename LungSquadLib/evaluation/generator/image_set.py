"""The slices of an audit; of real ones, those that the generator has seen apart from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.overlap import overlap
from ...data.slice_set import SliceCase, SliceSet
from ...models.card import Seen

_MOST, _MOST_PIXELS = 1000, 1 << 25  # of a side of the split


@dataclass(frozen=True, eq=False)
class Material:
    """Slices: HU and mask (n, y, x), and whose each is (n,); a generated one is nobody else's."""

    hu: np.ndarray
    mask: np.ndarray
    patient: np.ndarray

    def __len__(self) -> int:
        return len(self.hu)

    @property
    def patients(self) -> int:
        """How many they are."""
        return len(set(self.patient.tolist()))

    def taken(self, chosen: np.ndarray) -> Material:
        """Some of them."""
        return Material(self.hu[chosen], self.mask[chosen], self.patient[chosen])


def split(slices: SliceSet, seen: Seen | None) -> tuple[Material, Material]:
    """Slices of patients that have been seen, and of the others; at most 1000 of each.

    A patient counts as seen if any of his cases, series or images was; where nobody knows what has
    been seen (None), all are. Of too many slices, those are taken that a fixed draw gives.

    Raises:
        InputError: a file of the set is damaged.
    """
    found = set(overlap(seen, slices.cases).cases) if seen is not None else None
    patients = {case.patient for case in slices.cases if found is None or case.case in found}
    return (
        _read(slices, [case for case in slices.cases if case.patient in patients]),
        _read(slices, [case for case in slices.cases if case.patient not in patients]),
    )


def _read(slices: SliceSet, cases: Sequence[SliceCase]) -> Material:
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
        hu[here], mask[here] = (one[within] for one in slices.content(cases[number]))
    names = np.array([case.patient for case in cases], dtype=object)
    return Material(hu, mask, names[owner[chosen]])

"""The cases of segmentation: cubes of a store or slices of a set, split by patient."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...data.slice_set import SLICES, SliceCase, SliceSet, open_slices
from ...data.splits import held_out
from ...data.store import Store, StoredCase, open_store
from ...errors import InputError
from ...models.card import NetworkSpec
from ...models.inputs import InputSpec
from ..single_fit import Setup
from .options import SegmentationOptions
from .samples import Samples, is_complete

HU = (-1000.0, 400.0)


@dataclass(frozen=True)
class SegmentationSource:
    """Cubes of a store, or slices of a set; `open_source` makes it."""

    source: Store | SliceSet

    @property
    def dimensions(self) -> int:
        """2 for slices, 3 for cubes."""
        return 2 if isinstance(self.source, SliceSet) else 3

    @property
    def cases(self) -> tuple[StoredCase, ...]:
        return self.source.cases

    @property
    def side(self) -> int:
        """Voxels along each axis."""
        if isinstance(self.source, SliceSet):
            return self.source.slicing.resolution
        return self.source.preprocessing.side

    @property
    def is_native(self) -> bool:
        """Whether each case has the pixels of its CT, of whatever size."""
        return isinstance(self.source, SliceSet) and self.source.slicing.native

    @property
    def spacing(self) -> float:
        """Millimetres between voxels; the median of slices with their CTs' own pixels."""
        if isinstance(self.source, SliceSet):
            return float(np.median([self.source.pixel_mm(case) for case in self.source.cases]))
        return self.source.preprocessing.spacing

    def spacing_of(self, case: StoredCase) -> float:
        """Millimetres between the voxels of a case."""
        if isinstance(self.source, SliceSet) and isinstance(case, SliceCase):
            return self.source.pixel_mm(case)
        return self.spacing

    @property
    def hash(self) -> str:
        """Of how the data were cut."""
        if isinstance(self.source, SliceSet):
            return self.source.slicing.hash
        return self.source.preprocessing.hash

    def read(
        self, case: StoredCase, random: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return HU and mask of a case; see `Samples.read`."""
        if isinstance(self.source, Store):
            content = self.source.content(case)
            return content.hu, content.mask
        hu, mask = self.source.content(case)  # type: ignore[arg-type]  # of the set's own cases
        areas = np.count_nonzero(mask, axis=(1, 2))
        if random is None:
            chosen = int(areas.argmax())
        else:
            chosen = int(random.choice(len(areas), p=areas / areas.sum()))
        return hu[chosen], mask[chosen]


def open_source(folder: str | os.PathLike[str]) -> SegmentationSource:
    """Open a store of `build_cohort` or a set of slices; `InputError` if it is neither."""
    is_slices = (Path(folder) / SLICES).is_file()
    return SegmentationSource(open_slices(folder) if is_slices else open_store(folder))


@dataclass(frozen=True)
class SegmentationSetup(Setup[SegmentationOptions, StoredCase]):
    """A run before it starts; `set_up` makes it."""

    source: SegmentationSource

    @cached_property
    def network(self) -> NetworkSpec:
        """The segmentation network."""
        options = self.options
        arguments = {
            "dimensions": self.source.dimensions,
            "input_size": options.size,
            "width": options.width,
            "depth": options.depth,
            "classes": 0,
        }
        return NetworkSpec("segmentation", arguments)

    @cached_property
    def spec(self) -> InputSpec:
        """Its input."""
        return InputSpec(self.options.size, self.source.spacing, *HU, True)

    def read(
        self, number: int, random: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return HU and mask of a case."""
        return self.source.read(self.cases[number], random)

    def samples(self) -> Samples:
        """Return the samples of all cases."""
        keys = [case.crop for case in self.cases]
        return Samples(keys, self.read, self.spec, self.options)

    def repeated(self, chosen: np.ndarray) -> np.ndarray:
        """Return numbers of cases, cubes with all their surroundings several times."""
        if self.source.dimensions == 2:
            return chosen
        repeats = []
        for number in chosen.tolist():
            hu, _ = self.read(number, None)
            complete = is_complete(hu, self.options.size)
            repeats.append(self.options.complete_repeats if complete else 1)
        if min(repeats) == max(repeats):
            return chosen
        return np.repeat(chosen, repeats)

    def described(self) -> dict[str, Any]:
        """Return all that decides the results."""
        return {
            "training": "segmentation",
            "data": self.source.hash,
            "options": asdict(self.options),
            "split": self.fold.hash(self.cases),
        }


def set_up(source: SegmentationSource, options: SegmentationOptions) -> SegmentationSetup:
    """Split the cases.

    Raises:
        InputError: the options or the data cannot be used.
    """
    if options.size > source.side:
        raise InputError(
            f"The data have {source.side} voxels a side, fewer than --size {options.size}: choose "
            "a smaller size."
        )
    fold = options.given_split(source.cases) or held_out(source.cases, seed=options.seed)
    return SegmentationSetup(options, source.cases, (), fold, source)

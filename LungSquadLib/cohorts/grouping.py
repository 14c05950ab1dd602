"""The readings of one CT grouped into nodules: which readers outlined the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Region:
    """The voxels of one reading.

    Attributes:
        reader: who drew it.
        voxels: (N, 3) z, y and x of the voxels, N > 0, each once.
        spacing: mm along z, y and x.
    """

    reader: int
    voxels: np.ndarray
    spacing: tuple[float, float, float]

    @cached_property
    def keys(self) -> np.ndarray:
        """The voxels as one number each."""
        z, y, x = self.voxels.astype(np.int64).T
        return (z << 40) | (y << 20) | x

    @cached_property
    def centre(self) -> np.ndarray:
        """The centre in mm from the first voxel of the grid."""
        return self.voxels.mean(axis=0) * self.spacing

    @cached_property
    def radius(self) -> float:
        """The radius in mm of a ball of the same volume."""
        return float((len(self.voxels) * np.prod(self.spacing) * 3 / (4 * np.pi)) ** (1 / 3))


def dice(a: Region, b: Region) -> float:
    """Return the Dice coefficient of two regions (Dice, Ecology 1945;26:297-302)."""
    shared = len(np.intersect1d(a.keys, b.keys, assume_unique=True))
    return 2 * shared / (len(a.keys) + len(b.keys))


def same_nodule(regions: Sequence[Region]) -> list[list[int]]:
    """Group regions into nodules, each with at most one region of a reader.

    Regions of different readers belong together where they share voxels, or where the distance of
    their centres is less than the smaller one's radius. The pairs that overlap most join first,
    then the nearest; so a reader who drew two parts has the better one in the group, and the other
    is a nodule of its own.

    Returns:
        The groups, each as indices in ascending order; ordered by their first index.
    """
    pairs = []
    for i, j in combinations(range(len(regions)), 2):
        a, b = regions[i], regions[j]
        distance = float(np.linalg.norm(a.centre - b.centre))
        overlap = dice(a, b) if a.reader != b.reader else 0.0
        if a.reader != b.reader and (overlap > 0 or distance < min(a.radius, b.radius)):
            pairs.append((-overlap, distance, i, j))
    groups = {i: [i] for i in range(len(regions))}
    for _, _, i, j in sorted(pairs):
        first, second = groups[i], groups[j]
        readers = [regions[k].reader for k in (*first, *second)]
        if first is not second and len(set(readers)) == len(readers):
            for k in second:
                groups[k] = first
            first.extend(second)
    distinct = {id(group): sorted(group) for group in groups.values()}
    return sorted(distinct.values())

"""The order of a volume's axes: stored ones brought to LPS order and back, without resampling.

A CT or mask may be stored with its axes in any order and direction (RAS, sagittal, feet first).
Networks and measurements must not depend on that, so everything is brought to one order where it
enters: index x runs to the patient's left, y to the back, z to the head. Of an oblique volume each
axis takes the nearest of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
import SimpleITK as sitk

from . import AXES
from .geometry import Box, Grid, Index

_LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Two choices of axes this close are equally near (an angle of 45 degrees): positions decide.
_DECIMALS = 6
# Origins are decimals. Rounded to 1e-9 mm, one that was reckoned from the other end of an axis is
# the same number again, so that a volume has the same grid in whatever order it was stored.
_ORIGIN_DECIMALS = 9


@dataclass(frozen=True)
class Reorientation:
    """A permutation and flips of index axes.

    Attributes:
        order: for each new axis (x, y, z), the old axis that it was.
        flipped: for each new axis, whether it runs the other way.
    """

    order: Index
    flipped: tuple[bool, bool, bool]

    @cached_property
    def is_identity(self) -> bool:
        """Whether nothing changes."""
        return self.order == (0, 1, 2) and not any(self.flipped)

    @cached_property
    def inverse(self) -> Reorientation:
        """From the new axes back to the old ones."""
        x, y, z = (self.order.index(axis) for axis in range(3))
        return Reorientation((x, y, z), (self.flipped[x], self.flipped[y], self.flipped[z]))

    def grid(self, grid: Grid) -> Grid:
        """The grid of the same voxels with the new axes."""
        first = [0, 0, 0]
        for axis, flipped in zip(self.order, self.flipped, strict=True):
            first[axis] = grid.size[axis] - 1 if flipped else 0
        a, b, c = grid.to_lps(np.array(first)).tolist()
        x, y, z = self.order
        signs = np.where(self.flipped, -1.0, 1.0)
        direction = np.reshape(grid.direction, (3, 3))[:, self.order] * signs
        return Grid(
            (grid.size[x], grid.size[y], grid.size[z]),
            (grid.spacing[x], grid.spacing[y], grid.spacing[z]),
            (_rounded(a), _rounded(b), _rounded(c)),
            tuple((direction + 0.0).ravel().tolist()),  # 0.0 for -0.0
        )

    def box(self, box: Box, size: Index) -> Box:
        """A box of the old grid, whose size is given, in indices of the new one."""
        start, stop = [], []
        for axis, flipped in zip(self.order, self.flipped, strict=True):
            first, last = box.start[axis], box.stop[axis]
            start.append(size[axis] - last if flipped else first)
            stop.append(size[axis] - first if flipped else last)
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def array(self, array: np.ndarray) -> np.ndarray:
        """An array (z, y, x) with the new axes, in one piece of memory.

        Sums over arrays that lie differently in memory differ in their last bits.
        """
        if self.is_identity:
            return array
        z, y, x = (2 - axis for axis in reversed(self.order))
        steps = (slice(None, None, -1 if flipped else 1) for flipped in reversed(self.flipped))
        return np.ascontiguousarray(array.transpose(z, y, x)[tuple(steps)])

    def image(self, image: sitk.Image) -> sitk.Image:
        """An image of one value a voxel with the new axes; the same object if nothing changes."""
        if self.is_identity:
            return image
        array = self.array(sitk.GetArrayViewFromImage(image))
        return self.grid(Grid.of(image)).image(array)


def reorientation(grid: Grid, directions: Sequence[float] = _LPS) -> Reorientation:
    """What brings the axes of a grid to those that are nearest to given directions.

    Each axis gets one direction, whatever the angle: of all six permutations the one with the
    largest sum of cosines. Where two are equally near, the choice depends on where the axes point,
    not on their order.

    Args:
        grid: with any axes.
        directions: 3x3 as in ITK, column i is a unit vector; patient axes (LPS) if left out.
    """
    cosines = np.reshape(directions, (3, 3)).T @ np.reshape(grid.direction, (3, 3))

    def nearness(order: tuple[int, ...]) -> tuple[float, ...]:
        turned = cosines[:, order] * _signs(cosines, order)
        values = [float(np.trace(turned)), *turned.ravel().tolist()]
        return tuple(round(value, _DECIMALS) for value in values)

    x, y, z = max(permutations(range(3)), key=nearness)
    a, b, c = (_signs(cosines, (x, y, z)) < 0).tolist()
    return Reorientation((x, y, z), (a, b, c))


def in_lps(image: sitk.Image) -> sitk.Image:
    """An image with its axes in LPS order; the same object if they are."""
    return reorientation(Grid.of(image)).image(image)


def like(image: sitk.Image, grid: Grid) -> sitk.Image:
    """An image with its axes in the order of another grid's; the same object if they are."""
    return reorientation(Grid.of(image), grid.direction).image(image)


def axis_codes(grid: Grid) -> str:
    """Three letters for where the axes run, as in "LPS" or "RAS"."""
    back = reorientation(grid).inverse
    letters = zip(back.order, back.flipped, strict=True)
    return "".join("RAI"[axis] if flipped else AXES[axis] for axis, flipped in letters)


def _signs(cosines: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    return np.where(cosines[(0, 1, 2), order] < 0, -1.0, 1.0)


def _rounded(mm: float) -> float:
    return round(mm, _ORIGIN_DECIMALS) + 0.0

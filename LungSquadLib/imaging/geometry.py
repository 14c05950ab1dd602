"""Voxel grids in LPS millimetres: sizes, boxes, index and patient coordinates, axis order.

A CT or mask may be stored with its axes in any order and direction (RAS, sagittal, feet first).
Networks and measurements must not depend on that, so every volume is brought to one order when it
is read, without resampling: index x runs to the patient's left, y to the back, z to the head. Of
an oblique volume each axis takes the nearest of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

Index: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float, float]

# Beyond these lies no patient, and not far beyond them arithmetic ends.
SMALLEST_STEP_MM, LARGEST_STEP_MM = 1e-2, 1e2
FARTHEST_MM = 1e6
LARGEST_SLICE_STEP_MM = 10.0  # no CT on which tumours are outlined has slices further apart
LARGEST_SIDE = 16384  # voxels: more than any CT has
LARGEST_SLICE = 1 << 26  # voxels

# Two grids are one when no voxel centre is further off than this, in voxels.
SAME_GRID_TOLERANCE = 0.01

_LPS = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Two choices of axes this close are equally near (an angle of 45 degrees): positions decide.
_DECIMALS = 6
# Origins are decimals. Rounded to 1e-9 mm, one that was reckoned from the other end of an axis is
# the same number again, so that a volume has the same grid in whatever order it was stored.
_ORIGIN_DECIMALS = 9


@dataclass(frozen=True)
class Box:
    """A block of voxels, `start` to `stop` (exclusive), in index order (x, y, z)."""

    start: Index
    stop: Index

    @property
    def size(self) -> Index:
        """Voxels along x, y and z; 0 where the box is empty."""
        x, y, z = (max(b - a, 0) for a, b in zip(self.start, self.stop, strict=True))
        return (x, y, z)

    @property
    def voxels(self) -> int:
        """How many voxels the box holds."""
        x, y, z = self.size
        return x * y * z

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as slices of an array (z, y, x)."""
        (x0, y0, z0), (x1, y1, z1) = self.start, self.stop
        return slice(z0, z1), slice(y0, y1), slice(x0, x1)

    def shifted(self, offset: Index) -> Box:
        """The same box, `offset` voxels further."""
        return Box(_add(self.start, offset), _add(self.stop, offset))

    def grown(self, voxels: int) -> Box:
        """The box with `voxels` more on every side."""
        return Box(_add(self.start, (-voxels,) * 3), _add(self.stop, (voxels,) * 3))

    def within(self, other: Box) -> Box:
        """The part of the box that lies in `other`; empty where they do not meet."""
        start = tuple(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = tuple(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        stop = tuple(max(a, b) for a, b in zip(start, stop, strict=True))
        return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: size (x, y, z), spacing in mm, origin in LPS mm, direction as in ITK."""

    size: Index
    spacing: Point
    origin: Point
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        """The grid of a SimpleITK image."""
        size, spacing, origin = image.GetSize(), image.GetSpacing(), image.GetOrigin()
        return cls(
            (size[0], size[1], size[2]),
            (spacing[0], spacing[1], spacing[2]),
            (origin[0], origin[1], origin[2]),
            tuple(image.GetDirection()),
        )

    @cached_property
    def axes(self) -> np.ndarray:
        """3x3; column i is the step in mm from one voxel to the next along index axis i."""
        return np.array(self.direction).reshape(3, 3) * np.array(self.spacing)

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.axes)

    @property
    def box(self) -> Box:
        """All voxels of the grid."""
        return Box((0, 0, 0), self.size)

    @property
    def voxel_volume(self) -> float:
        """mm3 of one voxel."""
        x, y, z = self.spacing
        return x * y * z

    @property
    def corners(self) -> np.ndarray:
        """Indices of the eight outermost voxels (8, 3)."""
        return np.array([np.where(far, np.array(self.size) - 1, 0) for far in np.ndindex(2, 2, 2)])

    @property
    def box_corners(self) -> np.ndarray:
        """Continuous indices of the corners of the box round all voxels (8, 3)."""
        far = np.array(self.size) - 0.5
        return np.array([np.where(last, far, -0.5) for last in np.ndindex(2, 2, 2)])

    @property
    def extent_text(self) -> str:
        """The millimetres (LPS) between the outermost voxel centres, for messages."""
        corners = self.to_lps(self.corners)
        return extent_text(corners.min(axis=0), corners.max(axis=0))

    @property
    def spacing_text(self) -> str:
        """The spacing for messages."""
        return " x ".join(f"{step:.6g}" for step in self.spacing)

    @property
    def text(self) -> str:
        """Origin, spacing and direction for messages."""
        origin, direction = (
            ", ".join(f"{round(value, 4) + 0:.6g}" for value in values)
            for values in (self.origin, self.direction)
        )
        return f"origin {origin} mm, spacing {self.spacing_text} mm, direction {direction}"

    def covers_voxels_of(self, other: Grid) -> bool:
        """Whether both have the same voxel centres, in any order of axes."""
        corners = other.to_index(self.to_lps(self.corners))
        last = np.array(other.size) - 1
        ends = np.where(corners < last / 2, 0, last)
        near = np.abs(corners - ends).max() <= SAME_GRID_TOLERANCE
        return bool(near) and len(np.unique(ends, axis=0)) == len(np.unique(other.corners, axis=0))

    def to_lps(self, index: np.ndarray | Point | Index) -> np.ndarray:
        """LPS mm of (continuous) indices, shape (..., 3) in order x, y, z."""
        return np.asarray(index, float) @ self.axes.T + np.array(self.origin)

    def to_index(self, point: np.ndarray | Point) -> np.ndarray:
        """Continuous indices of LPS points in mm, shape (..., 3)."""
        return (np.asarray(point, float) - np.array(self.origin)) @ self._inverse.T

    def part(self, box: Box) -> Grid:
        """The grid of a box of this one; the box may reach beyond it."""
        x, y, z = self.to_lps(box.start)
        return Grid(box.size, self.spacing, (float(x), float(y), float(z)), self.direction)

    def image(self, array: np.ndarray) -> sitk.Image:
        """A SimpleITK image of `array` (z, y, x) on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def offset_in(self, other: Grid) -> Index | None:
        """This grid's first voxel as an index of `other`; None if their voxels do not coincide."""
        corners = self.corners
        in_other = other.to_index(self.to_lps(corners))
        first = np.rint(in_other[0])
        if np.abs(in_other - corners - first).max() > SAME_GRID_TOLERANCE:
            return None
        return (int(first[0]), int(first[1]), int(first[2]))


def extent_text(low: np.ndarray, high: np.ndarray) -> str:
    """Millimetres along each axis, for messages."""
    return " x ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))


def span(marked: np.ndarray) -> slice:
    """Return the slice from the first to the last True of a line; empty where there is none."""
    indices = np.flatnonzero(marked)
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)


def plausible_steps(steps: Iterable[float]) -> bool:
    """Whether these can be millimetres between voxels."""
    return all(SMALLEST_STEP_MM <= step <= LARGEST_STEP_MM for step in steps)


def point_of(values: np.ndarray) -> Point:
    """An array of three numbers as a point."""
    x, y, z = values.tolist()
    return (float(x), float(y), float(z))


def plausible_position(values: Iterable[float]) -> bool:
    """Whether these can be millimetres in a patient's coordinates."""
    return all(abs(value) <= FARTHEST_MM for value in values)


def _add(a: Index, b: Index) -> Index:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


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
    """Return the reorientation that brings a grid's axes nearest to given directions.

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
    """Return an image with its axes in LPS order; the same object where they are already."""
    return reorientation(Grid.of(image)).image(image)


def with_axes_of(image: sitk.Image, grid: Grid) -> sitk.Image:
    """Return an image with its axes in the order of another grid's; see `in_lps`."""
    return reorientation(Grid.of(image), grid.direction).image(image)


def _signs(cosines: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    return np.where(cosines[(0, 1, 2), order] < 0, -1.0, 1.0)


def _rounded(mm: float) -> float:
    return round(mm, _ORIGIN_DECIMALS) + 0.0

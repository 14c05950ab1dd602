"""Voxel grids in LPS millimetres: sizes, boxes, and the way between index and patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import SimpleITK as sitk

Index: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float, float]

# Beyond these lies no patient, and not far beyond them arithmetic ends.
SMALLEST_STEP_MM, LARGEST_STEP_MM = 1e-2, 1e2
FARTHEST_MM = 1e6
LARGEST_SIDE = 16384  # voxels: more than any CT has
LARGEST_SLICE = 1 << 26  # voxels

# Two grids are one when no voxel centre is further off than this, in voxels.
SAME_GRID_TOLERANCE = 0.01


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
    """Where voxels are: size (x, y, z), spacing in mm, origin in LPS mm, direction as in ITK."""

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
        """Whether both have the same voxel centres, in whatever order."""
        there = other.to_index(self.to_lps(self.corners))
        last = np.array(other.size) - 1
        ends = np.where(there < last / 2, 0, last)
        near = np.abs(there - ends).max() <= SAME_GRID_TOLERANCE
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
        there = other.to_index(self.to_lps(corners))
        first = np.rint(there[0])
        if np.abs(there - corners - first).max() > SAME_GRID_TOLERANCE:
            return None
        return (int(first[0]), int(first[1]), int(first[2]))


def extent_text(low: np.ndarray, high: np.ndarray) -> str:
    """Millimetres along each axis, for messages."""
    return " x ".join(f"{a:.0f}..{b:.0f}" for a, b in zip(low, high, strict=True))


def span(marked: np.ndarray) -> slice:
    """From the first to the last True of a line; empty where there is none."""
    places = np.flatnonzero(marked)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def plausible_steps(steps: Iterable[float]) -> bool:
    """Whether these can be millimetres between voxels."""
    return all(SMALLEST_STEP_MM <= step <= LARGEST_STEP_MM for step in steps)


def point_of(values: np.ndarray) -> Point:
    """An array of three numbers as a point."""
    x, y, z = values.tolist()
    return (float(x), float(y), float(z))


def plausible_place(values: Iterable[float]) -> bool:
    """Whether these can be millimetres in a patient's coordinates."""
    return all(abs(value) <= FARTHEST_MM for value in values)


def _add(a: Index, b: Index) -> Index:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])

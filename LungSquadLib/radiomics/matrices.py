"""The entries of texture matrices: pairs, runs, zones, and the neighbours of each voxel.

A matrix is not stored. Its entries are counted where they are needed, each with the number of the
matrix it belongs to, so many slices and directions are as quick as one, and grey levels that do not
occur cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import SimpleITK as sitk

_SPACE = tuple(step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0))
_PLANE = tuple(step for step in _SPACE if step[0] == 0)


@dataclass(frozen=True)
class Entries:
    """What texture matrices count.

    Attributes:
        slices: (n,) the slice that each entry lies in, or begins in; 0 where it has none.
        directions: (n,) the direction that it was found along; 0 for matrices without.
        levels: (n,) its grey level, from 1 on.
        columns: (n,) its column of the matrix: the second grey level of a pair; the length, size
            or distance; the number of neighbours of the same grey level, itself included; the
            distance from the mean grey level around.
        voxels: (n,) how many voxels it stands for.
    """

    slices: np.ndarray
    directions: np.ndarray
    levels: np.ndarray
    columns: np.ndarray
    voxels: np.ndarray


def directions(*, in_planes: bool) -> tuple[tuple[int, ...], ...]:
    """Return the 4 directions (z, y, x) of a plane or the 13 of space, without their opposites."""
    return _PLANE if in_planes else _SPACE


def pairs(levels: np.ndarray, *, in_planes: bool) -> Entries:
    """Return the pairs of neighbouring voxels of grey levels (z, y, x), each once; 0 is outside."""
    rows = []
    for number, lines in enumerate(_lines(levels, in_planes=in_planes)):
        first, second = lines.levels[:-1], lines.levels[1:]
        positions = np.flatnonzero((first > 0) & (second > 0))
        rows.append((lines.slices(positions), number, first[positions], second[positions]))
    return _joined(rows)


def runs(levels: np.ndarray, *, in_planes: bool) -> Entries:
    """Return the runs of voxels of one grey level, with their lengths."""
    rows = []
    for number, lines in enumerate(_lines(levels, in_planes=in_planes)):
        starts = np.flatnonzero(np.diff(lines.levels, prepend=-1))
        lengths = np.diff(starts, append=len(lines.levels))
        inside = lines.levels[starts] > 0
        starts, lengths = starts[inside], lengths[inside]
        rows.append((lines.slices(starts), number, lines.levels[starts], lengths))
    return _joined(rows)


def _joined(rows: list[tuple[np.ndarray, int, np.ndarray, np.ndarray]]) -> Entries:
    """Join what was found along each direction; a run stands for as many voxels as it is long."""
    numbers = [np.full(len(row[0]), row[1]) for row in rows]
    slices, levels, columns = (np.concatenate([row[part] for row in rows]) for part in (0, 2, 3))
    return Entries(slices, np.concatenate(numbers), levels, columns, columns)


@dataclass(frozen=True)
class _Lines:
    """All lines of a padded volume along one direction, one after the other.

    In a padded volume a step along a direction is a constant distance in memory, and every line
    ends in the padding, so the columns of the volume's memory, written in rows of that length, are
    its lines.
    """

    levels: np.ndarray
    step: int
    plane: int

    def slices(self, positions: np.ndarray) -> np.ndarray:
        """Return the slices that positions in the lines belong to, without the padding's."""
        column, row = np.divmod(positions, len(self.levels) // self.step)
        return (row * self.step + column) // self.plane - 1


def _lines(levels: np.ndarray, *, in_planes: bool) -> Iterator[_Lines]:
    padded = np.pad(levels, 1)
    plane, row = padded[0].size, padded.shape[2]
    for z, y, x in directions(in_planes=in_planes):
        step = z * plane + y * row + x
        flat = np.pad(padded.ravel(), (0, -padded.size % step))
        yield _Lines(flat.reshape(-1, step).T.ravel(), step, plane)


def zones(levels: np.ndarray, distances: np.ndarray, *, in_planes: bool) -> tuple[Entries, Entries]:
    """Return the connected zones of one grey level, with their sizes and with their distances.

    Voxels that touch at a corner belong to one zone.

    Args:
        levels: (z, y, x); 0 is outside.
        distances: (z, y, x) of each voxel from the border of the morphological mask.
        in_planes: whether zones end with their slice.
    """
    labels = _zone_labels(levels, in_planes=in_planes)
    inside = levels > 0
    zone = labels[inside]
    order = np.argsort(zone, kind="stable")
    starts = np.flatnonzero(np.diff(zone[order], prepend=-1))
    first = order[starts]
    sizes = np.diff(starts, append=len(zone))
    nearest = np.minimum.reduceat(distances[inside][order], starts)
    slices = np.nonzero(inside)[0][first] if in_planes else np.zeros(len(first), int)
    of_zone = (slices, np.zeros(len(first), int), levels[inside][first])
    return Entries(*of_zone, sizes, sizes), Entries(*of_zone, nearest, sizes)


def _zone_labels(levels: np.ndarray, *, in_planes: bool) -> np.ndarray:
    """Return a number for each zone; where slices are apart, an empty one is put between them."""
    stack = levels
    if in_planes:
        stack = np.zeros((2 * len(levels), *levels.shape[1:]), levels.dtype)
        stack[::2] = levels
    image = sitk.GetImageFromArray(stack.astype(np.int32))
    labels = sitk.ScalarConnectedComponent(image, image != 0, 0, True)
    numbers: np.ndarray = sitk.GetArrayFromImage(labels)
    return numbers[::2] if in_planes else numbers


def border_distances(mask: np.ndarray, *, in_planes: bool) -> np.ndarray:
    """Return the steps from face to face that lead from each voxel out of a mask (z, y, x)."""
    padded = np.pad(mask, 1)
    distances = np.where(padded, sum(padded.shape), 0)
    for axis in (1, 2) if in_planes else (0, 1, 2):
        for backwards in (False, True):
            lines = np.flip(distances, axis) if backwards else distances
            shape = [1, 1, 1]
            shape[axis] = -1
            position = np.arange(padded.shape[axis]).reshape(shape)
            lines[:] = np.minimum.accumulate(lines - position, axis) + position
    return distances[1:-1, 1:-1, 1:-1]


def dependences(levels: np.ndarray, *, in_planes: bool) -> Entries:
    """Return each voxel's number of neighbours of its grey level, itself included."""
    padded = np.pad(levels, 1)
    count = np.ones(padded.shape, np.int64)
    for step in directions(in_planes=in_planes):
        first, second = _shifted(step), _shifted(tuple(-by for by in step))
        same = padded[first] == padded[second]
        count[first] += same
        count[second] += same
    inside, count = levels > 0, count[1:-1, 1:-1, 1:-1]
    return _of_voxels(inside, levels[inside], count[inside], in_planes=in_planes)


def tone_differences(levels: np.ndarray, *, in_planes: bool) -> Entries:
    """Return each voxel's distance from the mean grey level of its neighbours in the mask.

    Voxels without neighbours are left out.
    """
    sums, counts = levels.astype(np.int64), (levels > 0).astype(np.int64)
    for axis in (1, 2) if in_planes else (0, 1, 2):
        sums, counts = _of_three(sums, axis), _of_three(counts, axis)
    valid = (levels > 0) & (counts > 1)
    level = levels[valid]
    difference = np.abs(level - (sums[valid] - level) / (counts[valid] - 1))
    return _of_voxels(valid, level, difference, in_planes=in_planes)


def _shifted(step: tuple[int, ...]) -> tuple[slice, ...]:
    """Return where the voxels are that have a neighbour one step further."""
    return tuple(slice(1 if by < 0 else None, -1 if by > 0 else None) for by in step)


def _of_voxels(
    voxels: np.ndarray, levels: np.ndarray, columns: np.ndarray, *, in_planes: bool
) -> Entries:
    zeros = np.zeros(len(levels), int)
    slices = np.nonzero(voxels)[0] if in_planes else zeros
    return Entries(slices, zeros, levels, columns, zeros + 1)


def _of_three(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the sums of each voxel and its two neighbours along an axis."""
    sums = values.copy()
    moved, at = np.moveaxis(values, axis, 0), np.moveaxis(sums, axis, 0)
    at[1:] += moved[:-1]
    at[:-1] += moved[1:]
    return sums

"""The largest diameter of a tumour in an axial plane, as radiologists measure it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from .geometry import Grid, Point, point_of
from .planes import across


@dataclass(frozen=True)
class Diameter:
    """A straight line from one border of the tumour to another, LPS mm."""

    mm: float
    start_lps: Point
    end_lps: Point


def axial_diameter(mask: sitk.Image) -> Diameter:
    """The longest line within one axial plane that joins two points of a mask's border.

    The border runs half-way between voxel centres, so that a single voxel has its own width. Of a
    mask that is not axial, planes across the axis nearest to the patient's are taken.

    Args:
        mask: what is not 0 is tumour, LPS mm.

    Raises:
        InputError: the mask is empty.
    """
    grid, axis = Grid.of(mask), across(Grid.of(mask), "axial")
    planes = np.moveaxis(sitk.GetArrayViewFromImage(mask) != 0, 2 - axis, 0)
    first, second = [one for one in (0, 1, 2) if one != axis]  # columns and rows of a plane
    steps = np.array([grid.spacing[first], grid.spacing[second]])
    # Where the longest possible lines are first: most planes need not be looked at.
    reach = np.array([_reach(plane, steps) for plane in planes])
    best, ends, where = 0.0, np.zeros((2, 2)), 0
    for number in np.argsort(-reach):
        if reach[number] <= best:
            break
        length, pair = _farthest(_outer(_border(planes[number]) * steps))
        if length > best:
            best, ends, where = length, pair / steps, int(number)
    if not best:
        raise InputError("The mask is empty: draw the tumour, or choose another.")
    start, end = (_index(point, where, axis, first, second) for point in ends)
    return Diameter(best, point_of(grid.to_lps(start)), point_of(grid.to_lps(end)))


def _reach(plane: np.ndarray, steps: np.ndarray) -> float:
    """The diagonal of the box round a plane's tumour, mm; no line in it is longer."""
    rows, columns = np.flatnonzero(plane.any(1)), np.flatnonzero(plane.any(0))
    if not rows.size:
        return 0.0
    sides = np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]) * steps
    return float(np.hypot(*sides))


def _border(plane: np.ndarray) -> np.ndarray:
    """The outermost border points (N, 2) of each row and column, as (column, row)."""
    points = []
    for lines, swap in ((plane, False), (plane.T, True)):
        there = np.flatnonzero(lines.any(1))
        low = lines[there].argmax(1) - 0.5
        high = lines.shape[1] - lines[there, ::-1].argmax(1) - 0.5
        points += [
            np.column_stack([there, ends] if swap else [ends, there]) for ends in (low, high)
        ]
    return np.concatenate(points)


def _outer(points: np.ndarray) -> np.ndarray:
    """Those of the points (N, 2) that may belong to the two that are farthest apart.

    With every point at most `reach` from the middle, a point nearer to it than `least - reach` is
    nearer than `least` to all others; and some two are `least` apart.
    """
    out = _lengths(points - (points.max(0) + points.min(0)) / 2)
    reach, least = out.max(), _lengths(points - points[out.argmax()]).max()
    return points[out >= (least - reach) * (1 - 1e-9)]


def _farthest(points: np.ndarray) -> tuple[float, np.ndarray]:
    """The greatest distance between two of the points (N, 2), and those two (2, 2)."""
    lengths = _lengths(points[:, None] - points[None])
    first, second = np.unravel_index(int(lengths.argmax()), lengths.shape)
    return float(lengths[first, second]), points[[first, second]]


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _index(point: np.ndarray, plane: int, axis: int, first: int, second: int) -> np.ndarray:
    index = np.empty(3)
    index[axis], index[first], index[second] = plane, point[0], point[1]
    return index
